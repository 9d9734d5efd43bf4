"""The page by keyboard, by screen reader and on a phone; axe-core looks at it in both themes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_engine import FakeEngine
from visit import EDITOR, EXAMPLES, PROMPT, SCRIPT, faults, pick, scripted_page, set_number, tab, until
from web import page_app, running

from codegen_ui.gallery import load_gallery
from codegen_ui.service import Loaded, Service

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine(SCRIPT, context=2048)


@pytest.fixture(scope="module")
def address(engine: FakeEngine) -> Iterator[str]:
    with scripted_page(engine) as address:
        yield address


@pytest.fixture
def visit(browser: Any, address: str, engine: FakeEngine) -> Iterator[Callable[..., Any]]:
    """Opens the page once its model is there, for a visitor as described."""
    opened = ExitStack()

    def open_page(**options: Any) -> Any:
        page = opened.enter_context(tab(browser, address, **options))
        page.wait_for_selector("#cg-head [data-tone=ready]", state="attached")
        page.wait_for_selector(".cg-chip")
        return page

    engine.seconds = 0.01
    with opened:
        yield open_page


def state(page: Any) -> str:
    return str(page.text_content(".cg-state"))


def wait_for_state(page: Any, wanted: str, seconds: float = 20) -> None:
    until(page, "wanted => document.querySelector('.cg-state').textContent === wanted", seconds, wanted)


def generate(page: Any, prompt: str = PROMPT) -> None:
    page.fill(EDITOR, prompt)
    page.click("#cg-generate")


def generate_long(page: Any, engine: FakeEngine) -> None:
    engine.seconds = 0.1
    page.get_by_label("Max length", exact=True).check()
    generate(page)
    wait_for_state(page, "decoding")


@pytest.mark.parametrize("screen", [{}, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(visit: Callable[..., Any], screen: dict[str, Any]) -> None:
    page = visit(**screen)
    assert faults(page) == []
    generate(page)
    wait_for_state(page, "done")
    page.wait_for_selector("#cg-runs tbody tr")
    page.fill("#cg-seed input, #cg-seed textarea", "12x")
    page.click("#cg-generate")
    page.locator(".cg-field-error").wait_for()
    assert faults(page) == []


def test_axe_finds_nothing_serious_in_any_view_of_a_run(browser: Any, bundled: str) -> None:
    """Checks, the tail, tokens with a choice and a branch, code, link, lanes, and a grid: all open."""
    tokens = "#cg-tokens .cg-tokens button"
    with tab(browser, bundled) as page:
        pick(page, "Binary search")
        page.locator("#cg-verdicts li[data-state=passed]").nth(3).wait_for()
        page.fill("#cg-stop-strings textarea", "return")
        page.click("#cg-generate")
        page.locator("#cg-verdicts li[data-state]:not([data-state=passed])").nth(3).wait_for()
        page.click("#cg-tokens summary")
        page.locator(tokens).nth(2).wait_for()
        until(page, "document.querySelector('#cg-tokens [data-busy]')?.dataset.busy === ''")
        for section in ("tail", "code", "link", "lanes"):
            page.click(f"#cg-{section} summary")
        page.locator("#cg-tail del").wait_for()
        page.locator(tokens).nth(2).click()
        page.locator("#cg-tokens .cg-choices button:not(:disabled)").first.click()
        until(page, "document.querySelectorAll('#cg-tokens .cg-tree button').length === 2")
        until(page, "document.querySelector('#cg-tokens [data-busy]')?.dataset.busy === ''")
        page.locator(tokens).nth(1).click()
        page.fill("#cg-stop-strings textarea", "")
        set_number(page, "cg-count", 4)
        set_number(page, "cg-temperature", 1.2)
        page.click("#cg-sample")
        until(page, "document.body.dataset.passAtK")
        page.locator("#cg-lanes svg .own").first.wait_for(state="attached")
        page.locator("#cg-timeline svg").wait_for()
        assert faults(page) == []


def test_everything_can_be_done_by_keyboard_alone(visit: Callable[..., Any], engine: FakeEngine) -> None:
    page = visit()

    def tab_to(selector: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no way to {selector} by Tab")

    tab_to(".cg-chip")
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    tab_to(EDITOR)
    page.keyboard.press("Control+a")
    page.keyboard.type("def typed(items):")
    page.keyboard.press("Enter")
    engine.seconds = 0.2
    page.keyboard.press("Control+Enter")
    wait_for_state(page, "decoding")
    page.keyboard.press("Escape")
    wait_for_state(page, "stopped")
    assert engine.requests[-1].prompt == "def typed(items):\n"
    tab_to("#cg-generate")
    tab_to("#cg-continue")
    tab_to("#cg-temperature input")
    tab_to(".cg-scroll")


def test_the_editor_says_how_tab_leaves_it(visit: Callable[..., Any]) -> None:
    page = visit()
    hint = page.locator("#cg-keys")
    assert hint.is_visible()
    assert "Esc, then Tab" in hint.inner_text()
    until(page, f"document.querySelector('{EDITOR}').getAttribute('aria-describedby') === 'cg-keys'")


def test_keys_of_an_input_method_are_its_own(visit: Callable[..., Any], engine: FakeEngine) -> None:
    page = visit()
    page.fill(EDITOR, "def f():\n")
    asked = len(engine.requests)
    page.evaluate(
        """selector => {
          for (const key of ['Enter', 'Escape', 'Tab']) {
            document.querySelector(selector).dispatchEvent(
              new KeyboardEvent('keydown', { key, ctrlKey: key === 'Enter', isComposing: true, bubbles: true }));
          }
        }""",
        EDITOR,
    )
    assert page.input_value(EDITOR) == "def f():\n"
    page.focus(EDITOR)
    page.keyboard.press("Control+Enter")
    until(page, "document.querySelectorAll('#cg-runs tbody tr').length === 1")
    assert len(engine.requests) == asked + 1, "only what was pressed outside the input method asked for something"


def test_escape_stops_only_where_it_means_that(visit: Callable[..., Any], engine: FakeEngine) -> None:
    page = visit()
    generate_long(page, engine)
    for field in ("#cg-keep-title input, #cg-keep-title textarea", "#cg-seed input, #cg-seed textarea"):
        page.locator(field).first.press("Escape")
    before = len(page.text_content("#cg-output code"))
    until(page, "n => document.querySelector('#cg-output code').textContent.length > n + 30", argument=before)
    assert state(page) == "decoding"
    page.locator(".cg-scroll").press("Escape")
    wait_for_state(page, "stopped")


WORDS = """() => {
  window.words = [[0, document.getElementById('cg-announcer')?.textContent]];
  new MutationObserver(() => {
    const said = document.getElementById('cg-announcer');
    if (said && said.textContent !== window.words.at(-1)?.[1]) window.words.push([Date.now(), said.textContent]);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def test_a_screen_reader_hears_the_states_and_not_every_figure(visit: Callable[..., Any], engine: FakeEngine) -> None:
    page = visit()
    engine.seconds = 0.4
    page.evaluate(WORDS)
    generate(page)
    wait_for_state(page, "done")
    until(page, "window.words.at(-1)?.[1].startsWith('done')")
    _, *words = page.evaluate("window.words")
    assert [word for _, word in words][-1].startswith(f"done, {len(SCRIPT) + 1} tokens in ")
    assert len(words) <= 3
    assert all(later[0] - earlier[0] > 2500 for earlier, later in itertools.pairwise(words))
    assert page.locator("#cg-live [aria-live], #cg-head .cg-model[aria-live]").count() == 0


def test_focus_stays_in_the_gallery_when_it_is_drawn_anew(visit: Callable[..., Any]) -> None:
    page = visit()
    for name in ("one", "two"):
        page.fill(EDITOR, f"def {name}(items):\n")
        page.locator("#cg-keep-title input, #cg-keep-title textarea").fill(name)
        page.click("#cg-save")
        page.get_by_role("button", name=f"Forget {name}").wait_for()
    page.get_by_role("button", name="Forget one").press("Enter")
    page.get_by_role("button", name="Forget one").wait_for(state="detached")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Forget two"
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Forget two").wait_for(state="detached")
    assert page.evaluate("document.activeElement.matches('.cg-chip')")


def test_a_refused_value_is_described_at_its_field(visit: Callable[..., Any]) -> None:
    page = visit()
    until(page, f"document.querySelector('{EDITOR}').getAttribute('aria-describedby') === 'cg-keys'")
    page.fill(EDITOR, "x = '\0'")
    page.click("#cg-generate")
    note = page.locator("#cg-prompt .cg-field-error")
    note.wait_for()
    described = page.get_attribute(EDITOR, "aria-describedby").split()
    assert described == [note.get_attribute("id"), "cg-keys"]
    assert page.get_attribute(EDITOR, "aria-invalid") == "true"
    page.fill(EDITOR, "x = 1")
    note.wait_for(state="detached")
    assert page.get_attribute(EDITOR, "aria-describedby") == "cg-keys"
    assert page.get_attribute(EDITOR, "aria-invalid") is None


AIR = """() => [...document.querySelectorAll('#cg-actions button')].map((button) => {
  const word = document.createRange();
  word.selectNodeContents(button);
  return (button.getBoundingClientRect().width - word.getBoundingClientRect().width) / 2;
})"""


@pytest.mark.parametrize(("width", "least"), [(390, 8), (320, 2)])
def test_the_words_of_the_buttons_have_room_on_a_phone(visit: Callable[..., Any], width: int, least: float) -> None:
    page = visit(viewport={"width": width, "height": 844})
    assert min(page.evaluate(AIR)) >= least


def test_descriptions_of_examples_are_seen_and_heard(visit: Callable[..., Any]) -> None:
    page = visit()
    wanted = next(one for one in load_gallery(EXAMPLES) if one.title == "Binary search").description
    chip = page.get_by_role("button", name="Binary search", exact=True)
    assert chip.get_attribute("aria-description") == wanted
    chip.hover()
    assert wanted in page.locator(".cg-describe").inner_text()
    page.get_by_role("button", name="Merge sort", exact=True).focus()
    assert page.locator(".cg-describe").inner_text().startswith("Merge sort: ")
    phone = visit(**PHONE)
    note = phone.get_by_role("button", name="Binary search", exact=True).locator("small")
    assert note.is_visible()
    assert note.inner_text() == wanted


def test_a_phone_neither_zooms_nor_submits_with_enter(visit: Callable[..., Any], engine: FakeEngine) -> None:
    page = visit(**PHONE)
    sizes = page.eval_on_selector_all(
        ".gradio-container :is(textarea, input:not([type=radio], [type=range]))",
        "fields => fields.map(field => [field.className, parseFloat(getComputedStyle(field).fontSize)])",
    )
    assert len(sizes) > 8
    assert [one for one in sizes if one[1] < 16] == []
    asked = len(engine.requests)
    for field in (EDITOR, "#cg-stop-strings textarea"):
        page.tap(field)
        page.keyboard.type("one")
        page.keyboard.press("Enter")
        page.keyboard.type("two")
        assert page.input_value(field) == "one\ntwo"
    assert len(engine.requests) == asked
    assert not page.locator("#cg-keys").is_visible()


def test_a_short_run_has_a_plot_worth_looking_at(visit: Callable[..., Any], engine: FakeEngine) -> None:
    page = visit()
    generate(page)
    wait_for_state(page, "done")
    points = page.get_attribute("#cg-live polyline", "points").split()
    assert len(points) >= len(SCRIPT) - 3, "a point a step, where two would be one flat block"


def test_a_model_that_failed_is_tried_again_from_the_page(browser: Any) -> None:
    tries: list[str] = []

    def load(name: str, progress: object) -> Loaded:
        tries.append(name)
        if len(tries) == 1:
            raise OSError("the disk was away for a moment")
        return Loaded(FakeEngine())

    service = Service(["late"], load)
    with running(page_app(service)) as address, tab(browser, address) as page:
        retry = page.get_by_role("button", name="Try again")
        retry.click()
        page.wait_for_selector("#cg-head [data-tone=ready]", state="attached")
        assert not retry.is_visible()
    assert tries == ["late", "late"]


def test_a_models_limits_leave_the_settings_with_it(browser: Any) -> None:
    engines = {"short": FakeEngine(context=128), "long": FakeEngine(context=2048)}
    service = Service(["short", "long"], lambda name, progress: Loaded(engines[name]))
    with running(page_app(service)) as address, tab(browser, address) as page:
        slider = page.locator("#cg-max-length input[type=range]")
        page.locator("#cg-max-length input[type=range][max='128']").wait_for()
        assert slider.input_value() == "128"
        page.locator("#cg-picker input").click()
        page.get_by_role("option", name="long").click()
        page.locator("#cg-max-length input[type=range][max='2048']").wait_for()
