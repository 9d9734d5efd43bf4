"""The engine's promises: transformers' own tokens however requests meet, and nobody's fault is another's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_engine import wait_until
from tiny import Tiny, tiny

from codegen_ui.engine import runner
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.kv.cache import KVCache
from codegen_ui.engine.live_generation import LiveGeneration
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.engine.streamer import decode_all, plain_tokenizer
from codegen_ui.errors import Busy, GenerationFailed, InvalidInput
from codegen_ui.metrics import State
from codegen_ui.request import FinishReason, GenerationRequest

pytestmark = pytest.mark.usefixtures("one_thread")

LONG = {"n_positions": 2048, "n_ctx": 2048}
SHAPES: list[dict[str, int]] = [
    {},
    {"n_embd": 64, "n_head": 8, "rotary_dim": 8, "seed": 1},
    {"n_embd": 64, "n_head": 4, "rotary_dim": 10, "n_layer": 3, "seed": 2},
]


def request(prompt: str | tuple[int, ...] = "def foo(bar):\n", **values: Any) -> GenerationRequest:
    defaults: dict[str, Any] = {"temperature": 0, "stop_at": "length", "max_new_tokens": 40}
    return GenerationRequest(prompt, **(defaults | values))


def ids(model: Tiny, count: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, model.decodable, (count,), generator=generator).tolist())


def tokens(engine: LocalEngine, *requests: GenerationRequest) -> list[tuple[int, ...]]:
    """Submit all at once; each one's generated ids."""
    return [one.result(120).token_ids for one in [engine.submit(one) for one in requests]]


