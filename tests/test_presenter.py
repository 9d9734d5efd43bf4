"""Presenter mode: large type and high contrast, a queue of examples advanced by one key, lanes and box in a corner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from visit import EXAMPLES, PHONE, faults, picture, tab, until

from codegen_ui.gallery import load_gallery

pytestmark = pytest.mark.browser

TITLES = [example.title for example in load_gallery(EXAMPLES)]
OWN = "#present=Binary%20search,Recursion,Merge%20sort"


def presenting(page: Any) -> None:
    until(page, "document.body.classList.contains('cg-presenting')")
    until(page, "document.getElementById('cg-style-presenter').sheet !== null")


def advance(page: Any, act: Callable[[], Any], title: str) -> None:
    """Do something that generates the example of this title, and wait for its end."""
    before = page.locator("#cg-runs tbody tr").count()
    act()
    assert page.inner_text("[data-p=title]") == title
    until(page, "n => document.querySelectorAll('#cg-runs tbody tr').length === n", argument=before + 1)
    assert page.text_content(".cg-state") == "done"


def press(page: Any, key: str, title: str) -> None:
    advance(page, lambda: page.keyboard.press(key), title)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with tab(browser, address, OWN) as found:
        presenting(found)
        yield found


def test_a_button_enters_and_escape_leaves_it_to_where_one_was(browser: Any, address: str) -> None:
    with tab(browser, address) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        assert not page.locator(".cg-stage").count()
        page.get_by_role("button", name="Present", exact=True).click()
        presenting(page)
        assert any("own/presenter.js" in url for url in asked), "it is loaded when it is asked for"
        assert page.locator(".cg-stage").is_visible()
        assert not page.locator("#cg-prompt").is_visible()
        assert not page.locator("#cg-gallery").is_visible()
        assert f"0 of {len(TITLES)}" in page.inner_text(".cg-stage-where")
        page.keyboard.press("Escape")
        until(page, "!document.body.classList.contains('cg-presenting')")
        assert not page.locator(".cg-stage").is_visible()
        assert page.locator("#cg-prompt").is_visible()
        assert page.evaluate("document.activeElement.className") == "cg-present"
        assert not page.evaluate("document.querySelector('#cg-lanes details').open"), "the lanes are as they were"


@pytest.mark.parametrize("query", ["?present", "#present"])
def test_an_address_enters_it_and_runs_nothing_before_a_key(browser: Any, address: str, query: str) -> None:
    with tab(browser, address, query) as page:
        presenting(page)
        assert page.inner_text("[data-p=title]") == "Ready"
        assert page.text_content(".cg-state") == "ready"
        press(page, "n", TITLES[0])
        page.keyboard.press("Escape")
        until(page, "!document.body.classList.contains('cg-presenting')")
        assert "present" not in page.url


def test_one_key_advances_the_queue_and_generates(page: Any) -> None:
    for key, title, place in (
        ("n", "Binary search", "1 of 3 · next: Recursion"),
        ("PageDown", "Recursion", "2 of 3 · next: Merge sort"),
        ("N", "Merge sort", "3 of 3 · the last"),
        ("p", "Recursion", "2 of 3 · next: Merge sort"),
        ("PageUp", "Binary search", "1 of 3 · next: Recursion"),
    ):
        press(page, key, title)
        assert page.inner_text(".cg-stage-where") == place
        assert "def " in page.evaluate("codegenUI.outputText()")
    press(page, "g", "Binary search")


def test_buttons_do_what_the_keys_do(page: Any) -> None:
    assert page.evaluate("document.activeElement.dataset.act") == "next"
    assert page.locator("[data-act=previous]").is_disabled()
    advance(page, lambda: page.click(".cg-stage [data-act=next]"), "Binary search")
    press(page, "Enter", "Recursion")
    advance(page, lambda: page.click(".cg-stage [data-act=previous]"), "Binary search")
    page.click(".cg-stage [data-act=leave]")
    until(page, "!document.body.classList.contains('cg-presenting')")


def test_type_is_large_and_the_corner_has_lanes_and_box(page: Any) -> None:
    press(page, "n", "Binary search")
    until(page, "document.querySelectorAll('#cg-lanes .own').length > 4")
    size = "selector => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)"
    assert page.evaluate(size, "#cg-output code") >= 20
    assert page.evaluate(size, "[data-p=title]") >= 28
    style = "getComputedStyle(document.querySelector('.cg-stage'))"
    colours = [page.evaluate(f"{style}.{name}") for name in ("color", "backgroundColor")]
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    boxes = [page.locator(name).bounding_box() for name in ("#cg-box", "#cg-lanes", "#cg-output")]
    assert all(box is not None for box in boxes)
    box, lanes, output = boxes
    assert box["x"] >= output["x"] + output["width"]
    assert lanes["y"] >= box["y"] + box["height"], "neither hides the other"
    assert lanes["y"] + lanes["height"] <= page.viewport_size["height"]
    assert page.locator("#cg-box [data-f=streams]").is_visible()
    picture(page, "presenter")


def test_no_key_fires_while_something_is_typed(browser: Any, address: str) -> None:
    with tab(browser, address, OWN) as page:
        presenting(page)
        page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'typed' }))")
        page.focus("#typed")
        page.keyboard.type("png")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+n")
        assert page.input_value("#typed") == "png"
        assert page.evaluate("document.body.dataset.presenting") == "-1"
        page.evaluate("document.getElementById('typed').remove()")
        page.click(".cg-stage [data-act=leave]")
        page.focus("#cg-stop-strings textarea")
        page.keyboard.type("npg")
        assert page.input_value("#cg-stop-strings textarea") == "npg"
        assert not page.evaluate("document.body.classList.contains('cg-presenting')")
        assert page.text_content(".cg-state") == "ready"


def test_titles_that_no_example_has_are_told(browser: Any, address: str) -> None:
    with tab(browser, address, "#present=%3Cb%3Enone%3C/b%3E") as page:
        presenting(page)
        assert page.inner_text(".cg-stage-where") == "No example of these titles"
        assert page.locator(".cg-stage [data-act=next]").is_disabled()
        page.keyboard.press("n")
        assert page.inner_text("[data-p=title]") == "Ready"


@pytest.mark.parametrize("screen", [{}, {"viewport": PHONE, "has_touch": True}], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(browser: Any, address: str, screen: dict[str, Any]) -> None:
    with tab(browser, address, OWN, **screen) as page:
        presenting(page)
        press(page, "n", "Binary search")
        until(page, "document.querySelector('#cg-verdicts [data-checks]')")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.locator(".cg-stage [data-act=leave]").is_visible()
        assert not page.locator("#cg-left").is_visible()
        live = page.locator("#cg-live").bounding_box()
        bar = page.locator(".cg-stage").bounding_box()
        assert bar["y"] == 0
        assert live["y"] >= bar["height"] - 1
