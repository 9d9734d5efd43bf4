"""`prefix`: what the prefix cache saves, and what a long prompt that joins costs the others."""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

from codegen_ui.bench.checkpoint import bench_model
from codegen_ui.bench.contenders import greedy, load, random_prompts
from codegen_ui.bench.report import Report, say
from codegen_ui.engine.generation import LiveGeneration
from codegen_ui.engine.host import LocalEngine

STREAMS = 7
CALM_TOKENS = 24


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    with load(model, quantize=options.quantize[-1], slots=STREAMS + 1, prefix_cache_mb=1024) as engine:
        cached, cold = cached_and_cold(engine, options.rounds, options.shared)
    with load(model, quantize=options.quantize[-1], slots=STREAMS + 1) as engine:
        stalls = [join(engine, options.joining, seed) for seed in range(options.rounds)]
    stall, step = (statistics.median(values) for values in zip(*stalls, strict=True))
    ratio = statistics.median(stall / step for stall, step in stalls)
    report.table(
        f"{model.name}, {options.quantize[-1]}: medians of {options.rounds}",
        ["", "ms"],
        [
            [f"TTFT of a new prompt of {options.shared} tokens", 1000 * cold],
            ["TTFT of the same prompt again", 1000 * cached],
            [f"step of {STREAMS} streams", 1000 * step],
            [f"longest gap in any of them while {options.joining} tokens join", 1000 * stall],
        ],
    )
    report.figures |= {"ttft_cold_ms": 1000 * cold, "ttft_cached_ms": 1000 * cached}
    report.figures |= {"step_ms": 1000 * step, "longest_gap_ms": 1000 * stall}
    report.ratios |= {"ttft_cached_over_cold": cached / cold, "join_stall_over_step": ratio}


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
    """Longest gap between tokens of running streams while a prompt of `length` joins, and their median step before."""
    prompts = random_prompts(STREAMS, 32, ids=256, seed=seed)
    room = engine.info.context - 33
    running = [engine.submit(greedy(prompt, room)) for prompt in prompts]
    wait(running, CALM_TOKENS)
    arrival = time.monotonic()
    (joining,) = random_prompts(1, length, ids=256, seed=1000 + seed)
    joined = engine.submit(greedy(joining, 2)).result()
    end = time.monotonic()
    for one in running:
        one.cancel()
    for one in running:
        one.result()
    before, during = [], []
    for one in running:
        for earlier, later in itertools.pairwise(event.time for event in one.tokens()):
            if later < arrival:
                before.append(later - earlier)
            elif later < end:
                during.append(later - earlier)
    # The first gaps of some streams hold the prefill of others: the median does not mind.
    step = statistics.median(before)
    say(
        f"{len(joined.prompt_token_ids)} tokens joined: step {1000 * step:.0f} ms, longest gap {1000 * max(during):.0f}"
    )
    return max(during), step


def wait(running: list[LiveGeneration], tokens: int) -> None:
    while min(len(one.tokens()) for one in running) < tokens:
        time.sleep(0.01)
