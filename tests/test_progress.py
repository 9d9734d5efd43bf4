"""A long prompt tells how far it is while it is computed."""

from __future__ import annotations

from tiny import tiny

from codegen_ui.generation import Snapshot
from codegen_ui.metrics import GenerationMetrics, State
from codegen_ui.request import GenerationRequest
from codegen_ui.ui import figures


def test_the_engine_counts_the_prompts_tokens_as_they_are_computed() -> None:
    model = tiny()
    with model.engine(prefill_chunk=4) as engine:
        seen: list[tuple[State, int]] = []
        decoding = engine.submit(GenerationRequest((1, 2, 3), max_new_tokens=50, stop_at="length"))
        generation = engine.submit(GenerationRequest(tuple(range(1, 41)), max_new_tokens=2, stop_at="length"))

        def look() -> None:
            metrics = generation.snapshot().metrics
            seen.append((metrics.state, metrics.prefilled_tokens))

        generation.subscribe(look)
        generation.result(60)
        decoding.result(60)
    counts = [count for state, count in seen if state is State.PREFILL]
    assert counts == sorted(counts)
    assert len({count for count in counts if 0 < count < 40}) >= 3


def test_the_live_panel_says_so() -> None:
    metrics = GenerationMetrics(state=State.PREFILL, prompt_tokens=1900, prefilled_tokens=512)
    assert figures.live(Snapshot("", metrics))["state"] == "prompt 512 of 1,900"
    assert figures.live(Snapshot("", GenerationMetrics(state=State.PREFILL)))["state"] == "prefill"
