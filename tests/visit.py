"""The page over the bundled checkpoint, and tabs of it that may ask no other host and fail in no script."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import new_page
from fake_engine import FakeEngine, serve, wait_until
from web import page_app, running

from codegen_ui.announce import Announcer
from codegen_ui.gallery import load_gallery
from codegen_ui.options import Options
from codegen_ui.server import create_app, make_service
from codegen_ui.status import Phase
from codegen_ui.ui.page import build_page

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
CHECKPOINT = ROOT / "codegen_ui" / "bundled" / "checkpoint" / "model.safetensors"
PICTURES = EXAMPLES / "screenshots"
SCREENSHOTS = "CODEGEN_UI_SCREENSHOTS"
PHONE = {"width": 390, "height": 800}
EDITOR = "#cg-prompt textarea"
PROMPT = "def total(items):\n"
FUNCTION = "    total = 0\n    for item in items:\n        total += item\n    return total\n"
SCRIPT = tuple(re.findall(r"\s*\S+", FUNCTION))


@contextmanager
def scripted_page(engine: FakeEngine) -> Iterator[str]:
    """The address of the page, with its examples, over an engine that poses as the bundled checkpoint."""
    with running(page_app(serve(engine, "bundled"), load_gallery(EXAMPLES))) as address:
        yield address


@contextmanager
def bundled_page(**options: Any) -> Iterator[str]:
    """The address of the real app over the bundled checkpoint, which is ready."""
    if not CHECKPOINT.is_file():
        pytest.skip("the bundled checkpoint is not in this checkout")
    pytest.importorskip("torch")
    options.setdefault("model", ("bundled",))
    chosen = Options(**options)
    service = make_service(chosen, Announcer("", print))
    with running(create_app(service, build_page(service, load_gallery(EXAMPLES)), chosen)) as address:
        wait_until(lambda: service.status().phase is Phase.READY, 120)
        yield address


@contextmanager
def tab(browser: Any, address: str, query: str = "", **options: Any) -> Iterator[Any]:
    """A visitor's tab, with nothing stored. At its end no request may have left for another host, and no script have
    failed.
    """
    foreign: list[str] = []
    broken: list[str] = []
    host = urlsplit(address).netloc

    def note(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != host:
            foreign.append(request.url)

    def fault(error: Any) -> None:
        broken.append(str(error))

    with new_page(browser, **options) as page:
        page.on("request", note)
        page.on("pageerror", fault)
        page.goto(f"{address}/{query}")
        page.wait_for_selector("#cg-live [data-tone]", state="attached")
        page.wait_for_selector("#cg-generate", state="attached")
        yield page
        page.remove_listener("request", note)
        page.remove_listener("pageerror", fault)
    assert foreign == []
    assert broken == []


def until(page: Any, condition: str, seconds: float = 60, argument: Any = None) -> None:
    """Wait for a condition in the page's own words.

    It is looked for by the clock: else playwright asks for one frame after another, which costs more than the page.
    """
    page.wait_for_function(condition, arg=argument, timeout=seconds * 1000, polling=20)


def answers(page: Any) -> None:
    """Until the server has answered something new: what was on its way to the page before is there."""
    page.fill(EDITOR, "one two three")
    until(page, "document.querySelector('#cg-meter').textContent.includes('3 prompt tokens')")


def pick(page: Any, title: str) -> None:
    """Click an example and wait for the end of its run."""
    page.get_by_role("button", name=title, exact=True).first.click()
    until(page, "document.querySelector('.cg-state').textContent === 'done'")


def set_number(page: Any, field: str, value: float) -> None:
    """Type into the number beside a slider."""
    box = page.locator(f"#{field} input[type=number]")
    box.fill(str(value))
    box.blur()


OTHER_THEME = """() => {
  document.body.classList.toggle("dark");
  const fading = document.getAnimations().filter((one) => one instanceof CSSTransition);
  return Promise.all(fading.map((one) => one.finished.catch(() => {})));
}"""


def faults(page: Any, within: str | None = None) -> list[str]:
    """What axe-core finds serious or worse, in the page or one part of it, in both themes: rule, impact, and where.

    They differ in nothing but colours.
    """
    found = axe(page, within)
    page.evaluate(OTHER_THEME)
    found += axe(page, within, runOnly={"type": "rule", "values": ["color-contrast"]})
    page.evaluate(OTHER_THEME)
    return found


def axe(page: Any, within: str | None, **options: Any) -> list[str]:
    # Of what is right axe-core would write down each element and the way to it, which takes most of its time.
    found = Axe().run(page, context=within, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{fault['id']} ({fault['impact']}): {node['target']} {node['html'][:120]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def picture(element: Any, name: str) -> None:
    """A screenshot for the README, where the run was asked for them."""
    if os.environ.get(SCREENSHOTS):
        element.screenshot(path=str(PICTURES / f"{name}.png"))
