"""Accept, Undo and Redo: no prompt that was replaced is lost; and why the editor is a text box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest
from browser import new_page
from fake_engine import FakeEngine, wait_until
from fastapi import FastAPI
from visit import EDITOR, PHONE, PROMPT, SCRIPT, scripted_page, tab, until
from web import running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(SCRIPT, context=2048)


@pytest.fixture(scope="module")
def address(engine: FakeEngine) -> Iterator[str]:
    with scripted_page(engine) as address:
        yield address


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def able(page: Any) -> set[str]:
    """Which of the three have something to do."""
    return {name for name in ("Accept", "Undo", "Redo") if button(page, name).get_attribute("aria-disabled") == "false"}


def generate(page: Any, prompt: str = PROMPT) -> str:
    """What the output shows after a run."""
    page.fill(EDITOR, prompt)
    before = page.locator("#cg-runs tbody tr").count()
    page.click("#cg-generate")
    until(page, "n => document.querySelectorAll('#cg-runs tbody tr').length > n", argument=before)
    return str(page.evaluate("codegenUI.outputText()"))


def holds(page: Any, text: str) -> None:
    until(page, f"text => document.querySelector('{EDITOR}').value === text", 10, text)


def test_accept_moves_the_completion_into_the_prompt_and_undo_takes_it_back(page: Any) -> None:
    assert able(page) == set()
    whole = generate(page)
    assert whole == PROMPT + "".join(SCRIPT)
    assert able(page) == {"Accept"}
    button(page, "Accept").click()
    assert page.input_value(EDITOR) == whole
    assert able(page) == {"Undo"}
    button(page, "Undo").click()
    assert page.input_value(EDITOR) == PROMPT
    assert able(page) == {"Accept", "Redo"}
    button(page, "Redo").click()
    assert page.input_value(EDITOR) == whole
    assert able(page) == {"Undo"}


def test_what_was_accepted_is_what_the_next_run_begins_with(page: Any, engine: FakeEngine) -> None:
    whole = generate(page)
    button(page, "Accept").click()
    asked = len(engine.requests)
    page.click("#cg-generate")
    wait_until(lambda: len(engine.requests) > asked)
    assert engine.requests[-1].prompt == whole
    until(page, "document.querySelectorAll('#cg-runs tbody tr').length === 2")
    button(page, "Accept").click()
    assert page.input_value(EDITOR).startswith(whole)
    for kept in (whole, PROMPT):
        button(page, "Undo").click()
        assert page.input_value(EDITOR) == kept


def test_accepting_and_typing_need_no_mouse(page: Any) -> None:
    whole = generate(page)
    page.focus(EDITOR)
    page.keyboard.press("Alt+Enter")
    assert page.input_value(EDITOR) == whole
    page.keyboard.type("print(1)")
    assert page.input_value(EDITOR) == whole + "print(1)"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Undo"
    page.keyboard.press("Enter")
    assert page.input_value(EDITOR) == PROMPT
    assert page.evaluate("document.activeElement.textContent") == "Undo", "the focus stays where it was"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.input_value(EDITOR) == whole + "print(1)", "and what was typed since is kept"


@pytest.mark.parametrize("replace", ["Clear", "Continue", "Merge sort"])
def test_whatever_replaces_the_prompt_can_be_undone(page: Any, replace: str) -> None:
    generate(page)
    button(page, replace).click()
    until(page, f"text => document.querySelector('{EDITOR}').value !== text", 10, PROMPT)
    button(page, "Undo").click()
    holds(page, PROMPT)


def test_another_prompt_than_the_outputs_is_not_replaced_by_it(page: Any) -> None:
    generate(page)
    page.fill(EDITOR, "def other():\n")
    assert "Accept" not in able(page)
    button(page, "Accept").press("Enter")
    assert page.input_value(EDITOR) == "def other():\n"


def test_nothing_is_accepted_while_it_is_still_written(page: Any, engine: FakeEngine, slow: Callable[[], None]) -> None:
    slow()
    page.fill(EDITOR, PROMPT)
    page.click("#cg-generate")
    until(page, "document.querySelector('.cg-state').textContent === 'decoding'")
    until(page, "document.querySelector('#cg-output .completion')")
    assert "Accept" not in able(page)
    button(page, "Accept").press("Enter")
    assert page.input_value(EDITOR) == PROMPT
    page.click("#cg-stop")
    until(page, "document.querySelector('[data-act=accept]').getAttribute('aria-disabled') === 'false'")
    button(page, "Accept").click()
    assert page.input_value(EDITOR) == page.evaluate("codegenUI.outputText()")


@pytest.fixture
def slow(engine: FakeEngine) -> Iterator[Callable[[], None]]:
    """Makes the engine take its time until the test is over."""

    def slow_down() -> None:
        engine.seconds = 0.2

    yield slow_down
    engine.seconds = 0.0


def test_a_prompt_of_any_text_comes_back_exactly(page: Any) -> None:
    odd = 'x = "<b>&amp;</b>"\t \n\n  # é 日本 😀   \n\tif '
    whole = generate(page, odd)
    assert whole.startswith(odd)
    button(page, "Accept").click()
    assert page.input_value(EDITOR) == whole
    button(page, "Undo").click()
    assert page.input_value(EDITOR) == odd


def test_the_buttons_fit_a_phone_and_open_no_keyboard(browser: Any, address: str) -> None:
    with tab(browser, address, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        whole = generate(page)
        button(page, "Accept").tap()
        assert page.input_value(EDITOR) == whole
        assert not page.evaluate("document.activeElement.matches('textarea')")
        button(page, "Undo").tap()
        assert page.input_value(EDITOR) == PROMPT
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


class TestWhyItIsNoCodeEditor:
    """What speaks against Gradio's own. Should one of these fail with a newer Gradio, look again."""

    def test_it_indents_python_by_two_spaces_and_closes_the_docstring_to_go_on_with(self, browser: Any) -> None:
        with gr.Blocks(analytics_enabled=False) as blocks:
            code = gr.Code(language="python", interactive=True)
            code.change(None, code, None, js="(text) => { window.typed = text; }")
        with running(gr.mount_gradio_app(FastAPI(), blocks, path="/")) as address, new_page(browser) as page:
            page.goto(address)
            page.locator(".cm-content[data-language=python]").click()
            page.keyboard.type("def f(x):")
            page.keyboard.press("Enter")
            page.keyboard.type('"""Sum')
            until(page, "window.typed?.includes('Sum')")
            assert page.evaluate("window.typed") == 'def f(x):\n  """Sum"""'

    def test_it_strips_what_it_shows(self) -> None:
        assert gr.Code().postprocess("def f():\n    ") == "def f():"
