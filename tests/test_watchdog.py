"""A step that never ends harms its own model alone, and not for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_engine import wait_until
from tiny import tiny

from codegen_ui.api.operations import why_not_ready
from codegen_ui.engine.host import LocalEngine
from codegen_ui.errors import GenerationFailed
from codegen_ui.reloads import watch
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase

STEP_SECONDS, LOOK_SECONDS = 0.5, 0.05


class Hang:
    """From now on an engine's steps wait until `release`."""

    def __init__(self, engine: LocalEngine) -> None:
        assert engine._parts is not None
        runner = engine._parts.core._runner
        self._run = runner.run
        self._released = threading.Event()
        runner.run = self.run  # type: ignore[method-assign]

    def run(self, plan: Any) -> Any:
        self._released.wait(60)
        return self._run(plan)

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def engines() -> Iterator[list[LocalEngine]]:
    made: list[LocalEngine] = []
    yield made
    for engine in made:
        engine.close()


def make_service(engines: list[LocalEngine]) -> Service:
    def load(name: str, progress: object) -> Loaded:
        engines.append(tiny().engine())
        return Loaded(engines[-1])

    service = Service(["tiny"], load)
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY, 60)
    service.submit(GenerationRequest("def f():", max_new_tokens=2, stop_at="length")).result(60)
    return service


async def watched(service: Service, happens: Any) -> None:
    """Have the watchdog look until something happens."""
    watching = asyncio.create_task(watch(service, STEP_SECONDS, LOOK_SECONDS))
    until = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < until
        assert not watching.done()
        await asyncio.sleep(0.01)
    watching.cancel()


def test_a_step_that_never_ends_is_told_to_its_readers_and_to_whoever_asks_whether_we_are_ready(
    engines: list[LocalEngine],
) -> None:
    service = make_service(engines)
    hang = Hang(engines[0])
    generation = service.submit(GenerationRequest("def f():", max_new_tokens=4, stop_at="length"))
    asyncio.run(watched(service, lambda: generation.ended))
    with pytest.raises(GenerationFailed, match="stuck"):
        generation.result(0)
    assert "stuck" in why_not_ready(service)
    hang.release()


def test_the_model_can_be_loaded_again_while_the_old_thread_still_hangs(engines: list[LocalEngine]) -> None:
    service = make_service(engines)
    hang = Hang(engines[0])
    generation = service.submit(GenerationRequest("def f():", max_new_tokens=4, stop_at="length"))
    asyncio.run(watched(service, lambda: generation.ended))
    wait_until(lambda: service.status().phase is Phase.FAILED)
    service.request_load()
    wait_until(lambda: service.status().phase is Phase.READY, 60)
    again = service.submit(GenerationRequest("def f():", max_new_tokens=4, stop_at="length")).result(60)
    assert len(again.token_ids) == 4
    begin = time.monotonic()
    service.close()
    assert time.monotonic() - begin < 30, "closing does not wait for the stuck one"
    hang.release()


def test_a_thread_that_comes_back_after_all_changes_nothing_and_frees_what_it_held(engines: list[LocalEngine]) -> None:
    service = make_service(engines)
    engine, hang = engines[0], Hang(engines[0])
    generation = service.submit(GenerationRequest("def f():", max_new_tokens=4, stop_at="length"))
    asyncio.run(watched(service, lambda: generation.ended))
    before = generation.snapshot()
    hang.release()
    wait_until(lambda: engine._parts is None, 30)
    assert generation.snapshot().text == before.text
    assert generation.snapshot().finish_reason == before.finish_reason


def test_an_engine_that_steps_on_is_left_alone(engines: list[LocalEngine]) -> None:
    service = make_service(engines)
    generation = service.submit(GenerationRequest("def f():", max_new_tokens=40, stop_at="length"))
    asyncio.run(watched(service, lambda: generation.ended))
    assert len(generation.result(0).token_ids) == 40
    assert engines[0].step_seconds == 0.0 or engines[0].step_seconds < STEP_SECONDS
