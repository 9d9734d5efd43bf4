"""What the live panel says of a text that came out wrong, and that one click mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fake_engine import FakeEngine
from visit import tab, until
from web import page_app, running

from codegen_ui.gallery import Example
from codegen_ui.generation import Snapshot
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import FinishReason, GenerationRequest, StopAt
from codegen_ui.service import Loaded, Service
from codegen_ui.ui.panels.advice import EMPTY, NOTHING, advise, raised

LOOP = "    def __init__(self):\n" + "        self.value = value\n" * 7


def request(**settings: Any) -> GenerationRequest:
    return GenerationRequest("class Node:\n", **settings)


def snapshot(text: str, reason: FinishReason | None = None) -> Snapshot:
    return Snapshot(text, GenerationMetrics(), reason)


def test_a_repetition_is_named_while_it_happens_with_a_penalty_to_try() -> None:
    shown = advise(request(), snapshot(LOOP))
    assert shown["advice"] == "The model repeats itself: “self.value = value”, 7 times in a row."
    assert (shown["act"], shown["act_label"]) == ("penalty", "Again with repetition penalty 1.2")


def test_a_repetition_of_several_lines_is_named_by_the_first() -> None:
    text = "def f(x):\n    y = x + 1\n    return y * y if y else None\n\n\ndef g(x):\n    return x + 100000\n\n\n" * 3
    assert advise(request(), snapshot(text))["advice"].startswith(
        "The model repeats itself: 5 lines from “def f(x):” on, 3"
    )


def test_a_penalty_that_did_not_help_is_raised_until_there_is_no_more() -> None:
    assert raised(1) == 1.2
    assert raised(1.2) == 1.3
    assert raised(1.95) == 2
    assert raised(2) is None
    shown = advise(request(repetition_penalty=2.0), snapshot(LOOP))
    assert (shown["act"], bool(shown["advice"])) == ("", True)


def test_where_the_model_knows_no_penalty_none_is_offered() -> None:
    shown = advise(request(), snapshot(LOOP), {"repetition_penalty": "this server has none"})
    assert (shown["act"], bool(shown["advice"])) == ("", True)


def test_an_empty_completion_by_the_papers_rule_is_explained() -> None:
    shown = advise(request(stop_at="paper"), snapshot("\n", FinishReason.PAPER))
    assert (shown["advice"], shown["act"]) == (EMPTY, "function")


def test_a_text_as_it_should_be_is_left_alone() -> None:
    assert advise(request(), snapshot("    x = 1\n")) == NOTHING
    assert advise(request(stop_at="paper"), snapshot("    x = 1\n", FinishReason.PAPER)) == NOTHING
    assert advise(request(stop_at="paper"), snapshot("", None)) == NOTHING


# --- in a browser

QUOTES = ('"""', "\n\n", "class A:\n", "    x = 1\n", "\n\n", "A()\n")


@contextmanager
def visited(browser: Any, engine: FakeEngine, example: Example) -> Iterator[Any]:
    engine.info = replace(engine.info, context=2048)
    service = Service(["bundled"], lambda name, progress: Loaded(engine))
    with running(page_app(service, [example])) as address, tab(browser, address) as page:
        page.click(".cg-chip")
        page.wait_for_selector(".cg-advice:not([hidden])")
        yield page


@pytest.mark.browser
def test_one_click_runs_the_same_again_with_a_penalty(browser: Any) -> None:
    engine = FakeEngine(tuple(re.findall(r"\s*\S+", LOOP)), seconds=0.01)
    with visited(browser, engine, Example("Loop", "It repeats itself.", "class Node:\n", {"seed": 3})) as page:
        page.click("text=Again with repetition penalty 1.2")
        page.wait_for_selector("text=Again with repetition penalty 1.3")
        again = engine.requests[-1]
        assert (again.prompt, again.sampling.repetition_penalty, again.sampling.seed) == ("class Node:\n", 1.2, 3)
        assert page.input_value("#cg-repetition-penalty input[type=number]") == "1.2"


@pytest.mark.browser
def test_one_click_leaves_the_papers_rule_where_it_leaves_nothing(browser: Any) -> None:
    engine = FakeEngine(QUOTES, seconds=0.01)
    example = Example("English", "Plain English.", "Implement a class\n", {"stop_at": "paper"})
    with visited(browser, engine, example) as page:
        assert "The paper's rule left nothing" in page.inner_text(".cg-advice")
        page.click("text=Again, to the function's end")
        page.wait_for_selector("#cg-output .line.made >> text=class A")
        page.wait_for_selector(".cg-advice", state="hidden")
        until(page, "document.querySelector('#cg-live [data-f=why]').textContent == 'end of function'")
        assert engine.requests[-1].stop_at == StopAt.FUNCTION
        assert "A()" not in page.inner_text("#cg-output code")
