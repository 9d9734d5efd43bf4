"""The page in front of another server: it streams, says clearly when that server dies, and goes on when it is back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_engine import wait_until
from test_remote import free_port, start_inner
from visit import tab, until
from web import page_app, running

from codegen_ui.gallery import load_gallery
from codegen_ui.remote import make_loader
from codegen_ui.service import Service
from codegen_ui.status import Phase

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.browser
def test_the_page_survives_the_death_of_its_backend(browser: Any) -> None:
    port = free_port()
    inner = start_inner(port, 0.4)
    service = Service(["fake"], make_loader([f"http://127.0.0.1:{port}/v1"], "fake"))
    app = page_app(service, load_gallery(EXAMPLES))
    try:
        with running(app) as url, tab(browser, url) as page:
            wait_until(lambda: service.status().phase is Phase.READY, 30)
            page.fill("#cg-prompt textarea", "x\n")
            until(page, "() => document.querySelector('#cg-meter').innerText.includes('1 prompt token')")
            page.click("#cg-generate")
            shown = "text => document.querySelector('#cg-output pre').textContent.includes(text)"
            until(page, shown, argument="word3")
            inner.kill()
            inner.wait()
            page.wait_for_selector("text=/The connection to the backend was lost after \\d+ tokens/", timeout=20_000)
            assert "word3" in page.text_content("#cg-output pre")

            inner = start_inner(port, 0.01)
            engine = service.engine()
            wait_until(lambda: engine.count_tokens("x") == 1, 30)
            page.click("#cg-generate")
            until(page, shown, argument="word45")
    finally:
        inner.kill()
        inner.wait()
