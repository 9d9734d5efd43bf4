"""The visitor's network goes away and comes back: the page says so, has kept what was typed and what had come, and can
go on from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from browser import new_page
from fake_engine import FakeEngine, serve, wait_until
from network import Network, network
from visit import answers, until
from web import page_app, running

pytestmark = pytest.mark.browser

AWAY_MS = 10_000
SOON = 10.0
PROMPT = "def kept():\n"
DONE = "document.querySelector('#cg-live .cg-state')?.textContent === 'done'"
NOTICED = "text=Connection to the server was lost"
TOLD = "document.querySelector('#cg-live .cg-note')?.textContent.includes('connection was lost')"


@dataclass(frozen=True)
class Server:
    """The page's server, behind a network that can go away."""

    engine: FakeEngine
    between: Network


@contextmanager
def behind_a_network(engine: FakeEngine) -> Iterator[Server]:
    with running(page_app(serve(engine))) as address, network(address) as between:
        yield Server(engine, between)


@pytest.fixture(scope="module")
def endless() -> Iterator[Server]:
    with behind_a_network(FakeEngine(("    return 1\n",) * 2000, seconds=0.1, context=100_000)) as server:
        yield server


@pytest.fixture(scope="module")
def short() -> Iterator[Server]:
    with behind_a_network(FakeEngine(("    a = 1\n",) * 8, seconds=0.01)) as server:
        yield server


@contextmanager
def generating(browser: Any, server: Server) -> Iterator[Any]:
    """A page with some lines of a run on it, the first that its server is asked for."""
    wait_until(lambda: server.engine.active == 0)
    server.engine.requests.clear()
    with new_page(browser) as page:
        page.set_default_timeout(60_000)
        page.goto(server.between.address)
        page.fill("#cg-prompt textarea", PROMPT)
        page.check("#cg-stop-at input[value=length]")
        page.click("#cg-generate")
        until(page, "document.querySelectorAll('#cg-output .line').length > 5")
        try:
            yield page
        finally:
            server.between.mend()


def lose_and_mend(page: Any, between: Network) -> None:
    """The network goes away until the page says so, and is back when the page has said what happened."""
    between.cut()
    page.wait_for_selector(NOTICED)
    between.mend()
    until(page, TOLD, SOON)


def test_ten_seconds_without_a_network_lose_neither_prompt_nor_output_and_continue_goes_on(
    browser: Any, endless: Server
) -> None:
    engine, between = endless.engine, endless.between
    with generating(browser, endless) as page:
        between.cut()
        page.wait_for_selector(NOTICED)
        page.wait_for_timeout(AWAY_MS)
        assert "    return 1" in page.inner_text("#cg-output code")
        wait_until(lambda: engine.active == 0, 60)
        between.mend()
        until(page, TOLD, SOON)
        kept = page.evaluate("codegenUI.outputText()")
        assert kept.startswith(PROMPT + "    return 1\n    return 1\n")
        assert page.input_value("#cg-prompt textarea") == PROMPT
        assert page.is_checked("#cg-stop-at input[value=length]")
        page.click("#cg-continue")
        until(page, "document.querySelector('#cg-live .cg-state')?.textContent === 'decoding'")
        assert engine.requests[-1].prompt == kept
        assert page.evaluate("codegenUI.outputText()").startswith(kept)


def test_generate_starts_anew_after_the_connection_was_lost(browser: Any, endless: Server) -> None:
    engine, between = endless.engine, endless.between
    with generating(browser, endless) as page:
        lose_and_mend(page, between)
        page.click("#cg-generate")
        until(page, "document.querySelector('#cg-live .cg-state')?.textContent === 'decoding'")
        assert engine.requests[-1].prompt == PROMPT


def test_ten_seconds_in_which_nothing_is_carried_are_made_up_for(browser: Any, endless: Server) -> None:
    engine, between = endless.engine, endless.between
    with generating(browser, endless) as page:
        between.freeze()
        before = page.locator("#cg-output .line").count()
        page.wait_for_timeout(AWAY_MS)
        between.mend()
        until(page, f"document.querySelectorAll('#cg-output .line').length > {before + 60}", SOON)
        assert len(engine.requests) == 1
        assert engine.active == 1


@contextmanager
def finished(browser: Any, server: Server) -> Iterator[tuple[Any, dict[str, str]]]:
    """A page with a run on it that has ended, and what each button would ask for."""
    with generating(browser, server) as page:
        until(page, DONE)
        yield page, {"generate": PROMPT, "continue": page.evaluate("codegenUI.outputText()")}


def test_a_finished_run_can_be_continued_where_nobody_noticed_that_the_network_was_away(
    browser: Any, short: Server
) -> None:
    engine, between = short.engine, short.between
    with finished(browser, short) as (page, asks):
        between.cut()
        between.mend()
        page.click("#cg-continue")
        wait_until(lambda: len(engine.requests) == 2, 60)
        assert engine.requests[-1].prompt == asks["continue"]


@pytest.mark.parametrize("button", ["generate", "continue"])
def test_what_is_clicked_while_the_network_is_away_is_done_when_it_is_back(
    browser: Any, short: Server, button: str
) -> None:
    engine, between = short.engine, short.between
    with finished(browser, short) as (page, asks):
        between.cut()
        page.wait_for_selector(NOTICED)
        page.click(f"#cg-{button}")
        between.mend()
        wait_until(lambda: len(engine.requests) == 2, 60)
        assert engine.requests[-1].prompt == asks[button]
        until(page, "['decoding', 'done'].includes(document.querySelector('#cg-live .cg-state')?.textContent)")
        assert page.evaluate("codegenUI.outputText()").startswith(asks[button] + "    a = 1\n")


@pytest.mark.parametrize("button", ["generate", "continue"])
def test_the_click_that_finds_the_network_away_is_done_when_it_is_back(
    browser: Any, short: Server, button: str
) -> None:
    engine, between = short.engine, short.between
    with finished(browser, short) as (page, asks):
        between.cut()
        page.click(f"#cg-{button}")
        page.wait_for_selector(NOTICED)
        between.mend()
        wait_until(lambda: len(engine.requests) == 2, 60)
        assert engine.requests[-1].prompt == asks[button]


def test_what_was_clicked_while_the_network_is_away_can_be_taken_back(browser: Any, short: Server) -> None:
    engine, between = short.engine, short.between
    with finished(browser, short) as (page, _):
        between.cut()
        page.wait_for_selector(NOTICED)
        page.click("#cg-continue")
        page.click("#cg-clear")
        between.mend()
        until(page, TOLD, SOON)
        answers(page)
        assert len(engine.requests) == 1


def test_a_run_that_the_server_took_is_not_asked_for_again(browser: Any, endless: Server) -> None:
    engine, between = endless.engine, endless.between
    with generating(browser, endless) as page:
        lose_and_mend(page, between)
        answers(page)
        assert len(engine.requests) == 1
