"""A short form of `python -m tests.load`: nothing is lost, doubled or crossed, and nothing is left running."""

from __future__ import annotations

import asyncio
import sys

import pytest
from load.__main__ import load

from codegen_ui.bench.app_process import AppProcess

VISITORS, SECONDS = 8, 4.0


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="visitors have loopback addresses of their own, and /proc is read")
def test_visitors_who_come_by_page_and_api_cancel_and_vanish() -> None:
    with AppProcess("--model", "bundled", "--slots", "4") as server:
        outcome = asyncio.run(load(server.url, server.pid, VISITORS, SECONDS, idle_seconds=1.0))
    assert outcome.faults == []
    assert outcome.tally.finished > 0
    assert len(outcome.health.answers) > 3
