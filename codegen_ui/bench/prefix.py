"""`prefix`: what kept prefixes save, and what streams that come and go cost those that run."""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

from codegen_ui.bench.contenders import bench_model, greedy, load, random_prompts
from codegen_ui.bench.report import Report, say
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.live_generation import LiveGeneration

STREAMS = 7
CALM_TOKENS = 24


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    quantize = options.quantize[-1]
    with load(model, quantize=quantize, slots=STREAMS + 1, prefix_cache_mb=1024) as engine:
        cached, cold = cached_and_cold(engine, options.rounds, options.shared)
        finishes = [finish(engine, options.ending, seed) for seed in range(options.rounds)]
    with load(model, quantize=quantize, slots=STREAMS + 1) as engine:
        joins = [join(engine, options.joining, seed) for seed in range(options.rounds)]
    join_gap, join_step = medians(joins)
    finish_gap, finish_step = medians(finishes)
    report.table(
        f"{model.name}, {quantize}: medians of {options.rounds}",
        ["", "ms"],
        [
            [f"TTFT of a new prompt of {options.shared} tokens", 1000 * cold],
            ["TTFT of the same prompt again", 1000 * cached],
            [f"step of {STREAMS} streams", 1000 * join_step],
            [f"longest gap in any of them while {options.joining} tokens join", 1000 * join_gap],
            [f"step of {STREAMS} streams", 1000 * finish_step],
            [f"longest gap while one of {options.ending} tokens ends and is asked for again", 1000 * finish_gap],
        ],
    )
    report.figures |= {"ttft_cold_ms": 1000 * cold, "ttft_cached_ms": 1000 * cached}
    report.figures |= {"step_ms": 1000 * join_step, "longest_gap_ms": 1000 * join_gap}
    report.figures |= {"finish_step_ms": 1000 * finish_step, "finish_gap_ms": 1000 * finish_gap}
    report.ratios |= {
        "ttft_cached_over_cold": cached / cold,
        "join_stall_over_step": statistics.median(gap / step for gap, step in joins),
        "finish_stall_over_step": statistics.median(gap / step for gap, step in finishes),
    }


def medians(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """Of the gaps and of the steps, in seconds."""
    gaps, steps = zip(*rounds, strict=True)
    return statistics.median(gaps), statistics.median(steps)


def cached_and_cold(engine: LocalEngine, rounds: int, length: int) -> tuple[float, float]:
    """Median TTFT of prompts seen before and of new ones, in seconds."""
    cold: list[float] = []
    cached: list[float] = []
    for prompt in random_prompts(rounds + 1, length, ids=256, seed=1):
        for times in (cold, cached):
            times.append(engine.submit(greedy(prompt, 4)).result().metrics.ttft_seconds or 0.0)
        say(f"TTFT new {1000 * cold[-1]:.0f} ms, again {1000 * cached[-1]:.0f} ms")
    return statistics.median(cached[1:]), statistics.median(cold[1:])


def join(engine: LocalEngine, length: int, seed: int) -> tuple[float, float]:
    """The longest gap in streams that run while a prompt of `length` joins, and their step before, in seconds."""
    (joining,) = random_prompts(1, length, ids=256, seed=1000 + seed)
    gap, step = watched(engine, seed, lambda: engine.submit(greedy(joining, 2)).result())
    say(f"{length} tokens joined: step {1000 * step:.0f} ms, longest gap {1000 * gap:.0f}")
    return gap, step


def finish(engine: LocalEngine, length: int, seed: int) -> tuple[float, float]:
    """The same while a stream of `length` tokens ends, its prompt is asked for again, and that ends too."""
    (prompt,) = random_prompts(1, length, ids=256, seed=2000 + seed)
    engine.submit(greedy(prompt, 2)).result()

    def again() -> None:
        for _ in range(2):
            engine.submit(greedy(prompt, 4)).result()

    gap, step = watched(engine, seed, again)
    say(f"{length} tokens ended and began again: step {1000 * step:.0f} ms, longest gap {1000 * gap:.0f}")
    return gap, step


def watched(engine: LocalEngine, seed: int, happens: Callable[[], object]) -> tuple[float, float]:
    """Run streams, and something beside them: the longest gap in any of them then, and their median step before."""
    prompts = random_prompts(STREAMS, 32, ids=256, seed=seed)
    running = [engine.submit(greedy(prompt, engine.info.context - 33)) for prompt in prompts]
    wait(running, CALM_TOKENS)
    begin = time.monotonic()
    happens()
    # The last end is felt, if it is, in the step after it.
    wait(running, 2 + max(len(one.tokens()) for one in running))
    end = time.monotonic()
    for one in running:
        one.cancel()
    for one in running:
        one.result()
    before, during = [], []
    for one in running:
        for earlier, later in itertools.pairwise(event.time for event in one.tokens()):
            if later < begin:
                before.append(later - earlier)
            elif later < end:
                during.append(later - earlier)
    # The first gaps of some streams hold the prefill of others: the median does not mind.
    return max(during), statistics.median(before)


def wait(running: list[LiveGeneration], tokens: int) -> None:
    while min(len(one.tokens()) for one in running) < tokens:
        time.sleep(0.01)
