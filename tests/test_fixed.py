"""Decode steps of fixed shapes give the tokens of any other step, and what cannot be recorded runs as before."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest
import torch
from fake_engine import wait_until
from tiny import Eager, Tiny, random_decoder, tiny

from codegen_ui.engine import assemble
from codegen_ui.engine.fixed.buckets import MOST_GATHERED, Bucket, Buckets, fill
from codegen_ui.engine.fixed.fixed_steps import Compute, FixedSteps, resolve_graphs
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.model.layout import Segment
from codegen_ui.errors import InvalidInput
from codegen_ui.request import FinishReason, GenerationRequest

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = {"n_positions": 512, "n_ctx": 512}
CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Engines have fixed steps, run eagerly; of every step, whether it was one of them."""
    taken: list[bool] = []
    original = FixedSteps.step

    def step(self: FixedSteps, segments: Any) -> Any:
        logits = original(self, segments)
        taken.append(logits is not None)
        return logits

    monkeypatch.setattr(FixedSteps, "step", step)
    monkeypatch.setattr(assemble, "capture_for", lambda choice, device: Eager())
    return taken


def ids(model: Tiny, count: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, model.decodable, (count,), generator=generator).tolist())


def request(prompt: tuple[int, ...], new: int = 40, **values: Any) -> GenerationRequest:
    defaults: dict[str, Any] = {"temperature": 0, "stop_at": "length", "max_new_tokens": new}
    return GenerationRequest(prompt, **(defaults | values))


def fixed_steps(model: Tiny, streams: int = 4, slots: int = 6, **options: Any) -> tuple[FixedSteps, Any]:
    cache = model.ours.new_cache(slots)
    buckets = Buckets(streams, cache.length, drafts=True)
    return FixedSteps(model.ours, cache, buckets, **({"most_bytes": 2**40} | options)), cache


# Shapes


def test_shapes_are_powers_of_two_up_to_what_there_is() -> None:
    buckets = Buckets(streams=6, length=300, drafts=True)
    assert (buckets.stream_counts, buckets.lengths) == ([1, 2, 4, 6], [128, 256, 300])
    assert {one.tokens for one in Buckets(6, 300, drafts=False).all()} == {1}


def test_the_largest_shape_comes_first_and_none_gathers_too_much() -> None:
    shapes = Buckets(streams=256, length=2048, drafts=True).all()
    assert len(set(shapes)) == len(shapes) < 100, "few enough to be recorded at a start"
    gathered = [one.streams * one.length for one in shapes]
    assert gathered == sorted(gathered, reverse=True)
    assert gathered[0] == MOST_GATHERED
    assert max(one.streams for one in shapes if one.tokens > 1) == 4, "more streams have no drafts"


def test_segments_get_the_smallest_shape_that_they_fit_into() -> None:
    source = random.Random(1)
    buckets = Buckets(streams=40, length=1000, drafts=True)
    found = 0
    for _ in range(2000):
        count = source.randint(1, 48)
        segments = [
            Segment(slot, source.randrange(900), [1] * source.choice([1, 1, 2, 5, 13, 20])) for slot in range(count)
        ]
        widest, furthest = max(len(s.tokens) for s in segments), max(s.stop for s in segments)
        fitting = [b for b in buckets.all() if b.streams >= count and b.tokens >= widest and b.length >= furthest]
        expected = min(fitting, key=lambda b: (b.streams, b.tokens, b.length), default=None)
        assert buckets.smallest(segments) == expected
        found += expected is not None
    assert 50 < found < 1900, "the cases say something about both"


def test_what_is_missing_repeats_what_is_there() -> None:
    filled = fill(Bucket(4, 3, 128), [Segment(5, 10, [1, 2], logits=2), Segment(0, 7, [3])])
    assert filled.tokens == [1, 2, 2, 3, 3, 3, 1, 2, 2, 1, 2, 2]
    assert filled.positions == [10, 11, 11, 7, 7, 7, 10, 11, 11, 10, 11, 11]
    assert filled.slots == [5] * 3 + [0] * 3 + [5] * 6
    assert filled.wanted == [0, 1, 3]


