"""A fault concerns whom it concerns: one stream, one step, one model; and what is closed is gone."""

from __future__ import annotations

import gc
import logging
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_engine import wait_until
from tiny import Tiny, random_decoder, tiny

from codegen_ui.api.operations import why_not_ready
from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.errors import GenerationFailed, ModelUnavailable
from codegen_ui.generation import TokenEvent
from codegen_ui.metrics import State
from codegen_ui.readable import ReadableGeneration
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parent.parent
MODEL = tiny()


def request(prompt: Sequence[int], tokens: int = 30, **values: Any) -> GenerationRequest:
    return GenerationRequest(tuple(prompt), temperature=0, stop_at="length", max_new_tokens=tokens, **values)


def ids(count: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, MODEL.decodable, (count,), generator=generator).tolist())


def stepping(monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    """Every step of a model goes through `step(genuine, segments, cache)`."""
    genuine = CodeGenModel.step
    monkeypatch.setattr(CodeGenModel, "step", lambda self, *a: step(partial(genuine, self), *a))


# The whole process


@pytest.mark.parametrize("leaving", ["break", "raise KeyboardInterrupt"])
def test_leaving_the_token_loop_without_close_ends_the_process_in_peace(leaving: str) -> None:
    program = f"""
import codegen_ui
engine = codegen_ui.load("bundled", quantize="none")
for piece in engine.submit(codegen_ui.GenerationRequest("def fibonacci(n):", max_length=1000, stop_at="length")):
    {leaving}
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "terminate called" not in ended.stderr
    assert ended.returncode == (0 if leaving == "break" else -signal.SIGINT), ended.stderr


# One model


def test_an_engine_that_cannot_recover_has_failed_within_one_step_and_is_loaded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = threading.Event()

    def step(genuine: Any, *args: Any) -> torch.Tensor:
        if broken.is_set():
            raise RuntimeError("CUDA error: device-side assert triggered")
        logits: torch.Tensor = genuine(*args)
        return logits

    stepping(monkeypatch, step)
    release = KVCache.release

    def sticky(self: KVCache, slot: int) -> None:
        if broken.is_set():
            raise RuntimeError("CUDA error: device-side assert triggered")
        release(self, slot)

    monkeypatch.setattr(KVCache, "release", sticky)
    monkeypatch.setattr("codegen_ui.reloads.RELOAD_SECONDS", (0.5,))
    service = Service(["tiny"], lambda name, progress: Loaded(MODEL.engine(slots=1)))
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY)
    assert why_not_ready(service) == ""
    running, waiting = service.submit(request(ids(5), 100)), service.submit(request(ids(6)))
    wait_until(lambda: running.tokens())
    broken.set()
    for one in (running, waiting):
        with pytest.raises(GenerationFailed):
            one.result(10)
    wait_until(lambda: service.status().phase is not Phase.READY)
    assert "device-side assert" in service.status().message
    assert "device-side assert" in why_not_ready(service)
    with pytest.raises(ModelUnavailable):
        service.submit(request(ids(5)))
    broken.clear()
    wait_until(lambda: service.status().phase is Phase.READY)
    assert list(service.submit(request(ids(5))).result(30).token_ids) == MODEL.greedy(ids(5), 30)
    service.close()


def test_closing_frees_weights_and_keys_and_values() -> None:
    model = random_decoder(MODEL.ours.config)
    engine = Tiny(MODEL.theirs, model, MODEL.tokenizer).engine(prefix_cache_mb=8)
    generation = engine.submit(request(ids(20)))
    generation.result(30)
    assert engine._parts is not None
    there: list[weakref.ref[Any]] = [weakref.ref(model), weakref.ref(engine._parts.runner._cache)]
    del model
    engine.close()
    gc.collect()
    assert [one() for one in there] == [None, None]
    assert (engine.stats().kv_cache_bytes, engine.stats().finished) == (0, {"length": 1})
    assert len(generation.result().token_ids) == 30


def test_closing_after_a_fault_frees_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(genuine: Any, *args: Any) -> torch.Tensor:
        raise RuntimeError("a fault")

    # A log record would hold the traceback, and that the model.
    monkeypatch.setattr(logging.getLogger("codegen_ui.engine.core"), "disabled", True)
    model = random_decoder(MODEL.ours.config)
    there = weakref.ref(model)
    engine = Tiny(MODEL.theirs, model, MODEL.tokenizer).engine()
    wait_until(lambda: engine._thread is None)
    stepping(monkeypatch, step)
    generation = engine.submit(request(ids(20)))
    with pytest.raises(GenerationFailed) as caught:
        generation.result(30)
    assert isinstance(caught.value.__cause__, RuntimeError)
    del model
    engine.close()
    gc.collect()
    assert there() is None


# One step


def limited(monkeypatch: pytest.MonkeyPatch, rows: int) -> list[int]:
    """Steps of more rows than that have no memory; the number of rows of each that was tried."""
    tried = []

    def step(genuine: Any, segments: Sequence[Segment], cache: KVCache) -> torch.Tensor:
        tried.append(sum(len(one.tokens) for one in segments))
        if tried[-1] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        logits: torch.Tensor = genuine(segments, cache)
        return logits

    stepping(monkeypatch, step)
    return tried


def test_a_prompt_for_which_there_is_no_memory_comes_in_smaller_chunks_and_ends_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MODEL.engine(prefill_chunk=64) as engine:
        wait_until(lambda: engine._thread is None)
        tried = limited(monkeypatch, 24)
        decoding = engine.submit(request(ids(4), 90))
        wait_until(lambda: len(decoding.tokens()) > 3)
        joining = engine.submit(request(ids(80, 1), 20))
        assert list(joining.result(30).token_ids) == MODEL.greedy(ids(80, 1), 20)
        assert list(decoding.result(30).token_ids) == MODEL.greedy(ids(4), 90)
    assert max(tried) > 24


def test_streams_for_which_there_is_no_memory_end_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with MODEL.engine() as engine:
        wait_until(lambda: engine._thread is None)
        limited(monkeypatch, 2)
        running = []
        for seed in range(3):
            running.append(engine.submit(request(ids(1, seed), 60, visitor=str(seed))))
            wait_until(lambda: running[-1].snapshot().metrics.state in (State.DECODING, State.DONE))
        with pytest.raises(GenerationFailed, match="memory did not suffice"):
            running[2].result(30)
        for seed in range(2):
            assert list(running[seed].result(30).token_ids) == MODEL.greedy(ids(1, seed), 60)
        assert engine.stats().finished == {"error": 1, "length": 2}


# One stream


def test_numbers_that_overflow_in_a_prompt_end_it_there_and_nobody_meets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chunk of one prompt leaves NaN in its slot and would have logits only two chunks later."""
    poisoned = ids(60, 3)

    def step(genuine: Any, segments: Sequence[Segment], cache: KVCache) -> torch.Tensor:
        logits: torch.Tensor = genuine(segments, cache)
        row = 0
        for one in segments:
            if one.start == 0 and tuple(one.tokens) == poisoned[:20]:
                cache.data[:, one.slot, :, :, 5:20] = float("nan")
                logits = logits.index_fill(0, torch.arange(row, row + one.logits), float("nan"))
            row += one.logits
        return logits

    stepping(monkeypatch, step)
    with MODEL.engine(slots=2, prefill_chunk=20, prefix_cache_mb=8) as engine:
        beside = engine.submit(request(ids(4), 100, visitor="beside"))
        wait_until(lambda: beside.tokens())
        broken = engine.submit(request(poisoned))
        with pytest.raises(GenerationFailed, match="overflowed"):
            broken.result(30)
        assert not broken.tokens()
        healthy = engine.submit(request((*poisoned[:15], *ids(30, 4))))
        result = healthy.result(30)
        assert result.metrics.cached_prompt_tokens == 0
        assert list(result.token_ids) == MODEL.greedy((*poisoned[:15], *ids(30, 4)), 30)
        assert list(beside.result(30).token_ids) == MODEL.greedy(ids(4), 100)


def test_a_prompt_that_is_cancelled_leaves_what_was_computed_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(genuine: Any, *args: Any) -> torch.Tensor:
        time.sleep(0.02)
        logits: torch.Tensor = genuine(*args)
        return logits

    stepping(monkeypatch, step)
    with MODEL.engine(slots=1, prefill_chunk=20, prefix_cache_mb=8) as engine:
        first = engine.submit(request(ids(90)))
        wait_until(lambda: first.snapshot().metrics.state is State.PREFILL)
        time.sleep(0.05)
        first.cancel()
        again = engine.submit(request(ids(90))).result(30)
    assert again.metrics.cached_prompt_tokens in (20, 40, 60, 80)
    assert list(again.token_ids) == MODEL.greedy(ids(90), 30)


def test_many_threads_may_submit_while_others_cancel() -> None:
    failed: list[BaseException] = []

    def visitor(number: int) -> None:
        try:
            for turn in range(25):
                one = engine.submit(request(ids(1 + turn % 7, number), 1 + turn % 5, visitor=str(number)))
                if turn % 3 == 0:
                    one.cancel()
                assert one.result(60).finish_reason in (FinishReason.LENGTH, FinishReason.CANCELLED)
        except BaseException as error:  # noqa: BLE001 -- told by the test
            failed.append(error)

    with MODEL.engine(slots=3, max_waiting=200, prefix_cache_mb=1) as engine:
        threads = [threading.Thread(target=visitor, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not failed
        assert sum(engine.stats().finished.values()) == 300


# What readers see


class Written(ReadableGeneration):
    """Ends with one token when it is told."""

    def __init__(self) -> None:
        super().__init__(request([1]), seed=0, arrival=time.monotonic(), max_new_tokens=5)

    def write(self) -> None:
        self._add(time.monotonic(), [7], [TokenEvent("x", 7, None, (), 0.0)], ["x"])
        self._end(time.monotonic(), FinishReason.LENGTH, None, "")
        self.notify()


def test_a_final_snapshot_lacks_nothing() -> None:
    """The writer ends it while a reader is in the middle of a snapshot."""
    generation = Written()
    figures = generation.recorder.frozen
    writer = threading.Thread(target=generation.write)

    def slowly() -> Any:
        found = figures()
        if writer.ident is None:
            writer.start()
            writer.join(0.2)
        return found

    generation.recorder.frozen = slowly  # type: ignore[method-assign]
    early = generation.snapshot()
    writer.join()
    late = generation.snapshot()
    for one in (early, late):
        complete = (one.text, one.metrics.output_tokens, one.metrics.state) == ("x", 1, State.DONE)
        assert complete == (one.finish_reason is not None)
    assert late.finish_reason is FinishReason.LENGTH


def test_a_watcher_that_raises_ends_nothing_and_is_not_called_again(caplog: pytest.LogCaptureFixture) -> None:
    generation, heard = Written(), []

    def broken() -> None:
        heard.append("broken")
        raise RuntimeError("my loop is closed")

    generation.subscribe(broken)
    generation.subscribe(lambda: heard.append("sound"))
    generation.notify()
    generation.write()
    assert heard == ["broken", "sound", "sound"]
    assert "could not be told" in caplog.text


# Nothing to do


def test_an_idle_engine_that_is_not_as_it_should_be_says_so(complaints: list[str]) -> None:
    with MODEL.engine(prefix_cache_mb=8) as engine:
        engine.submit(request(ids(20))).result(30)
        wait_until(lambda: engine._thread is None)
        assert not complaints
        assert engine._parts is not None
        slot, _ = engine._parts.slots.take([1, 2], 5)
        engine._parts.slots.kept += 3
        engine.submit(request(ids(20))).result(30)
        wait_until(lambda: engine._thread is None)
    assert any(f"slots [{slot}] are live" in one for one in complaints)
    assert any("counted" in one for one in complaints)
    complaints.clear()
