"""`lookup`: what prompt-lookup drafts gain on the saved examples.

The bundled checkpoint writes the completions, with drafts and without. Its steps are so short that other costs show, so
the same completions are also replayed at the step costs of the 350M shape, measured here: greedy output is fixed, so
which drafts are right is known. The ratio is of an engine that has just started, drafts from its store of common code,
and meets every example for the first time; beside it stand what the prompt and the output alone would give, and how
much faster a second click is.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from codegen_ui.bench.contenders import BenchModel, bench_model, load, load_weights
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import medians, take_turns
from codegen_ui.bundled.common_code import common_code
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.speculation.lookup import (
    MAX_DRAFT,
    MAX_MATCH,
    AcceptanceRates,
    DraftBudget,
    EarlierTexts,
    Lookup,
)
from codegen_ui.gallery import load_gallery
from codegen_ui.request import GenerationRequest

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
    memory, rates = EarlierTexts(map(off.encode, common_code())), AcceptanceRates()
    first, again = (total(replay(*one, costs, memory, rates) for one in outputs) for _ in range(2))
    alone = total(replay(*one, costs, None, AcceptanceRates()) for one in outputs)
    without = first.tokens * costs[0]
    worst = replay_refused(costs, 64)
    report.table(
        f"Cost of a step in the {options.model} shape, {options.quantize[-1]}",
        ["rows", *map(str, range(1, len(costs) + 1))],
        [["ms", *(f"{1000 * cost:.1f}" for cost in costs)]],
    )
    report.table(
        f"{len(requests)} examples by {writer.name}, greedy, {first.tokens} tokens, at the step costs above",
        ["", "lookup off", "own text only", "on, first click", "on, second click"],
        [
            ["tokens per step", 1.0, *(one.tokens / one.steps for one in (alone, first, again))],
            ["decode seconds", without, *(one.seconds for one in (alone, first, again))],
            ["drafted", 0, alone.drafted, first.drafted, again.drafted],
            ["accepted", 0, alone.accepted, first.accepted, again.accepted],
        ],
    )
    report.table(
        f"Tokens/s measured with {writer.name}, examples clicked again and again",
        ["lookup off", "lookup on"],
        [[measured["lookup off"], measured["lookup on"]]],
    )
    report.figures |= {
        "step_cost_ms": [round(1000 * cost, 2) for cost in costs],
        "tokens_per_step": first.tokens / first.steps,
        "drafted": first.drafted,
        "accepted": first.accepted,
        "own_text_only_over_off": without / alone.seconds,
        "second_click_over_off": without / again.seconds,
        "measured_on_over_off": measured["lookup on"] / measured["lookup off"],
        "slowdown_if_all_refused": worst,
    }
    report.ratios["lookup_on_over_off"] = without / first.seconds
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
    from codegen_ui.engine.model.decoder import Segment

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


def replay(
    prompt: Sequence[int],
    output: Sequence[int],
    costs: Sequence[float],
    memory: EarlierTexts | None,
    rates: AcceptanceRates,
) -> Replay:
    """Decode `output` after its first token, which the prefill gave, with the engine's own drafts and budget."""
    lookup, budget = Lookup(memory), DraftBudget(rates)
    lookup.extend([*prompt, output[0]])
    done, steps, drafted, accepted, elapsed = 1, 0, 0, 0, 0.0
    while done < len(output):
        found = lookup.draft(min(MAX_DRAFT, len(output) - done - 1))
        draft = found.tokens[: budget.length(found.match, costs[: len(found.tokens) + 1])]
        right = 0
        while right < len(draft) and draft[right] == output[done + right]:
            right += 1
        cost = costs[len(draft)]
        budget.observe(found.match, len(draft), right, cost, costs[0])
        lookup.extend(output[done : done + right + 1])
        done, steps, elapsed = done + right + 1, steps + 1, elapsed + cost
        drafted, accepted = drafted + len(draft), accepted + right
    if memory is not None:
        memory.add([*prompt, *output])
    return Replay(len(output) - 1, steps, drafted, accepted, elapsed)


def total(replays: Iterable[Replay]) -> Replay:
    columns = zip(*(astuple(one) for one in replays), strict=True)
    return Replay(*map(sum, columns))


def replay_refused(costs: Sequence[float], tokens: int) -> float:
    """How much slower `tokens` tokens are where every draft is wrong: 1 is not at all."""
    budget, elapsed = DraftBudget(AcceptanceRates()), 0.0
    for _ in range(tokens):
        drafts = budget.length(MAX_MATCH, costs)
        budget.observe(MAX_MATCH, drafts, 0, costs[drafts], costs[0])
        elapsed += costs[drafts]
    return elapsed / (tokens * costs[0])
