"""The engine on a GPU of CUDA or ROCm. Everything here is skipped elsewhere: `-m gpu -rs` says why.

Weights are random, as exactness does not ask what is written. `--cuda-graphs` is tried off and on.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from fake_engine import wait_until
from small_checkpoints import random_model
from tiny import tokenizer

from codegen_ui.engine.fixed.fixed_steps import CudaGraphs, recorded_steps
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.engine.runner import Runner
from codegen_ui.engine.scheduler import StepPlan, work
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.trust import trusted_sampler
from codegen_ui.generation import ModelInfo
from codegen_ui.options import EngineOptions
from codegen_ui.request import FinishReason, GenerationRequest, SamplingParams

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: torch.cuda.is_available() is False here"),
]
CPU, GPU = torch.device("cpu"), torch.device("cuda")
SHAPE = {"n_positions": 2048, "n_ctx": 2048, "n_embd": 256, "n_head": 4, "rotary_dim": 32, "n_layer": 4}
LARGE = {
    "2B": {"n_embd": 2560, "n_layer": 32, "n_head": 32, "rotary_dim": 64},
    "6B": {"n_embd": 4096, "n_layer": 33, "n_head": 16, "rotary_dim": 64},
    "16B": {"n_embd": 6144, "n_layer": 34, "n_head": 24, "rotary_dim": 64},
}
HALF_BOUNDS = {torch.float16: 0.01, torch.bfloat16: 0.08}
"""Root mean square of the logits' error, over their standard deviation in float32."""
GRAPHS = pytest.mark.parametrize("graphs", ["off", "on"])


class OnGpu(dict[str, torch.Tensor]):
    """Random weights of a shape, made on the GPU at each look-up: billions of them take too long on a CPU."""

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.randn(tuple(super().__getitem__(name).shape), device=GPU, dtype=torch.float16) * 0.02


@pytest.fixture(autouse=True)
def _no_memory_is_left() -> Iterator[None]:
    yield
    gc.collect()
    torch.cuda.empty_cache()


def reference(dtype: torch.dtype = torch.float32) -> tuple[Any, CodeGenModel]:
    """transformers' model on the GPU, and ours with the same weights."""
    theirs = random_model(**SHAPE)
    config = ModelConfig.from_json(theirs.config.to_dict())
    ours = CodeGenModel(config, theirs.state_dict(), device=GPU, dtype=dtype)
    return theirs.to(GPU), ours


def engine_of(model: CodeGenModel, graphs: str = "off", **options: Any) -> LocalEngine:
    values: dict[str, Any] = {"slots": 8, "prefix_cache_mb": 0, "lookup": False, "cuda_graphs": graphs} | options
    engine = LocalEngine(model, tokenizer(), ModelInfo("tiny", "CodeGen", 0), EngineOptions(**values))
    assert engine._parts is not None
    assert (engine._parts.runner._fixed is not None) == (graphs == "on")
    return engine


def ids(count: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, 300, (count,), generator=generator).tolist())


def request(prompt: tuple[int, ...], new: int = 40, **values: Any) -> GenerationRequest:
    defaults: dict[str, Any] = {"temperature": 0, "stop_at": "length", "max_new_tokens": new}
    return GenerationRequest(prompt, **(defaults | values))


def tokens(engine: LocalEngine, *requests: GenerationRequest) -> list[list[int]]:
    return [list(one.result(120).token_ids) for one in [engine.submit(one) for one in requests]]


@GRAPHS
def test_500_greedy_tokens_in_float32_are_those_of_generate(graphs: str) -> None:
    theirs, ours = reference()
    prompt = ids(60)
    output = theirs.generate(
        torch.tensor([prompt], device=GPU),
        attention_mask=torch.ones(1, 60, dtype=torch.int64, device=GPU),
        do_sample=False,
        max_new_tokens=500,
        eos_token_id=None,
        pad_token_id=0,
        suppress_tokens=list(range(len(tokenizer()), 352)),
    )
    with engine_of(ours, graphs) as engine:
        assert tokens(engine, request(prompt, 500)) == [output[0, 60:].tolist()]


@pytest.mark.parametrize("dtype", list(HALF_BOUNDS), ids=str)
def test_half_precision_stays_within_its_bound_of_float32(dtype: torch.dtype) -> None:
    theirs, ours = reference(dtype)
    prompt = list(ids(700))
    with torch.no_grad():
        expected = theirs(torch.tensor([prompt], device=GPU)).logits[0]
    cache = ours.new_cache(2)
    parts = [ours.step([Segment(1, start, prompt[start : start + 350], logits=350)], cache) for start in (0, 350)]
    error = (torch.cat(parts) - expected).pow(2).mean().sqrt() / expected.std()
    assert error < HALF_BOUNDS[dtype]


@GRAPHS
def test_streams_together_have_the_tokens_of_each_alone(graphs: str) -> None:
    _, ours = reference()
    requests = [request(ids(length, length), 60) for length in (3, 200, 31, 900, 64, 65, 130)]
    with engine_of(ours, graphs) as engine:
        alone = [tokens(engine, one)[0] for one in requests]
        assert tokens(engine, *requests) == alone


@GRAPHS
def test_streams_that_join_and_are_cancelled_leave_others_as_they_were(graphs: str) -> None:
    _, ours = reference()
    with engine_of(ours, graphs, slots=3) as engine:
        alone = tokens(engine, request(ids(50), 200))[0]
        first, second = engine.submit(request(ids(50), 200)), engine.submit(request(ids(99, 1), 900))
        wait_until(lambda: len(second.tokens()) > 5)
        third = engine.submit(request(ids(300, 2), 20))
        second.cancel()
        assert list(first.result(60).token_ids) == alone
        assert second.result(60).finish_reason is FinishReason.CANCELLED
        assert len(third.result(60).token_ids) == 20
        assert engine.stats().active == 0