# The same numbers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_logits_and_cache_are_those_of_the_flexible_step(dtype: torch.dtype) -> None:
    model = tiny(**SHAPE)
    ours = model.ours if dtype == torch.float32 else random_decoder(model.ours.config, dtype=dtype)
    prompts = {slot: ids(model, length, slot) for slot, length in ((0, 30), (2, 140), (3, 7), (5, 255))}
    off = 1e-4 if dtype == torch.float32 else 0.02
    flexible, kept = ours.new_cache(6), ours.new_cache(6)
    fixed = FixedSteps(ours, kept, Buckets(4, 512, drafts=True), most_bytes=2**40)
    fixed.record(Eager(), lambda stage: None)
    for cache in (flexible, kept):
        ours.step([Segment(slot, 0, prompt) for slot, prompt in prompts.items()], cache)
    plans = [
        [Segment(slot, len(prompt), [9]) for slot, prompt in prompts.items()],
        [Segment(3, 8, [1, 2, 3], logits=3), Segment(0, 31, [4])],
        [Segment(5, 256, list(range(13)), logits=1), Segment(2, 141, [7]), Segment(0, 32, [8, 8], logits=2)],
    ]
    for plan in plans:
        logits = fixed.step(plan)
        assert logits is not None
        torch.testing.assert_close(logits, ours.step(plan, flexible), rtol=off, atol=off)
    torch.testing.assert_close(kept.data, flexible.data, rtol=off, atol=off)


def test_recording_leaves_the_cache_but_for_one_position() -> None:
    fixed, cache = fixed_steps(tiny(**SHAPE))
    recorded: list[Compute] = []

    class Runs(Eager):
        def __call__(self, compute: Compute) -> Compute:
            compute()
            recorded.append(compute)
            return compute

    told: list[str] = []
    fixed.record(Runs(), told.append)
    assert cache.data[:, 0, :, :, 0].any()
    assert not cache.data[:, 1:].any()
    assert not cache.data[:, 0, :, :, 1:].any()
    assert len(told) == len(recorded) == fixed.recorded
    assert told[1] == f"recording decode steps for the GPU, 2 of {fixed.recorded}"


def test_what_does_not_fit_the_cache_is_refused_before_it_is_written() -> None:
    fixed, cache = fixed_steps(tiny(**SHAPE))
    fixed.record(Eager(), lambda stage: None)
    for wrong in (Segment(6, 0, [1]), Segment(0, 3, [10_000]), Segment(0, -1, [1])):
        with pytest.raises(ValueError, match="slot"):
            fixed.step([wrong])
    assert fixed.step([Segment(0, 511, [1, 2])]) is None, "no shape is that long: the flexible step refuses it"
    assert not cache.data.any()


# The same tokens


def test_greedy_tokens_of_mixed_lengths_and_joins_are_those_of_generate(steps: list[bool]) -> None:
    model = tiny(**SHAPE)
    prompts = [ids(model, length, length) for length in (3, 120, 30, 250, 25, 7, 60)]
    expected = [model.greedy(prompt, 60) for prompt in prompts]
    with model.engine(slots=3) as engine:
        running = []
        for prompt in prompts:
            running.append(engine.submit(request(prompt, 60)))
            wait_until(lambda: len(running[0].tokens()) > 2)
        assert [list(one.result(60).token_ids) for one in running] == expected
    assert sum(steps) > 100


def test_a_cancelled_stream_changes_nobodys_tokens_and_its_slot_serves_again(steps: list[bool]) -> None:
    model = tiny(**SHAPE)
    mine, other, later = ids(model, 20, 1), ids(model, 130, 2), ids(model, 9, 3)
    with model.engine(slots=2) as engine:
        first, second = engine.submit(request(mine, 100)), engine.submit(request(other, 300))
        wait_until(lambda: len(second.tokens()) > 5)
        second.cancel()
        third = engine.submit(request(later, 50))
        assert list(first.result(60).token_ids) == model.greedy(mine, 100)
        assert list(third.result(60).token_ids) == model.greedy(later, 50)
        assert second.result(60).finish_reason is FinishReason.CANCELLED
    assert any(steps)


