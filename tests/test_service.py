"""Models load in the background, one at a time; a visitor's choice concerns only that visitor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine

from codegen_ui import reloads
from codegen_ui.checkpoints.progress import Progress
from codegen_ui.errors import InvalidInput, ModelUnavailable
from codegen_ui.generation import ModelInfo
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import ModelStatus, Phase


def engine(name: str) -> Any:
    box = SimpleNamespace(info=ModelInfo(name, "CodeGenForCausalLM", 2048), closed=False)
    box.close = lambda: setattr(box, "closed", True)
    box.submit = lambda request: (name, request)
    box.on_failure = lambda tell: None
    return box


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "nothing happened within 5 s"
        time.sleep(0.005)


def test_the_first_model_loads_at_start_and_the_others_when_chosen() -> None:
    engines = {name: FakeEngine() for name in ("a", "b")}
    service = Service(["a", "b"], lambda name, progress: Loaded(engines[name]))
    service.start()
    wait_for(lambda: service.status("a").phase is Phase.READY)
    assert service.status("b").phase is Phase.IDLE
    with pytest.raises(ModelUnavailable, match="still loading"):
        service.engine("b")
    wait_for(lambda: service.status("b").phase is Phase.READY)
    assert [service.submit(GenerationRequest("def f():"), "b")] == engines["b"].generations
    assert [service.submit(GenerationRequest("def f():"))] == engines["a"].generations
    service.close()


def test_progress_is_shown_while_loading_and_others_are_served_meanwhile() -> None:
    go_on = threading.Event()
    seen: list[ModelStatus] = []

    def load(name: str, progress: Progress) -> Loaded:
        if name == "b":
            progress("downloading", 5, 10)
            go_on.wait(5)
        return Loaded(engine(name))

    service = Service(["a", "b"], load, seen.append)
    service.start()
    wait_for(lambda: service.status("a").phase is Phase.READY)
    service.request_load("b")
    wait_for(lambda: service.status("b").stage == "downloading")
    assert (service.status("b").done, service.status("b").total) == (5, 10)
    assert service.engine("a").info.name == "a"
    go_on.set()
    wait_for(lambda: service.status("b").phase is Phase.READY)
    assert [s.phase for s in seen if s.name == "b"][-1] is Phase.READY


def test_a_model_that_fails_says_why_and_can_be_tried_again() -> None:
    tries: list[str] = []

    def load(name: str, progress: Progress) -> Loaded:
        tries.append(name)
        if len(tries) == 1:
            raise ModelUnavailable(name, "no room on disk")
        return Loaded(engine(name))

    service = Service(["a"], load)
    service.start()
    wait_for(lambda: service.status().phase is Phase.FAILED)
    assert service.status().message == "no room on disk"
    with pytest.raises(ModelUnavailable, match="no room on disk"):
        service.engine()
    service.request_load()
    wait_for(lambda: service.status().phase is Phase.READY)


def test_a_fault_while_loading_reaches_the_page_as_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    def load(name: str, progress: Progress) -> Loaded:
        raise ZeroDivisionError("secret")

    service = Service(["a"], load)
    service.start()
    wait_for(lambda: service.status().phase is Phase.FAILED)
    assert "secret" not in service.status().message
    assert "secret" in caplog.text


def test_visitors_choose_only_from_the_operators_list() -> None:
    service = Service(["a"], lambda name, progress: Loaded(engine(name)))
    with pytest.raises(InvalidInput, match="one of a"):
        service.status("/etc/passwd")


def test_closing_closes_engines_also_one_that_arrives_late() -> None:
    go_on = threading.Event()
    late = engine("a")

    def load(name: str, progress: Progress) -> Loaded:
        go_on.wait(5)
        return Loaded(late)

    service = Service(["a"], load)
    service.start()
    service.close()
    go_on.set()
    wait_for(lambda: late.closed)


def test_a_model_whose_engine_ends_by_a_fault_has_failed_at_once_and_is_loaded_again_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reloads, "RELOAD_SECONDS", (0.2,))
    engines: list[FakeEngine] = []

    def load(name: str, progress: Progress) -> Loaded:
        engines.append(FakeEngine())
        return Loaded(engines[-1])

    seen: list[ModelStatus] = []
    service = Service(["a"], load, seen.append)
    service.start()
    wait_for(lambda: service.status().phase is Phase.READY)
    engines[0].fail("the engine ended by a fault (RuntimeError: device-side assert)")
    status = service.status()
    assert (status.phase, service.engines()) == (Phase.FAILED, {})
    assert "device-side assert" in status.message
    with pytest.raises(ModelUnavailable, match="device-side assert"):
        service.engine()
    wait_for(lambda: service.status().phase is Phase.READY)
    assert service.engine() is engines[1]
    engines[0].fail("again")
    assert service.status().phase is Phase.READY, "the old engine is nobody's any more"
    assert [one.phase for one in seen].count(Phase.FAILED) == 1
    service.close()


def test_tries_to_load_again_come_ever_more_seldom_and_a_visitor_need_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reloads, "RELOAD_SECONDS", (0.1, 60.0))
    engines: list[FakeEngine] = []

    def load(name: str, progress: Progress) -> Loaded:
        if len(engines) == 1 and not asked:
            raise ModelUnavailable(name, "the device is gone.")
        engines.append(FakeEngine())
        return Loaded(engines[-1])

    asked = False
    service = Service(["a"], load)
    service.start()
    wait_for(lambda: service.status().phase is Phase.READY)
    engines[0].fail("a fault")
    wait_for(lambda: "the device is gone. The next try is in 60 s." in service.status().message)
    asked = True
    service.request_load()
    wait_for(lambda: service.status().phase is Phase.READY)
    service.close()


def test_a_model_that_never_loaded_is_not_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloads, "RELOAD_SECONDS", (0.01,))
    tries = 0

    def load(name: str, progress: Progress) -> Loaded:
        nonlocal tries
        tries += 1
        raise ModelUnavailable(name, "no such model.")

    service = Service(["a"], load)
    service.start()
    wait_for(lambda: service.status().phase is Phase.FAILED)
    time.sleep(0.1)
    assert tries == 1