def hold(model: Tiny, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Make every step take at least `seconds`, so that there is time to act while a generation runs."""
    step = model.ours.step

    def slow(*args: Any) -> torch.Tensor:
        time.sleep(seconds)
        return step(*args)

    monkeypatch.setattr(model.ours, "step", slow)


# Exactness


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_greedy_tokens_are_those_of_generate_past_slot_reuse(shape: dict[str, int]) -> None:
    model = tiny(**({"n_positions": 512, "n_ctx": 512} | shape))
    with model.engine(slots=1) as engine:
        for seed, length in ((0, 60), (2, 1)):
            prompt = ids(model, length, seed)
            assert list(*tokens(engine, request(prompt, max_new_tokens=205))) == model.greedy(prompt, 205)


def test_greedy_tokens_are_those_of_generate_up_to_the_last_position() -> None:
    model = tiny(**LONG)
    prompt = ids(model, 1980)
    with model.engine(prefill_chunk=300) as engine:
        generation = engine.submit(request(prompt, max_new_tokens=None, max_length=2048))
        result = generation.result(120)
    assert list(result.token_ids) == model.greedy(prompt, 68)
    assert len(prompt) + len(result.token_ids) == 2048


def test_batched_and_joined_midway_and_alone_give_the_same_tokens() -> None:
    model = tiny()
    prompts = [ids(model, length, length) for length in (3, 17, 30, 8, 25, 40)]
    alone = [model.greedy(prompt, 60) for prompt in prompts]
    with model.engine(slots=3) as engine:
        running = []
        for prompt in prompts:
            running.append(engine.submit(request(prompt, max_new_tokens=60)))
            before = running[0]
            wait_until(lambda before=before: len(before.tokens()) > 2)  # type: ignore[misc]
        assert [list(one.result(60).token_ids) for one in running] == alone


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_a_prompt_prefilled_in_chunks_gives_the_same_tokens(chunk: int) -> None:
    model = tiny()
    prompt = ids(model, 75)
    with model.engine(prefill_chunk=chunk) as engine:
        assert list(*tokens(engine, request(prompt))) == model.greedy(prompt, 40)


def test_a_cached_prefix_gives_the_same_tokens_and_is_counted() -> None:
    model = tiny()
    prompt = ids(model, 50)
    expected = model.greedy(prompt, 40)
    with model.engine(prefix_cache_mb=8) as engine:
        first = engine.submit(request(prompt)).result(60)
        again = engine.submit(request(prompt)).result(60)
        continued = engine.submit(request(prompt + tuple(expected[:20]), max_new_tokens=20)).result(60)
        branched = engine.submit(request(prompt[:30] + prompt[:20])).result(60)
        stats = engine.stats()
    assert list(first.token_ids) == list(again.token_ids) == expected
    assert list(continued.token_ids) == expected[20:]
    assert list(branched.token_ids) == model.greedy(prompt[:30] + prompt[:20], 40)
    cached = [one.metrics.cached_prompt_tokens for one in (first, again, continued, branched)]
    assert cached == [0, 49, 69, 30]
    assert (stats.prefix_cache_queries, stats.prefix_cache_hits, stats.prefix_cache_hit_tokens) == (4, 3, 148)


def test_samples_of_one_prompt_cost_one_prefill_and_are_what_each_would_be_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny()
    prompt = ids(model, 60)
    samples = [request(prompt, temperature=0.5, seed=1, sample_index=n, max_new_tokens=20) for n in range(4)]
    with model.engine() as engine:
        alone = [tokens(engine, one)[0] for one in samples]
    with model.engine(prefill_chunk=10) as engine:
        hold(model, monkeypatch, 0.02)
        engine.submit(request(max_new_tokens=3))  # so that the four arrive before the first of them begins
        together = [engine.submit(one) for one in samples]
        assert [one.result(60).token_ids for one in together] == alone
        cached = [one.result().metrics.cached_prompt_tokens for one in together]
    assert sorted(cached) == [0, 59, 59, 59]


def test_who_waits_for_anothers_prefill_goes_on_when_that_one_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    prompt = ids(model, 90)
    hold(model, monkeypatch, 0.02)
    with model.engine(prefill_chunk=4) as engine:
        first, second = (
            engine.submit(request(prompt, max_new_tokens=9)),
            engine.submit(request(prompt, max_new_tokens=9)),
        )
        wait_until(lambda: first.snapshot().metrics.state is State.PREFILL)
        first.cancel()
        assert list(second.result(60).token_ids) == model.greedy(prompt, 9)


@pytest.mark.parametrize("values", [{}, {"temperature": 0.03, "top_p": 0.9}, {"repetition_penalty": 1.1}], ids=str)
def test_lookup_changes_no_token(values: dict[str, float]) -> None:
    model = tiny()
    repeating = ids(model, 12) * 5
    requests = [request(repeating + ids(model, 2, seed), max_new_tokens=50, seed=seed, **values) for seed in range(4)]
    with model.engine() as engine:
        expected = tokens(engine, *requests)
    with model.engine(lookup=True) as engine:
        always(engine)
        assert tokens(engine, *requests) == expected
        assert [tokens(engine, one)[0] for one in requests] == expected
        stats = engine.stats()
    assert stats.drafted_tokens >= stats.accepted_tokens > 0
    assert not values or stats.drafted_tokens > stats.accepted_tokens, "wrong drafts were tried too"


def test_a_request_may_decline_lookup_and_gets_the_same_tokens() -> None:
    model = tiny()
    drafted = request(ids(model, 6) * 8, max_new_tokens=40)
    with model.engine(lookup=True) as engine:
        always(engine)
        with_drafts = engine.submit(drafted).result(60)
        without = engine.submit(replace(drafted, lookup=False)).result(60)
    assert with_drafts.metrics.drafted_tokens > 0
    assert without.metrics.drafted_tokens == 0
    assert without.token_ids == with_drafts.token_ids


def always(engine: LocalEngine) -> None:
    """Draft wherever there is something to draft from: a tiny model's step times are noise."""
    assert engine._parts is not None
    engine._parts.costs.step_seconds = lambda rows: 1 + rows / 1e6  # type: ignore[method-assign]


def test_lookup_is_counted_in_the_generations_figures() -> None:
    model = tiny()
    with model.engine(lookup=True) as engine:
        always(engine)
        figures = engine.submit(request(ids(model, 6) * 8, max_new_tokens=60)).result(60).metrics
    assert figures.drafted_tokens >= figures.accepted_tokens > 0
    assert figures.output_tokens == 60


def test_a_prompt_over_the_context_keeps_its_right_end() -> None:
    model = tiny()
    prompt = ids(model, 200)
    with model.engine() as engine:
        result = engine.submit(request(prompt, max_length=100, max_new_tokens=None)).result(60)
    assert result.prompt_token_ids == prompt[-75:]
    assert result.metrics.dropped_prompt_tokens == 125
    assert list(result.token_ids) == model.greedy(prompt[-75:], 25)


def test_a_seed_gives_the_same_tokens_alone_and_among_others() -> None:
    model = tiny()
    mine = request(temperature=0.9, top_p=0.95, seed=7)
    others = [request(temperature=1.3, top_p=1.0, seed=n, sample_index=n) for n in range(3)]
    with model.engine() as engine:
        (alone,) = tokens(engine, mine)
        assert tokens(engine, others[0], mine, *others[1:])[1] == alone
        first, second = tokens(
            engine, request(temperature=0.9, seed=7), request(temperature=0.9, seed=7, sample_index=1)
        )
        assert first != second


def test_the_seed_that_was_drawn_reproduces_the_result() -> None:
    with tiny().engine() as engine:
        first = engine.submit(request(temperature=1.0, top_p=1.0)).result(60)
        assert first.seed == first.metrics.seed
        again = engine.submit(request(temperature=1.0, top_p=1.0, seed=first.seed)).result(60)
    assert first.token_ids == again.token_ids


def test_ids_without_text_are_never_generated() -> None:
    model = tiny()
    with model.engine() as engine:
        (drawn,) = tokens(engine, request(temperature=5.0, top_p=1.0, max_new_tokens=120, seed=1))
    assert max(drawn) < model.decodable < model.ours.config.vocab_size


# Text and ends


def test_pieces_snapshots_events_and_result_tell_the_same_text() -> None:
    model = tiny()
    core = plain_tokenizer(model.tokenizer)
    with model.engine() as engine:
        generation = engine.submit(request(temperature=1.0, top_p=1.0, seed=3, logprobs=5))
        text = "".join(generation)
        result = generation.result()
    assert text == result.text == generation.snapshot().text == "".join(event.text for event in generation.tokens())
    assert text == decode_all(core, result.token_ids)
    assert [event.token_id for event in generation.tokens(38)] == list(result.token_ids[38:])
    assert all(event.logprob is not None and event.logprob.logprob <= 0 for event in result.tokens)
    assert {len(event.top) for event in result.tokens} == {5}
    assert generation.snapshot().finish_reason is FinishReason.LENGTH


def test_logprobs_are_those_of_transformers() -> None:
    model = tiny()
    with model.engine() as engine:
        result = engine.submit(request(logprobs=2, max_new_tokens=5)).result(60)
    sequence = torch.tensor([result.prompt_token_ids + result.token_ids])
    expected = model.theirs(sequence).logits[0].detach().log_softmax(-1)
    for position, event in enumerate(result.tokens, start=len(result.prompt_token_ids) - 1):
        assert event.logprob is not None
        assert event.logprob.logprob == pytest.approx(float(expected[position, event.token_id]), abs=1e-4)
        assert len(event.top) == 2


def scripted(model: Tiny, monkeypatch: pytest.MonkeyPatch, text: str, *, end: bool = True) -> None:
    """Make the model say `text` (then end of text, or `x` for ever) after a prompt of one token."""
    said = plain_tokenizer(model.tokenizer).encode(text, add_special_tokens=False).ids
    said += [model.tokenizer.eos_token_id if end else model.tokenizer.encode("x")[0]] * 200

    def step(segments: Any, cache: Any) -> torch.Tensor:
        positions = [s.start + len(s.tokens) - s.logits + n for s in segments for n in range(s.logits)]
        return (
            torch.nn.functional.one_hot(torch.tensor([said[p] for p in positions]), model.ours.config.vocab_size) * 9.0
        )

    monkeypatch.setattr(model.ours, "step", step)


def test_the_models_own_end_has_no_text_but_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    scripted(model, monkeypatch, "return 1")
    with model.engine() as engine:
        result = engine.submit(request((5,), stop_at="eos", max_new_tokens=50)).result(60)
    assert (result.text, result.finish_reason) == ("return 1", FinishReason.EOS)
    assert result.token_ids[-1] == model.tokenizer.eos_token_id
    assert result.metrics.saved_tokens == 50 - len(result.token_ids)


def test_only_the_length_ends_it_when_asked_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    scripted(model, monkeypatch, "return 1")
    with model.engine() as engine:
        result = engine.submit(request((5,), max_new_tokens=50)).result(60)
    assert (result.text, result.finish_reason, len(result.token_ids)) == ("return 1", FinishReason.LENGTH, 50)


def test_a_stop_string_ends_it_and_is_not_part_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    scripted(model, monkeypatch, "one two three four")
    with model.engine() as engine:
        generation = engine.submit(request((5,), stop=["thr"]))
        assert "".join(generation) == "one two "
        assert generation.result().finish_reason is FinishReason.STOP_STRING


def test_a_partial_stop_string_is_released_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    scripted(model, monkeypatch, "one two")
    with model.engine() as engine:
        result = engine.submit(request((5,), stop=["two three"], stop_at="eos")).result(60)
    assert (result.text, result.finish_reason) == ("one two", FinishReason.EOS)


def test_the_end_of_the_function_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    scripted(model, monkeypatch, "def f(x):\n    return x\n\n\nprint(f(1))\n", end=False)
    with model.engine() as engine:
        result = engine.submit(request("\n", stop_at="function", max_new_tokens=100)).result(60)
    assert (result.text.rstrip(), result.finish_reason) == ("def f(x):\n    return x", FinishReason.FUNCTION)


# Stopping, deadlines, limits


def test_cancel_frees_the_slot_and_says_how_soon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny()
    hold(model, monkeypatch, 0.02)
    caplog.set_level(logging.INFO)
    with model.engine(slots=1) as engine:
        running = engine.submit(request(max_new_tokens=100))
        waiting = engine.submit(request(max_new_tokens=3))
        wait_until(lambda: len(running.tokens()) > 2)
        assert waiting.snapshot().metrics.queue_position == 1
        running.cancel()
        running.cancel()
        result = running.result(1)
        assert waiting.result(5).finish_reason is FinishReason.LENGTH
        assert engine.stats().active == 0
        wait_until(lambda: "slot 0 free" in caplog.text)
    assert result.finish_reason is FinishReason.CANCELLED
    assert result.text == "".join(running)
    lines = [record.getMessage() for record in caplog.records if "after stop" in record.getMessage()]
    assert len(lines) == 1
    assert "slot 0 free" in lines[0]
    assert "foo(bar)" not in caplog.text, "prompts stay out of the log"


def test_a_waiting_request_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    hold(model, monkeypatch, 0.01)
    with model.engine(slots=1) as engine:
        running = engine.submit(request())
        waiting = engine.submit(request())
        waiting.cancel()
        result = waiting.result(5)
        assert (result.finish_reason, result.text) == (FinishReason.CANCELLED, "")
        assert running.result(30).finish_reason is FinishReason.LENGTH


def test_a_deadline_ends_a_generation_with_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    hold(model, monkeypatch, 0.02)
    with model.engine() as engine:
        result = engine.submit(request(max_new_tokens=100, deadline_seconds=0.3)).result(5)
    assert result.finish_reason is FinishReason.DEADLINE
    assert 0 < len(result.token_ids) < 100


def test_a_full_queue_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    hold(model, monkeypatch, 0.05)
    with model.engine(slots=1, max_waiting=1) as engine:
        running = engine.submit(request())
        wait_until(lambda: running.snapshot().metrics.state is not State.QUEUED)
        engine.submit(request())
        with pytest.raises(Busy, match="1 requests are waiting"):
            engine.submit(request())


def test_limits_of_this_model_are_checked_before_queueing() -> None:
    model = tiny()
    with model.engine() as engine:
        with pytest.raises(InvalidInput, match="token ids below 352"):
            engine.submit(request((400,)))
        with pytest.raises(InvalidInput, match="context of 128") as caught:
            engine.submit(request(max_length=2048, max_new_tokens=None))
        assert caught.value.field == "max_length"


def test_prompt_tokens_are_counted_with_end_of_text_as_text() -> None:
    with tiny().engine() as engine:
        assert engine.count_tokens("def") < engine.count_tokens("def<|endoftext|>")
        assert engine.count_tokens("<|endoftext|>") > 1


# Faults


def test_a_failing_step_ends_its_generations_and_the_engine_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    step = model.ours.step
    calls = 0

    def faulty(*args: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise RuntimeError("a device fault")
        return step(*args)

    with model.engine(prefix_cache_mb=8) as engine:
        assert tokens(engine, request(max_new_tokens=1))
        monkeypatch.setattr(model.ours, "step", faulty)
        generation = engine.submit(request())
        with pytest.raises(GenerationFailed, match=r"RuntimeError.*text so far is kept"):
            list(generation)
        with pytest.raises(GenerationFailed):
            generation.result(5)
        snapshot = generation.snapshot()
        assert (snapshot.finish_reason, len(generation.tokens())) == (FinishReason.ERROR, 11)
        assert isinstance(snapshot.error, GenerationFailed)
        prompt = generation.prompt_ids
        assert list(*tokens(engine, request())) == model.greedy(prompt, 40)
        assert engine.stats().finished == {"length": 2, "error": 1}


def test_a_fault_in_one_streams_text_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    with model.engine() as engine:
        add_tokens = LiveGeneration.add_tokens

        def faulty(self: LiveGeneration, *args: Any) -> FinishReason | None:
            if self.request.visitor == "unlucky":
                raise ValueError("no text for you")
            return add_tokens(self, *args)

        monkeypatch.setattr(LiveGeneration, "add_tokens", faulty)
        unlucky, lucky = engine.submit(request(visitor="unlucky")), engine.submit(request())
        with pytest.raises(GenerationFailed, match="ValueError"):
            unlucky.result(30)
        assert lucky.result(30).finish_reason is FinishReason.LENGTH


def test_watchers_hear_of_every_token_and_one_that_fails_is_dropped() -> None:
    with tiny().engine() as engine:
        heard = 0

        def listen() -> None:
            nonlocal heard
            heard += 1

        def broken() -> None:
            raise RuntimeError("my loop is closed")

        generation = engine.submit(request())
        generation.subscribe(broken)
        generation.subscribe(listen)
        assert generation.result(30).finish_reason is FinishReason.LENGTH
        wait_until(lambda: heard >= 1)
        late = threading.Event()
        generation.subscribe(late.set)
        assert late.is_set()


def test_closing_ends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    hold(model, monkeypatch, 0.02)
    engine = model.engine(slots=1)
    running, waiting = engine.submit(request(max_new_tokens=100)), engine.submit(request())
    wait_until(lambda: len(running.tokens()) > 0)
    engine.close()
    engine.close()
    assert running.result(1).finish_reason is waiting.result(1).finish_reason is FinishReason.CANCELLED
    with pytest.raises(GenerationFailed, match="closed"):
        engine.submit(request())


# Many at once


def test_a_crowd_with_cancels_loses_nobody_and_leaks_no_slot() -> None:
    model = tiny()
    with model.engine(slots=3, max_waiting=200, prefix_cache_mb=1, lookup=True) as engine:
        crowd = [
            engine.submit(request(ids(model, 1 + n % 50, n), max_new_tokens=1 + n % 23, visitor=str(n % 4)))
            for n in range(60)
        ]
        for one in crowd[::7]:
            one.cancel()
        results = [one.result(60) for one in crowd]
        for n, (one, result) in enumerate(zip(crowd, results, strict=True)):
            if result.finish_reason is not FinishReason.CANCELLED:
                assert list(result.token_ids) == model.greedy(one.prompt_ids, 1 + n % 23)
        wait_until(lambda: engine.stats().active == 0)
        stats = engine.stats()
    assert sum(stats.finished.values()) == 60
    assert stats.waiting == 0


def test_a_long_prompt_that_joins_takes_little_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a step that costs 5 ms and 0.2 ms a row, so that 3 streams' step costs 5.6 ms and 56 more rows make it 3."""
    model = tiny(**LONG)
    step = model.ours.step
    joined: list[int] = []
    clock = [0.0]

    def timed(segments: Any, cache: Any) -> torch.Tensor:
        rows = sum(len(one.tokens) for one in segments)
        if len(segments) == 4 and rows > 4:
            joined.append(rows)
        clock[0] += 0.005 + 0.0002 * rows
        return step(segments, cache)

    # A clock of the test's own: how busy the machine is must not matter.
    monkeypatch.setattr(runner, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    monkeypatch.setattr(model.ours, "step", timed)
    with model.engine() as engine:
        running = [engine.submit(request(max_new_tokens=400)) for _ in range(3)]
        wait_until(lambda: min(len(one.tokens()) for one in running) > 30)
        joining = engine.submit(request(ids(model, 1500), max_new_tokens=5))
        joining.result(60)
        for one in running:
            one.cancel()
    assert sum(joined) >= 1500
    costs = sorted((0.005 + 0.0002 * rows) / 0.0056 for rows in joined)
    assert costs[len(costs) // 2] <= 3


def test_numbers_that_overflow_end_one_stream_and_reach_no_other_through_its_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny()
    expected = model.greedy(ids(model, 12, 7), 30)
    genuine = CodeGenModel.step

    def overflow(self: CodeGenModel, segments: Sequence[Segment], cache: KVCache) -> torch.Tensor:
        logits = genuine(self, segments, cache)
        if any(segment.slot == 0 and segment.start >= 40 for segment in segments):
            cache.data[:, 0, :, :, 30:].fill_(float("nan"))
            row = sum(s.logits for s in segments[: [s.slot for s in segments].index(0)])
            logits = logits.index_fill(0, torch.tensor(row), float("nan"))
        return logits

    monkeypatch.setattr(CodeGenModel, "step", overflow)
    with model.engine(slots=2) as engine:
        broken = engine.submit(request(ids(model, 30, 1), max_new_tokens=60))
        other = engine.submit(request(ids(model, 12, 7), max_new_tokens=30))
        with pytest.raises(GenerationFailed, match="overflowed"):
            broken.result(60)
        assert 1 <= broken.snapshot().metrics.output_tokens <= 20
        assert list(other.result(60).token_ids) == expected
        assert tokens(engine, *[request(ids(model, 12, 7), max_new_tokens=25)] * 2) == [tuple(expected[:25])] * 2


def test_a_request_that_cannot_enter_its_slot_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = KVCache.copy
    refused: list[int] = []

    def copy(self: KVCache, source: int, target: int, tokens: int) -> None:
        if not refused:
            refused.append(target)
            raise RuntimeError("a fault")
        genuine(self, source, target, tokens)

    monkeypatch.setattr(KVCache, "copy", copy)
    model = tiny()
    prompt = ids(model, 40)
    with model.engine() as engine:
        hold(model, monkeypatch, 0.01)
        samples = [engine.submit(request(prompt, max_new_tokens=20, sample_index=n)) for n in range(3)]
        ends: list[list[Any]] = []
        for one in samples:
            try:
                ends.append(list(one.result(30).token_ids))
            except GenerationFailed as error:
                ends.append([str(error)])
    assert sorted(map(len, ends)) == [1, 20, 20]
    assert all(end == model.greedy(prompt, 20) for end in ends if len(end) > 1)