@pytest.mark.parametrize("values", [{}, {"temperature": 0.7, "top_p": 0.9}, {"repetition_penalty": 1.1}], ids=str)
def test_speculation_and_sampling_give_the_tokens_of_flexible_steps(
    steps: list[bool], monkeypatch: pytest.MonkeyPatch, values: dict[str, float]
) -> None:
    model = tiny(**SHAPE)
    repeating = ids(model, 12) * 5
    requests = [request(repeating + ids(model, 2, seed), 50, seed=seed, **values) for seed in range(4)]

    def run(**options: Any) -> tuple[list[tuple[int, ...]], int]:
        with model.engine(**options) as engine:
            assert engine._parts is not None
            engine._parts.costs.step_seconds = lambda rows: 1 + rows / 1e6  # type: ignore[method-assign]
            found = [one.result(60).token_ids for one in [engine.submit(one) for one in requests]]
            return found, engine.stats().drafted_tokens

    with_fixed, drafted = run(lookup=True)
    assert drafted > 0
    assert any(steps)
    steps.clear()
    monkeypatch.setattr(assemble, "capture_for", lambda choice, device: None)
    assert run()[0] == with_fixed
    assert not steps


def test_a_kept_prefix_is_gone_on_from(steps: list[bool]) -> None:
    model = tiny(**SHAPE)
    prompt = ids(model, 200)
    with model.engine(prefix_cache_mb=8) as engine:
        again = [list(engine.submit(request(prompt)).result(60).token_ids) for _ in range(2)]
        assert engine.stats().prefix_cache_hits == 1
    assert again == [model.greedy(prompt, 40)] * 2
    assert any(steps)


# What cannot be recorded


class Fails(Eager):
    """Records some, then fails as CUDA does."""

    def __init__(self, after: int) -> None:
        self._left = after

    def __call__(self, compute: Compute) -> Compute:
        if not self._left:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCompile with ...")
        self._left -= 1
        return compute


@pytest.mark.parametrize("after", [0, 5])
def test_a_recording_that_fails_is_one_line_in_the_log_and_everybody_is_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    monkeypatch.setattr(assemble, "capture_for", lambda choice, device: Fails(after))
    model = tiny(**SHAPE)
    prompts = [ids(model, length, length) for length in (3, 130)]
    with caplog.at_level(logging.INFO, "codegen_ui.engine.fixed"), model.engine() as engine:
        found = [one.result(60).token_ids for one in [engine.submit(request(prompt)) for prompt in prompts]]
    assert [list(one) for one in found] == [model.greedy(prompt, 40) for prompt in prompts]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{after} of ")
    assert line.endswith("others run eagerly: CUDA error: operation not permitted when stream is capturing")


def test_shapes_beyond_the_memory_are_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    fixed, _ = fixed_steps(tiny(**SHAPE))
    small, large = fixed.scratch_bytes(Bucket(1, 1, 128)), fixed.scratch_bytes(Bucket(4, 13, 512))
    assert small < large / 4
    bounded, _ = fixed_steps(tiny(**SHAPE), most_bytes=small)
    bounded.record(Eager(), lambda stage: None)
    assert bounded.recorded == 1
    assert bounded.step([Segment(0, 0, [1])]) is not None
    assert bounded.step([Segment(0, 0, [1]), Segment(1, 0, [1])]) is None


def test_recording_ends_where_it_takes_more_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    class Takes(Eager):
        bytes = 0

        def __call__(self, compute: Compute) -> Compute:
            self.bytes += 3 * 2**30
            return compute

    fixed, _ = fixed_steps(tiny(**SHAPE), most_bytes=8 * 2**30)
    fixed.record(Takes(), lambda stage: None)
    assert fixed.recorded == 3
    assert "decode steps recorded: they take 9.0 GiB" in caplog.text


# The option


def test_graphs_are_for_devices_that_have_them() -> None:
    assert [resolve_graphs("auto", one) for one in (CPU, MPS, CUDA)] == [False, False, True]
    assert resolve_graphs("on", CUDA)
    assert not resolve_graphs("off", CUDA)
    with pytest.raises(InvalidInput, match="auto or off on cpu"):
        resolve_graphs("on", CPU)


def test_an_engine_on_a_cpu_has_none_however_it_is_asked() -> None:
    model = tiny()
    for choice in ("auto", "off"):
        with model.engine(cuda_graphs=choice) as engine:
            assert isinstance(engine, LocalEngine)
            assert engine._parts is not None
            assert engine._parts.runner._fixed is None
    with pytest.raises(InvalidInput, match="cuda_graphs"):
        model.engine(cuda_graphs="on")
