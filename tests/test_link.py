"""Links to runs: what they hold comes back, what is no link is said to be none, nothing runs before a click."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from browser import new_page
from fake_engine import FakeEngine, serve
from visit import pick, set_number, tab, until

from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.panels.link_panel import LinkPanel
from codegen_ui.ui.sessions import Sessions

RUN = {"prompt": "def f():\n", "settings": {"temperature": 0.5, "seed": 3}, "checks": ["f() == 1"], "dtype": "float32"}


def filled(**given: Any) -> list[Any]:
    service = serve(FakeEngine())
    panel = LinkPanel(service, Sessions(service))
    return asyncio.run(panel.fill(None, SimpleNamespace(**given)))


class TestFill:
    def test_prompt_settings_and_checks_come_back(self) -> None:
        note, *values = filled(**RUN)
        assert values == [*Inputs("def f():\n", temperature=0.5, seed="3").values(), "f() == 1"]
        assert "Generate runs it" in note["note"]

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"prompt": ""}, "prompt"),
            ({"prompt": None}, "prompt"),
            ({"settings": {"top_p": 7}}, "top_p"),
            ({"settings": {"visitor": "x"}}, "visitor"),
            ({"settings": []}, ""),
            ({"settings": "x"}, "settings"),
            ({"checks": "f()"}, "checks"),
            ({"checks": [1]}, "checks"),
        ],
    )
    def test_what_would_be_refused_changes_nothing_and_is_named(self, change: dict[str, Any], says: str) -> None:
        note, *values = filled(**{**RUN, **change})
        assert says in note["note"]
        if says:
            assert "cannot be used" in note["note"]
            assert all(isinstance(value, dict) and value["__type__"] == "update" for value in values)

    def test_other_numbers_than_the_links_are_told_before_the_run(self) -> None:
        assert "dtype was float16" in filled(**{**RUN, "dtype": "float16"})[0]["note"]


@pytest.mark.browser
class TestPage:
    def test_a_link_fills_the_page_runs_nothing_and_then_says_that_the_text_is_identical(
        self, browser: Any, address: str
    ) -> None:
        with tab(browser, address) as page:
            pick(page, "Merge sort")
            set_number(page, "cg-temperature", 0.9)
            page.fill("#cg-seed textarea, #cg-seed input", "")
            page.click("#cg-generate")
            until(page, "document.querySelectorAll('#cg-runs tbody tr').length === 2")
            page.click("#cg-link summary")
            until(page, "document.querySelector('#cg-link input').value.includes('#run=')")
            link = page.input_value("#cg-link input")
            text = page.evaluate("codegenUI.outputText()")
        assert len(link) < 1500
        asked: list[str] = []
        with tab(browser, address, "#" + urlsplit(link).fragment) as page:
            page.on("request", lambda request: asked.append(request.url))
            until(page, "document.querySelector('#cg-link .cg-note').textContent.includes('Opened from a link')")
            until(page, "document.querySelector('#cg-prompt textarea').value.includes('merge_sort')")
            # The server has counted the prompt meanwhile: a run would have begun.
            until(page, "/[1-9]\\d* prompt tokens/.test(document.querySelector('#cg-meter').textContent)")
            assert page.inner_text(".cg-state") == "ready"
            assert "merge_sort([]) == []" in page.input_value("#cg-checks textarea")
            page.click("#cg-generate")
            until(page, "document.querySelector('#cg-link .cg-note').textContent.includes('Identical')")
            assert page.evaluate("codegenUI.outputText()") == text
        assert not any("run=" in url for url in asked)

    def test_a_damaged_link_is_said_to_be_one(self, browser: Any, address: str) -> None:
        with tab(browser, address, "#run=AAAA") as page:
            until(page, "document.querySelector('#cg-link .cg-note').textContent === 'This link is damaged.'")


UNPACKED = """fragment => import('/own/link.js').then(({ unpack }) => unpack(fragment))
    .catch((problem) => problem.message)"""
AGAIN = "async (run) => { const { pack, unpack } = await import('/own/link.js'); return unpack(await pack(run)); }"


@pytest.mark.browser
class TestModule:
    """What packs and unpacks a run, in a document without a page around it."""

    @pytest.fixture(scope="class")
    @staticmethod
    def document(browser: Any, address: str) -> Iterator[Any]:
        with new_page(browser) as page:
            page.goto(f"{address}/own/link.js")
            yield page

    @pytest.mark.parametrize(
        ("fragment", "says"),
        [
            ("#run=", "this is no link to a run"),
            ("#run=%00", "this is no link to a run"),
            ("#run=<b>", "this is no link to a run"),
            ("#run=" + "A" * 100000, "this is no link to a run"),
            ("#run=AAAA", "this link is damaged"),
        ],
    )
    def test_what_is_damaged_or_no_link_is_said_to_be_so(self, document: Any, fragment: str, says: str) -> None:
        assert document.evaluate(UNPACKED, fragment) == says

    @pytest.mark.parametrize("text", ["", "é\u0000\"'\\\n", "x" * 200000])
    def test_what_is_packed_is_unpacked(self, document: Any, text: str) -> None:
        run = {"prompt": text, "settings": {"seed": 2**53}}
        assert document.evaluate(AGAIN, run) == run

    def test_a_link_that_unpacks_to_megabytes_is_refused(self, document: Any) -> None:
        with pytest.raises(Exception, match="this link holds too much"):
            document.evaluate(AGAIN, {"prompt": "x" * 5_000_000})
