"""A tab's runs: what is shown, what is remembered, what stops what."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from fake_engine import CONTEXT, FakeEngine, serve, wait_until

from codegen_ui.checkpoints.progress import Progress
from codegen_ui.errors import ModelUnavailable
from codegen_ui.generation import Generation
from codegen_ui.highlight import IncrementalHighlighter
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.run import Run, TabRuns
from codegen_ui.ui.sessions import Sessions

ENDLESS = ("a",) * 1000


async def updates(sessions: Sessions, inputs: Inputs, key: str = "tab") -> list[Any]:
    return [update async for update in sessions.run(key, inputs, None)]


def run(engine: FakeEngine, inputs: Inputs) -> list[Any]:
    return asyncio.run(updates(Sessions(serve(engine)), inputs))


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


class TestRun:
    def test_the_lines_grow_and_end_with_the_figures(self) -> None:
        seen = run(FakeEngine(("    x += 1\n",) * 8, seconds=0.15), Inputs("def f():\n", stop_at="eos"))
        lengths = [len("".join(lines)) for lines, _ in seen if lines is not None]
        assert lengths == sorted(lengths)
        assert len(set(lengths)) >= 3
        assert seen[-1][1]["state"] == "done"
        assert seen[-1][1]["why"] == "the model ended"

    def test_the_clock_moves_while_nothing_else_does(self) -> None:
        seen = run(FakeEngine(("a",), seconds=0.8), Inputs("x", stop_at="eos"))
        assert len({live["latency"] for _, live in seen}) >= 3

    def test_the_model_wakes_who_waits_for_it_and_so_does_stop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("CLOCK_SECONDS", "LOADING_PAUSE_SECONDS"):
            monkeypatch.setattr(f"codegen_ui.ui.run.{name}", 60)
        loaded = threading.Event()

        def load(name: str, progress: Progress) -> Loaded:
            loaded.wait(30)
            return Loaded(FakeEngine())

        async def wait() -> list[Any]:
            sessions = Sessions(Service(["fake"], load))
            stopped = asyncio.create_task(updates(sessions, Inputs("x"), "stopped"))
            waiting = asyncio.create_task(updates(sessions, Inputs("x"), "waiting"))
            await until(lambda: sessions.running == 2)
            await asyncio.sleep(0.05)
            sessions.stop("stopped")
            shown = await asyncio.wait_for(stopped, 20)
            loaded.set()
            return [shown[-1][1], (await asyncio.wait_for(waiting, 20))[-1][1]]

        stopped, done = asyncio.run(wait())
        assert stopped["note"] == "Stopped before the model was loaded."
        assert done["state"] == "done"

    def test_a_refused_value_is_shown_at_its_field_and_nothing_is_asked(self) -> None:
        engine = FakeEngine()
        seen = run(engine, Inputs("x", seed="no"))
        assert (seen[-1][1]["field"], seen[-1][1]["tone"]) == ("seed", "error")
        assert [lines for lines, _ in seen] == [None], "the last output stays"
        assert engine.requests == []

    def test_a_prompt_is_escaped(self) -> None:
        seen = run(FakeEngine(()), Inputs("<img src=x onerror=a()>"))
        assert "<img" not in "".join(seen[-1][0])

    def test_a_full_queue_is_said_in_words(self) -> None:
        assert "queue is full" in run(FakeEngine(max_active=0), Inputs("x"))[-1][1]["note"]

    def test_a_fault_keeps_the_text_so_far(self) -> None:
        seen = run(FakeEngine(fail_after=2), Inputs("def f():\n"))
        assert "return" in "".join(seen[-1][0])
        assert seen[-1][1]["state"] == "failed"

    def test_a_model_that_cannot_be_had_says_why(self) -> None:
        def load(name: str, progress: object) -> Loaded:
            raise ModelUnavailable(name, "the hub says 404.")

        seen = asyncio.run(updates(Sessions(Service(["gone"], load)), Inputs("x")))
        assert "the hub says 404" in seen[-1][1]["note"]

    def test_waiting_for_a_model_shows_its_progress_and_then_starts(self) -> None:
        def load(name: str, progress: Callable[[str, int, int | None], None]) -> Loaded:
            progress("reading weights", 1_000_000, 2_000_000)
            time.sleep(0.6)
            return Loaded(FakeEngine())

        seen = asyncio.run(updates(Sessions(Service(["late"], load)), Inputs("def f():\n")))
        assert any("1.0 MB of 2.0 MB" in live["note"] for _, live in seen)
        assert seen[-1][1]["state"] == "done"

    def test_pages_are_updated_less_often_when_many_stream(self) -> None:
        sessions = Sessions(serve(FakeEngine(ENDLESS, seconds=0.05)))
        assert sessions.pause() == 0.1

        async def eight() -> float:
            tasks = [asyncio.create_task(updates(sessions, Inputs("x"), f"tab {number}")) for number in range(8)]
            await until(lambda: sessions.running == 8)
            pause = sessions.pause()
            for number in range(8):
                sessions.leave(f"tab {number}")
            await asyncio.gather(*tasks)
            return pause

        assert asyncio.run(eight()) == pytest.approx(0.32)


class TestEndings:
    def test_leaving_the_generator_frees_the_slot(self) -> None:
        engine = FakeEngine(ENDLESS, seconds=0.05)

        async def leave() -> None:
            stream = Sessions(serve(engine)).run("tab", Inputs("x"), None)
            async for update in stream:
                if update is not None and update[1]["state"] == "decoding":
                    break
            await stream.aclose()

        asyncio.run(leave())
        assert engine.generations[0].cancelled.is_set()

    def test_a_closed_tab_stops_its_run(self) -> None:
        engine = FakeEngine(ENDLESS, seconds=0.02)
        sessions = Sessions(serve(engine))

        async def close() -> list[Any]:
            task = asyncio.create_task(updates(sessions, Inputs("x")))
            await until(lambda: engine.generations)
            sessions.leave("tab")
            return await task

        assert asyncio.run(close())[-1][1]["state"] == "stopped"

    def test_a_tab_that_stays_away_is_forgotten_and_one_that_comes_back_goes_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sessions = Sessions(serve(FakeEngine()))
        for key in ("closed", "back"):
            asyncio.run(updates(sessions, Inputs("def f():\n"), key))
            sessions.leave(key)
        assert asyncio.run(sessions.go_on("back", "def f():\n", 99, None))[0] == "def f():\n    return 1\n"
        asyncio.run(updates(sessions, Inputs("def g():\n"), "back"))
        assert len(sessions.records("back")) == 2
        monkeypatch.setattr("codegen_ui.ui.sessions.AWAY_SECONDS", 0.0)
        sessions.leave("nobody")
        assert sessions.find("closed") is None
        assert sessions.find("back") is not None

    def test_of_tabs_that_were_left_the_latest_are_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("codegen_ui.ui.sessions.MAX_AWAY", 2)
        sessions = Sessions(serve(FakeEngine()))
        for key in ("stays", "first", "second", "third"):
            asyncio.run(updates(sessions, Inputs("def f():\n"), key))
        for key in ("first", "second", "third", "nobody"):
            sessions.leave(key)
        found = [key for key in ("stays", "first", "second", "third") if sessions.find(key) is not None]
        assert found == ["stays", "second", "third"]

    def test_a_second_run_of_a_tab_ends_the_first_without_a_word(self) -> None:
        engine = FakeEngine(("a",) * 200, seconds=0.02)
        sessions = Sessions(serve(engine))

        async def twice() -> tuple[list[Any], list[Any]]:
            first = asyncio.create_task(updates(sessions, Inputs("x")))
            await until(lambda: engine.generations)
            second = await updates(sessions, Inputs("y", max_length=10))
            return await first, second

        first, second = asyncio.run(twice())
        assert first[-1] is None
        assert second[-1][1]["state"] == "done"
        assert engine.generations[0].cancelled.is_set()
        assert len(sessions.records("tab")) == 1

    def test_a_client_that_hangs_up_while_its_prompt_is_counted_leaves_nothing_running(self) -> None:
        engine = FakeEngine(ENDLESS, seconds=0.02)
        service = serve(engine)
        submit = service.submit

        def slow(request: GenerationRequest, name: str | None = None) -> Generation:
            time.sleep(0.2)
            return submit(request, name)

        service.submit = slow  # type: ignore[method-assign]

        async def hang_up() -> None:
            stream = Sessions(service).text(GenerationRequest("x"), None)
            task = asyncio.create_task(anext(stream))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: engine.generations and engine.generations[0].ended)

        asyncio.run(asyncio.wait_for(hang_up(), 5))
        assert engine.generations[0].cancelled.is_set()

    def test_an_update_that_clear_overtakes_is_never_shown_and_the_page_ends_empty(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        update, held, go_on = IncrementalHighlighter.update, threading.Event(), threading.Event()

        def slow(highlighter: IncrementalHighlighter, completion: str) -> list[str]:
            held.set()
            go_on.wait(30)
            return update(highlighter, completion)

        monkeypatch.setattr(IncrementalHighlighter, "update", slow)

        async def clear() -> list[Any]:
            sessions = Sessions(serve(FakeEngine(ENDLESS, seconds=0.02)))
            running = asyncio.create_task(updates(sessions, Inputs("x")))
            await until(held.is_set)
            sessions.clear("tab")
            go_on.set()
            return await asyncio.wait_for(running, 20)

        *shown, last, end = asyncio.run(clear())
        assert [lines for lines, _ in shown if lines is not None] == []
        assert (last[0], last[1]["state"], end) == ([], "ready", None)

    def test_stop_and_clear_without_a_run_do_nothing(self) -> None:
        sessions = Sessions(serve(FakeEngine()))
        sessions.stop("nobody")
        sessions.clear("nobody")
        assert sessions.find("nobody") is None


class TestMemory:
    def test_asking_for_a_tab_makes_none(self) -> None:
        sessions = Sessions(serve(FakeEngine()))
        sessions.leave("x")
        assert asyncio.run(sessions.go_on("x", "def f():\n", 99, None)) == ("def f():\n", 99)
        assert sessions.records("x") == ()
        assert sessions.find("x") is None

    def test_idle_tabs_make_room_and_no_run_is_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("codegen_ui.ui.sessions.MAX_SESSIONS", 3)
        engine = FakeEngine(ENDLESS, seconds=0.02)
        sessions = Sessions(serve(engine))

        async def crowd() -> None:
            running = asyncio.create_task(updates(sessions, Inputs("x"), "first"))
            await until(lambda: engine.generations)
            for number in range(6):
                await updates(sessions, Inputs("y", seed="no"), str(number))
            assert sessions.find("first") is not None
            assert [sessions.find(str(number)) is not None for number in range(6)] == [False] * 4 + [True] * 2
            assert not engine.generations[0].cancelled.is_set()
            sessions.leave("first")
            await running

        asyncio.run(crowd())

    def test_records_are_bounded_in_all_and_the_tab_idle_longest_forgets_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("codegen_ui.ui.sessions.MAX_RECORDS_IN_ALL", 4)
        sessions = Sessions(serve(FakeEngine()))
        for key in ("old", "old", "new", "new", "new"):
            asyncio.run(updates(sessions, Inputs("def f():\n"), key))
        assert [len(sessions.records(key)) for key in ("old", "new")] == [1, 3]

    def test_a_run_leaves_no_prompt_and_no_request_behind(self) -> None:
        engine = FakeEngine()
        sessions = Sessions(serve(engine))
        asyncio.run(updates(sessions, Inputs("x" * 100_000)))
        request = weakref.ref(engine.requests[0])
        engine.generations.clear()
        engine.requests.clear()
        # The engine's thread may still be on its way out.
        wait_until(lambda: gc.collect() >= 0 and request() is None)
        assert len(sessions.records("tab")[0].values[3]) == 500

    def test_the_table_names_what_really_ran(self) -> None:
        sessions = Sessions(serve(FakeEngine(), name="asked/for"))
        asyncio.run(updates(sessions, Inputs("def f():\n")))
        assert sessions.records("tab")[0].row[-1] == "fake"


class TestGoOn:
    def go_on(self, engine: FakeEngine, typed: str, max_length: int) -> tuple[str, int]:
        """Run "def f():", then continue with `typed` in the editor."""
        sessions = Sessions(serve(engine))
        asyncio.run(updates(sessions, Inputs("def f():\n", max_length=max_length)))
        return asyncio.run(sessions.go_on("tab", typed, max_length, None))

    def test_a_maximum_length_that_is_used_up_is_raised(self) -> None:
        engine = FakeEngine(("    a = 1\n",) * 50)
        prompt, max_length = self.go_on(engine, "def f():\n", 10)
        assert prompt == "def f():\n" + "    a = 1\n" * 8
        assert max_length == CONTEXT, "the room for going on is more than this engine's context"

    def test_a_maximum_length_that_has_room_stays(self) -> None:
        assert self.go_on(FakeEngine(), "def f():\n", 100) == ("def f():\n    return 1\n", 100)

    def test_what_was_typed_since_is_kept(self) -> None:
        assert self.go_on(FakeEngine(), "def g():\n", 100) == ("def g():\n", 100)

    def test_during_a_run_it_goes_on_from_where_that_is(self) -> None:
        engine = FakeEngine(("    return", " 1", *ENDLESS), seconds=0.02)
        sessions = Sessions(serve(engine))

        async def interrupt() -> tuple[str, list[Any]]:
            await updates(sessions, Inputs("def before():\n", max_length=5))
            running = asyncio.create_task(updates(sessions, Inputs("def now():\n")))
            await until(lambda: len(engine.generations) == 2 and engine.generations[1].snapshot().text)
            prompt, _ = await sessions.go_on("tab", "def now():\n", 100, None)
            return prompt, await running

        prompt, shown = asyncio.run(interrupt())
        assert prompt.startswith("def now():\n    return")
        assert shown[-1] is None
        assert engine.generations[1].cancelled.is_set()


class TestBesideIt:
    def test_what_a_tab_begins_stops_what_it_began_before_and_is_left_alone_by_its_end(self) -> None:
        async def tried() -> None:
            service, runs = serve(FakeEngine(ENDLESS, seconds=0.02)), TabRuns()
            with runs.of("other") as others, ExitStack() as newer:
                others.append(Run(service))
                with runs.of("tab") as first:
                    first.append(Run(service))
                    await first[0].submit(GenerationRequest("x", stop_at="length"))
                    assert len(runs.generations("tab")) == 1
                    second = newer.enter_context(runs.of("tab"))
                    second.append(Run(service))
                    assert (first[0].stopped, second[0].stopped) == (True, False)
                assert not second[0].stopped
                runs.stop("tab")
                assert (second[0].stopped, others[0].stopped) == (True, False)
            assert others[0].stopped
            assert runs.generations("tab") == set()

        asyncio.run(tried())
