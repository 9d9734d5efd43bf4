"""The visitor's network goes away and comes back: the page says so, and has kept what was typed and what had come."""

from __future__ import annotations

from typing import Any

import pytest
from fake_engine import FakeEngine, serve, wait_until
from web import running

from codegen_ui.options import Options
from codegen_ui.server import create_app
from codegen_ui.ui.page import build_page

AWAY_MS = 10_000


@pytest.mark.browser
def test_ten_seconds_without_a_network_lose_neither_prompt_nor_output(browser: Any) -> None:
    engine = FakeEngine(("    return 1\n",) * 2000, seconds=0.1, context=100_000)
    service = serve(engine)
    app = create_app(service, build_page(service, []), Options())
    with running(app) as address:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(address)
        page.fill("#cg-prompt textarea", "def kept():\n")
        page.check("#cg-stop-at input[value=length]")
        page.click("#cg-generate")
        page.wait_for_function("document.querySelectorAll('#cg-output .line').length > 5")
        context.set_offline(True)
        page.wait_for_timeout(AWAY_MS)
        context.set_offline(False)
        page.wait_for_function(
            "document.querySelector('#cg-live .cg-note')?.textContent.includes('connection was lost')"
        )
        assert "    return 1" in page.inner_text("#cg-output code")
        assert page.input_value("#cg-prompt textarea") == "def kept():\n"
        assert page.is_checked("#cg-stop-at input[value=length]")
        wait_until(lambda: engine.active == 0, 60)
        page.click("#cg-generate")
        page.wait_for_function("document.querySelector('#cg-live .cg-state')?.textContent === 'decoding'")
        context.close()
