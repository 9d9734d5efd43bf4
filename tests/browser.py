"""A real Chromium for tests, and pages in it. Skips, saying why, where there is none; in CI that is a failure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

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
REST = "nothing-is-here"
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
    """A playwright `Browser`. Its first context is a visitor who comes again and again, and keeps what may be kept."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("playwright is not installed: pip install -r tests/requirements.txt")
    path = find_chromium()
    if path is None:
        give_up("no Chromium or Chrome is installed on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        browser.new_context(viewport=WIDE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Any, **options: Any) -> Iterator[Any]:
    """An empty tab: of the visitor who comes again and again or, where `options` describe one, of one of his own.

    The former's tabs are kept: what reads and compiles the page's scripts once need not do so for each test.
    """
    context = browser.new_context(**options) if options else browser.contexts[0]
    resting = [page for page in context.pages if page.url.endswith(REST)]
    page = resting[0] if resting else context.new_page()
    try:
        yield page
    finally:
        if options:
            context.close()
        elif not page.is_closed():
            rest(page)


def rest(page: Any) -> None:
    """Leave the page for one of its own site that has nothing on it, as a closed tab does, and forget what it kept."""
    from playwright.sync_api import Error

    site = urlsplit(page.url)
    try:
        answer = page.goto(f"{site.scheme}://{site.netloc}/{REST}")
        page.evaluate("localStorage.clear(), sessionStorage.clear()")
    except Error:  # the server has gone, or was none
        page.close()
        return
    assert answer.status == 404
    page.context.clear_cookies()
    page.mouse.move(0, 0)
    page.set_viewport_size(WIDE)
    page.set_default_timeout(PATIENCE_MS)
    page.emulate_media(reduced_motion="null")
