"""`invariance`: whether a completion is the same whoever else is served.

Each of some hundred requests runs alone first, in an engine of one slot without prefix cache and lookup. Then 64
visitors send the same requests in any order for a minute, to an engine with both, and every fifth leaves early. Prompts
are beginnings of this project's own files, so that many share a prefix; half are greedy, half drawn by a seed. What
is compared is every token of every completion, of those that left early as far as they came.
"""

from __future__ import annotations

import argparse
import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import codegen_ui
from codegen_ui.bench.contenders import bench_model, load
from codegen_ui.bench.report import Report, say
from codegen_ui.engine.host import LocalEngine
from codegen_ui.request import GenerationRequest

LONGEST_PROMPT, LONGEST_COMPLETION = 600, 96
LEAVING = 0.2
NAMES = {"none": "float32", "int8": "int8"}


@dataclass
class Tally:
    """What visitors found. Filled by their threads, under its lock.

    Attributes:
        finished, left: completions compared to their end, and up to where the visitor left.
        differing: of both, those with another token than alone.
        tokens: compared.
    """

    finished: int = 0
    left: int = 0
    differing: int = 0
    tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, tokens: Sequence[int], alone: Sequence[int], *, left: bool) -> None:
        same = tuple(tokens) == tuple(alone[: len(tokens)] if left else alone)
        with self.lock:
            self.finished += not left
            self.left += left
            self.differing += not same
            self.tokens += len(tokens)


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    tallies = {}
    for quantize in options.quantize:
        with load(model, quantize=quantize, slots=1) as engine:
            requests = make_requests(engine, options.requests)
            say(f"{NAMES[quantize]}: {len(requests)} requests, each alone")
            alone = [engine.submit(request).result().token_ids for request in requests]
        with load(model, quantize=quantize, lookup=True, prefix_cache_mb=256) as engine:
            say(f"{NAMES[quantize]}: {options.visitors} visitors for {options.seconds} s")
            tallies[quantize] = crowd(engine, requests, alone, options.visitors, options.seconds)
            stats, info = engine.stats(), engine.info
        report.figures[NAMES[quantize]] = {
            "slots": info.slots,
            "batch_invariant": info.batch_invariant,
            "prefix_hits": stats.prefix_cache_hits,
            "accepted_drafts": stats.accepted_tokens,
            "tokens_per_second": tallies[quantize].tokens / options.seconds,
        }
    report.table(
        f"{model.name}: {options.visitors} visitors for {options.seconds} s against each request alone",
        ["", "completions", "left early", "tokens compared", "differing"],
        [[NAMES[q], t.finished, t.left, t.tokens, t.differing] for q, t in tallies.items()],
    )
    for quantize, tally in tallies.items():
        report.ratios[f"{NAMES[quantize]}_completions"] = tally.finished
        report.ratios[f"{NAMES[quantize]}_differing"] = tally.differing


def make_requests(engine: LocalEngine, count: int) -> list[GenerationRequest]:
    """Requests of mixed lengths, the same ones at every call."""
    source = random.Random(1)
    package = Path(codegen_ui.__file__).parent
    files = sorted((package / "engine").rglob("*.py")) + sorted((package / "bench").glob("*.py"))
    texts = [ids for path in files if len(ids := engine.encode(path.read_text("utf-8"))) > 1]
    limit = engine.info.context - LONGEST_COMPLETION - 1
    requests = []
    for number in range(count):
        text = source.choice(texts)
        length = min(len(text), limit, int(4 * (LONGEST_PROMPT / 4) ** source.random()))
        greedy = number % 2 == 0
        requests.append(
            GenerationRequest(
                tuple(text[:length]),
                max_new_tokens=source.randint(4, LONGEST_COMPLETION),
                temperature=0.0 if greedy else 0.8,
                seed=number,
                stop_at=source.choice(("length", "eos", "function")),
            )
        )
    return requests


def crowd(
    engine: LocalEngine,
    requests: Sequence[GenerationRequest],
    alone: Sequence[Sequence[int]],
    visitors: int,
    seconds: float,
) -> Tally:
    """Visitors, each a thread that sends one request after another, until the time is over."""
    tally, end = Tally(), time.monotonic() + seconds
    faults: list[Exception] = []

    def visit(number: int) -> None:
        source = random.Random(number)
        try:
            while time.monotonic() < end:
                index = source.randrange(len(requests))
                leave = source.randint(1, 30) if source.random() < LEAVING else None
                tokens, left = follow(engine, requests[index], leave)
                tally.add(tokens, alone[index], left=left)
        except Exception as error:  # noqa: BLE001 -- raised again below
            faults.append(error)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return tally


def follow(engine: LocalEngine, request: GenerationRequest, leave: int | None) -> tuple[Sequence[int], bool]:
    """The tokens of a completion, and whether its visitor left: after `leave` pieces of text, where that is given."""
    generation = engine.submit(request)
    if leave is not None:
        for _ in itertools.islice(generation, leave):
            pass
        generation.cancel()
    result = generation.result()
    return result.token_ids, result.finish_reason.value == "cancelled"
