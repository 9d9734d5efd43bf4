"""`lookup`: what prompt-lookup drafts gain on the saved examples.

The bundled checkpoint writes the completions, with drafts and without. Its steps are so short that other costs show, so
the same completions are also replayed at the step costs of the 350M shape, measured here: greedy output is fixed, so
which drafts are right is known.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import codegen_ui
from codegen_ui.bench.checkpoint import BenchModel, bench_model
from codegen_ui.bench.contenders import load, load_weights
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import medians, take_turns
from codegen_ui.engine.engine import LocalEngine
from codegen_ui.engine.lookup import MAX_DRAFT, DraftBudget, Lookup
from codegen_ui.gallery import load_gallery
from codegen_ui.request import GenerationRequest

EXAMPLES = Path(codegen_ui.__file__).parent.parent / "examples"
REPEATED_STEPS = 15
POSITION = 200


@dataclass(frozen=True)
class Replay:
    """A completion made again at given step costs."""

    tokens: int
    steps: int
    drafted: int
    accepted: int
    seconds: float


def run(options: argparse.Namespace, report: Report) -> None:
    writer = bench_model(options.writer)
    requests = gallery_requests(options.examples)
    off, on = load(writer, slots=1), load(writer, slots=1, lookup=True)
    outputs = [(r.prompt_token_ids, r.token_ids) for r in (off.submit(clipped(off, q)).result() for q in requests)]
    measured = medians(
        take_turns(
            {
                "lookup off": lambda: speed(off, requests),
                "lookup on": lambda: speed(on, requests),
            },
            options.rounds,
        )
    )
    costs = step_costs(bench_model(options.model), options.quantize[-1], options.rounds)
    with_drafts = [replay(prompt, output, costs) for prompt, output in outputs]
    without = sum(len(output) - 1 for _, output in outputs) * costs[0]
    seconds = sum(one.seconds for one in with_drafts)
    tokens, steps = sum(one.tokens for one in with_drafts), sum(one.steps for one in with_drafts)
    worst = replay_refused(costs, 64)
    report.table(
        f"Cost of a step in the {options.model} shape, {options.quantize[-1]}",
        ["rows", *map(str, range(1, len(costs) + 1))],
        [["ms", *(f"{1000 * cost:.1f}" for cost in costs)]],
    )
    report.table(
        f"{len(requests)} examples by {writer.name}, greedy: {tokens + len(outputs)} tokens",
        ["", "lookup off", "lookup on"],
        [
            ["tokens per step", 1.0, tokens / steps],
            ["decode seconds at the step costs above", without, seconds],
            [f"tokens/s measured with {writer.name}", measured["lookup off"], measured["lookup on"]],
        ],
    )
    report.figures |= {
        "step_cost_ms": [round(1000 * cost, 2) for cost in costs],
        "tokens_per_step": tokens / steps,
        "drafted": sum(one.drafted for one in with_drafts),
        "accepted": sum(one.accepted for one in with_drafts),
        "measured_on_over_off": measured["lookup on"] / measured["lookup off"],
        "slowdown_if_all_refused": worst,
    }
    report.ratios["lookup_on_over_off"] = without / seconds
    off.close()
    on.close()


def gallery_requests(folder: Path) -> list[GenerationRequest]:
    """The saved examples, greedy."""
    examples = load_gallery(folder)
    return [GenerationRequest(one.prompt, **(dict(one.settings) | {"temperature": 0})) for one in examples]


def clipped(engine: LocalEngine, request: GenerationRequest) -> GenerationRequest:
    """The request within the writer's context."""
    length = min(request.max_length, engine.info.context)
    return GenerationRequest(
        request.prompt, max_length=length, temperature=0, stop=request.stop, stop_at=request.stop_at
    )


def speed(engine: LocalEngine, requests: Sequence[GenerationRequest]) -> float:
    begin = time.perf_counter()
    tokens = sum(len(engine.submit(clipped(engine, request)).result().token_ids) for request in requests)
    return tokens / (time.perf_counter() - begin)


def step_costs(model: BenchModel, quantize: str, rounds: int) -> list[float]:
    """Median seconds of a step over 1, 2, ... rows of one stream, from position 200 on."""
    from codegen_ui.engine.model import Segment

    weights = load_weights(model, quantize)
    cache = weights.new_cache(1)
    start = min(POSITION, cache.length // 2)
    weights.step([Segment(0, 0, [0] * start, 1)], cache)

    def seconds(rows: int) -> float:
        begin = time.perf_counter()
        weights.step([Segment(0, start, [0] * rows, rows)], cache).argmax(-1).tolist()
        return time.perf_counter() - begin

    times = [[seconds(rows) for rows in range(1, MAX_DRAFT + 2)] for _ in range(max(rounds, REPEATED_STEPS))]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def replay(prompt: Sequence[int], output: Sequence[int], costs: Sequence[float]) -> Replay:
    """Decode `output` after its first token, which the prefill gave, with the engine's own drafts and budget."""
    lookup, budget = Lookup(), DraftBudget()
    lookup.extend([*prompt, output[0]])
    done, steps, drafted, accepted, elapsed = 1, 0, 0, 0, 0.0
    while done < len(output):
        draft = lookup.draft(min(MAX_DRAFT, len(output) - done - 1))
        draft = draft[: budget.length(costs[: len(draft) + 1])]
        right = 0
        while right < len(draft) and draft[right] == output[done + right]:
            right += 1
        cost = costs[len(draft)]
        budget.observe(len(draft), right, cost, costs[0])
        lookup.extend(output[done : done + right + 1])
        done, steps, elapsed = done + right + 1, steps + 1, elapsed + cost
        drafted, accepted = drafted + len(draft), accepted + right
    return Replay(len(output) - 1, steps, drafted, accepted, elapsed)


def replay_refused(costs: Sequence[float], tokens: int) -> float:
    """How much slower `tokens` tokens are where every draft is wrong: 1 is not at all."""
    budget, elapsed = DraftBudget(), 0.0
    for _ in range(tokens):
        drafts = budget.length(costs)
        budget.observe(drafts, 0, costs[drafts], costs[0])
        elapsed += costs[drafts]
    return elapsed / (tokens * costs[0])