@GRAPHS
def test_a_kept_prefix_and_drafts_change_no_token(graphs: str) -> None:
    _, ours = reference()
    asked = request(ids(12) * 12, 120)
    with engine_of(ours, graphs) as engine:
        expected = tokens(engine, asked)
    with engine_of(ours, graphs, prefix_cache_mb=256, lookup=True) as engine:
        assert tokens(engine, asked) + tokens(engine, asked) == expected * 2
        stats = engine.stats()
    assert stats.prefix_cache_hits == 1
    assert stats.accepted_tokens > 0


@GRAPHS
def test_sampled_tokens_of_a_seed_are_the_same_in_company(graphs: str) -> None:
    _, ours = reference()
    mine = request(ids(40), 60, temperature=0.9, top_p=0.95, repetition_penalty=1.1, seed=7)
    others = [request(ids(20, n), 60, temperature=1.3, top_k=40, seed=n) for n in range(5)]
    with engine_of(ours, graphs) as engine:
        assert tokens(engine, *others, mine)[-1] == tokens(engine, mine)[0]


def test_the_host_waits_for_nothing_but_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait within a step is an error, but for the one copy back."""
    _, ours = reference(torch.float16)
    cache = ours.new_cache(8)
    fixed = recorded_steps(CudaGraphs(GPU), ours, cache, streams=4, drafts=True, tell=lambda stage: None)
    back = []
    original = torch.Tensor.tolist

    def tolist(tensor: torch.Tensor) -> Any:
        back.append(tuple(tensor.shape))
        torch.cuda.set_sync_debug_mode("default")
        try:
            return original(tensor)
        finally:
            torch.cuda.set_sync_debug_mode("error")

    monkeypatch.setattr(torch.Tensor, "tolist", tolist)
    sequences = []
    for slot, penalty in enumerate((1.0, 1.2, 1.0)):
        one = SequenceState("anna", list(ids(30, slot)), 90, output=None)  # type: ignore[arg-type]
        one.slot, one.computed = slot, 29
        one.sampling = SamplingParams(temperature=0.8 * (slot > 0), top_p=0.9, repetition_penalty=penalty)
        sequences.append(one)
    for runner in (Runner(ours, cache, decodable=300), Runner(ours, cache, decodable=300, fixed=fixed)):
        plan = StepPlan(tuple(work(one, 1) for one in sequences))
        runner.run(plan)  # pays for what is allocated once
        back.clear()
        torch.cuda.set_sync_debug_mode("error")
        try:
            runner.run(plan)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert back == [(3,)]


def test_the_device_draws_from_a_whole_vocabulary_as_a_cpu_does() -> None:
    assert not trusted_sampler(50295, 51200, GPU)._on_host


def test_a_step_without_memory_ends_one_stream_and_the_engine_recovers(caplog: pytest.LogCaptureFixture) -> None:
    _, ours = reference()
    with engine_of(ours, prefill_chunk=2000) as engine:
        expected = tokens(engine, request(ids(1900), 20))
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        share = torch.cuda.memory_reserved() / torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(share)  # nothing beyond what is held by now
        try:
            with caplog.at_level(logging.WARNING):
                running = [engine.submit(request(ids(1900, seed), 20)) for seed in range(8)]
                ended = [one.result(120).finish_reason for one in running]
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert "no memory for a step" in caplog.text
        assert set(ended) <= {FinishReason.LENGTH, FinishReason.ERROR}
        assert tokens(engine, request(ids(1900), 20)) == expected


@GRAPHS
def test_1000_requests_leave_no_memory_behind(graphs: str) -> None:
    _, ours = reference()
    with engine_of(ours, graphs, lookup=True, prefix_cache_mb=64) as engine:
        held = []
        for round_ in range(5):
            running = []
            for number in range(200):
                values = {"temperature": 0.8, "repetition_penalty": 1.1} if number % 3 == 0 else {}
                running.append(engine.submit(request(ids(10 + number, number), 8, **values)))
                if len(running) == 50:
                    assert all(one.result(120).finish_reason is FinishReason.LENGTH for one in running)
                    running.clear()
            held.append(torch.cuda.memory_allocated())
            assert round_ < 2 or held[-1] <= held[1], held


def test_a_closed_engine_gives_its_memory_back() -> None:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    _, ours = reference()
    engine = engine_of(ours, "on")
    tokens(engine, request(ids(20), 20))
    del ours, _
    engine.close()
    del engine
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 2**20


@pytest.mark.parametrize("size", list(LARGE))
@GRAPHS
def test_large_models_load_and_serve(size: str, graphs: str) -> None:
    from codegen_ui.engine.model.config import parameter_count, parameter_shapes

    config = ModelConfig(vocab_size=51200, n_positions=2048, **LARGE[size])
    if torch.cuda.mem_get_info()[0] < 2 * parameter_count(config) + 8 * 2**30:
        pytest.skip(f"{size} in float16 and 8 GiB beside it do not fit this GPU")
    shapes = {name: torch.empty(shape, device="meta") for name, shape in parameter_shapes(config).items()}
    model = CodeGenModel(config, OnGpu(shapes), device=GPU, dtype=torch.float16)
    with engine_of(model, graphs, slots=2, prefill_chunk=256) as engine:
        found = tokens(engine, request(ids(700), 30), request(ids(5), 30))
        assert [len(one) for one in found] == [30, 30]
        assert (engine.stats().memory_used_bytes or 0) > 2 * parameter_count(config)
