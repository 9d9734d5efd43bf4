"""A real Chromium for tests, and pages in it. Skips, saying why, where there is none; in CI that is a failure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WIDE: Any = {"width": 1280, "height": 900}
PATIENCE_MS = 30_000
"""How long playwright waits where it is told nothing else."""


def find_chromium() -> str | None:
    """The system's Chromium or Chrome; the one that has no window takes half the time to open a page."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


def give_up(reason: str) -> None:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}, and in CI the browser tests must run")
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Any]:
    """A playwright `Browser`."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("playwright is not installed: pip install -r tests/requirements.txt")
    path = find_chromium()
    if path is None:
        give_up("no Chromium or Chrome is installed on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Any, **options: Any) -> Iterator[Any]:
    """An empty tab: of a visitor at a desk or, where `options` describe another, of that one.

    All of them come again and again: their tabs are kept, so that the page's scripts are not read and compiled for each
    test. Nothing else is.
    """
    described = {"viewport": WIDE, **options}
    pages = [page for context in browser.contexts for page in context.pages]
    resting = [page for page in pages if page.url.endswith(resting_place(described))]
    page = resting[0] if resting else browser.new_context(**described).new_page()
    try:
        yield page
    finally:
        if not page.is_closed():
            rest(page, described)


def resting_place(described: dict[str, Any]) -> str:
    """A path of any site at which there is nothing. It tells whose tab is there."""
    return f"/nothing-is-here?{urlencode(sorted(described.items()))}"


def rest(page: Any, described: dict[str, Any]) -> None:
    """Leave the page, as a closed tab does, for a place on its own site, and forget what it kept."""
    from playwright.sync_api import Error

    site = urlsplit(page.url)
    try:
        answer = page.goto(f"{site.scheme}://{site.netloc}{resting_place(described)}")
        page.evaluate("localStorage.clear(), sessionStorage.clear()")
    except Error:  # the server has gone, or was none
        page.context.close()
        return
    assert answer.status == 404
    page.context.clear_cookies()
    page.mouse.move(0, 0)
    page.set_viewport_size(described["viewport"])
    page.set_default_timeout(PATIENCE_MS)
    page.emulate_media(reduced_motion=described.get("reduced_motion", "null"))
