"""Gradio's queue as the page has it: what nobody fetches is forgotten, what somebody waits for is not."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine, serve
from gradio import queueing

from codegen_ui.options import Options
from codegen_ui.server import create_app
from codegen_ui.ui import patience
from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.page import build_page
from codegen_ui.ui.patience import TIDY_SECONDS, UNREAD_SECONDS, PatientQueue
from codegen_ui.ui.sessions import AHEAD, Sessions


def make_queue() -> PatientQueue:
    queue = build_page(serve(FakeEngine()), []).blocks._patient
    assert isinstance(queue, PatientQueue)
    return queue


def put(queue: PatientQueue, tab: str, *, running: bool, now: float = 0.0) -> SimpleNamespace:
    """An event of a tab with one message that nobody has fetched."""
    event = SimpleNamespace(session_hash=tab, _id=secrets.token_hex(4), alive=True)
    queue.pending_messages_per_session[tab] = asyncio.Queue()
    queue.pending_event_ids_session[tab] = {event._id}
    if running:
        queue.event_ids_to_events[event._id] = event
    queue.send_message(event, SimpleNamespace(event_id=None))
    queue._used[tab] = now
    return event


def test_made_up_tabs_push_nobody_elses_answer_out() -> None:
    queue = make_queue()
    put(queue, "mine", running=True)
    for number in range(5000):
        put(queue, f"made up {number}", running=False)
    assert queue.unread("mine") == 1


def test_what_nobody_fetches_is_forgotten_and_what_still_runs_is_not() -> None:
    queue = make_queue()
    put(queue, "running", running=True)
    put(queue, "gone", running=False)
    put(queue, "recent", running=False, now=UNREAD_SECONDS)
    queue.tidy(UNREAD_SECONDS + TIDY_SECONDS)
    assert set(queue.pending_messages_per_session) == set(queue.pending_event_ids_session) == {"running", "recent"}


def test_a_message_for_a_forgotten_tab_is_no_error() -> None:
    queue = make_queue()
    event = put(queue, "gone", running=False)
    queue.tidy(UNREAD_SECONDS + TIDY_SECONDS)
    queue.send_message(event, SimpleNamespace(event_id=None))
    assert queue.unread("gone") == 0


def test_of_past_events_few_figures_are_kept() -> None:
    assert make_queue().ANALYTICS_MAX_EVENTS == patience.EVENTS
    # Gradio's own name for it, by which it drops the oldest.
    assert "ANALYTICS_MAX_EVENTS" in inspect.getsource(queueing.Queue.push)


def test_of_few_tabs_little_is_kept() -> None:
    service = serve(FakeEngine())
    page = build_page(service, [])
    create_app(service, page, Options())
    tabs = page.blocks.state_holder
    tabs["the first makes what all share"]
    tracemalloc.start()
    try:
        for number in range(2 * patience.STATES):
            tabs[f"tab {number}"]
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(tabs.session_data) == patience.STATES
    assert taken < patience.STATES * 10_000


class TestReaders:
    """A run sends on only while somebody fetches."""

    async def follow(self, sessions: Sessions, unread: list[int], sent: list[Any]) -> None:
        async for update in sessions.run("tab", Inputs("x", max_length=100, stop_at="length"), None):
            sent.append(update)
            unread[0] += 1

    def test_a_reader_that_stops_is_sent_no_more_and_its_run_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("codegen_ui.ui.sessions.ABSENT_SECONDS", 0.3)
        engine, unread = FakeEngine(("a",) * 10_000, seconds=0.005, context=20_000), [0]
        sent: list[Any] = []
        sessions = Sessions(serve(engine), lambda key: unread[0])
        asyncio.run(asyncio.wait_for(self.follow(sessions, unread, sent), 20))
        assert len(sent) <= AHEAD + 2
        assert engine.generations[0].cancelled.is_set()

    def test_a_reader_that_comes_back_sees_the_end(self) -> None:
        engine, unread = FakeEngine(("a ",) * 50, seconds=0.01), [AHEAD + 5]
        sent: list[Any] = []
        sessions = Sessions(serve(engine), lambda key: unread[0])

        async def late() -> None:
            run = asyncio.create_task(self.follow(sessions, unread, sent))
            while not engine.generations or not engine.generations[0].ended:
                await asyncio.sleep(0.01)
            unread[0] = 0
            await run

        asyncio.run(asyncio.wait_for(late(), 20))
        assert sent[-1][1]["state"] == "done"
        assert "a a a" in "".join(sent[-1][0])
