"""Measure a checkpoint: `python -m codegen_ui.bundled.evaluate`. The last line of output is one JSON object.

Prompts are completed with the project's own engine, many at once. Generated programs run only here, each in a sandbox
(see sandbox.py).
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

import codegen_ui
from codegen_ui import Engine, GenerationRequest
from codegen_ui.bundled import CHECKPOINT_DIR, DEFAULT_WORK
from codegen_ui.bundled.compression import PARTS, compression
from codegen_ui.bundled.sandbox import Outcome, network_namespace, run_program
from codegen_ui.bundled.store import read_documents
from codegen_ui.bundled.suite import (
    Opening,
    SuiteTask,
    as_program,
    load_first_things,
    load_suite,
    loops,
    report_overlap,
)
from codegen_ui.gallery import Example, load_gallery

SAMPLE_TEMPERATURE = 0.8
NEW_TOKENS = 256
TIMED_TOKENS = 256
TIMED_ROUNDS = 3


def load(folder: Path, *, lookup: bool = True) -> Engine:
    """The engine on a checkpoint folder, with slots enough to batch an evaluation."""
    return codegen_ui.load(str(folder), dtype="float32", slots=16, max_waiting=64, lookup=lookup)


def complete(engine: Engine, requests: Iterable[GenerationRequest], at_once: int = 48) -> list[str]:
    """The completions' texts, in order. Raises the `PlaygroundError` of the first that failed."""
    waiting = iter(requests)
    texts: list[str] = []
    while group := list(islice(waiting, at_once)):
        texts += [generation.result().text for generation in [engine.submit(request) for request in group]]
    return texts


def tokens_per_second(engine: Engine, prompts: Sequence[str]) -> float:
    """Decode speed of one stream, greedy, a fixed number of tokens: the median over the prompts, each thrice.

    The engine is to be without lookup, which would draft the second time what it saw the first.
    """
    speeds = []
    for prompt in [*prompts] * TIMED_ROUNDS:
        request = GenerationRequest(prompt, max_new_tokens=TIMED_TOKENS, temperature=0, stop_at="length")
        speeds.append(engine.submit(request).result().metrics.decode_tokens_per_second or 0.0)
    return median(speeds)


def parses(text: str) -> bool:
    """Whether it is a whole Python program."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def gallery_rates(engine: Engine, folder: Path, seeds: int = 4) -> dict[str, float]:
    """Of the gallery's completions, the share that parse, and of those whose example has checks the share that pass.

    Each example is completed with its own settings, and for parsing with the paper's under several seeds, too. English
    in front of code is, to the model, the inside of a docstring that began before it.
    """
    examples = load_gallery(folder)
    if not examples:
        raise ValueError(f"no examples in {folder}")
    pairs: list[tuple[Example, dict[str, Any]]] = [(example, dict(example.settings)) for example in examples]
    pairs += [
        (example, {**example.settings, "temperature": 0.2, "top_p": 0.95, "seed": seed})
        for example in examples
        for seed in range(seeds)
    ]
    texts = complete(engine, (GenerationRequest(example.prompt, **settings) for example, settings in pairs))
    programs = [as_program(example.prompt, text) for (example, _), text in zip(pairs, texts, strict=True)]
    for (example, settings), program in zip(pairs, programs, strict=True):
        if not parses(program):
            print(f"does not parse: {example.title}, {settings}")
    checked = [
        (example.title, program + "\n" + "\n".join(map(asserted, example.checks)))
        for example, program in zip(examples, programs, strict=False)
        if example.checks
    ]
    outcomes = run_all([program for _, program in checked])
    for (title, _), outcome in zip(checked, outcomes, strict=True):
        print(f"{'pass' if outcome.passed else 'FAIL'} gallery: {title}: {outcome.reason}")
    figures = {"gallery_parse_rate": share(map(parses, programs))}
    return figures | ({"gallery_checks_pass": share(o.passed for o in outcomes)} if checked else {})


def asserted(check: str) -> str:
    """A check of the gallery as statements: it ends in an expression, which must be true."""
    *before, last = ast.parse(check).body
    if not isinstance(last, ast.Expr):
        raise ValueError(f"no expression at the end of {check!r}")
    return "\n".join(ast.unparse(node) for node in [*before, ast.Assert(test=last.value)])


def run_all(programs: list[str]) -> list[Outcome]:
    """Run every program, two at a time."""
    prefix = network_namespace()
    if not prefix:
        print("no network namespace to be had here: sockets are refused inside the process only")

    def run(source: str) -> Outcome:
        return run_program(source, prefix=prefix, imports="import numpy" if "import numpy" in source else "")

    with ThreadPoolExecutor(2) as pool:
        return list(tqdm(pool.map(run, programs), total=len(programs), desc="programs"))


def pass_rates(engine: Engine, tasks: list[SuiteTask], samples: int, show: bool) -> dict[str, float]:
    """pass@1 greedy on both splits, and on the main one the share of tasks that one of `samples` solves."""
    greedy = complete(engine, [GenerationRequest(t.prompt, max_new_tokens=NEW_TOKENS, temperature=0) for t in tasks])
    outcomes = run_all([task.program(text) for task, text in zip(tasks, greedy, strict=True)])
    for task, text, outcome in zip(tasks, greedy, outcomes, strict=True):
        split = " (held out)" if task.held_out else ""
        print(f"{'pass' if outcome.passed else 'FAIL'} {task.name}{split}: {outcome.reason}")
        if show and not outcome.passed:
            print(task.prompt + text)
    figures = {
        "pass_at_1": share(o.passed for o, t in zip(outcomes, tasks, strict=True) if not t.held_out),
        "pass_at_1_heldout": share(o.passed for o, t in zip(outcomes, tasks, strict=True) if t.held_out),
    }
    if not samples:
        return figures
    main = [task for task in tasks if not task.held_out]
    many = [task for task in main for _ in range(samples)]
    requests = [
        GenerationRequest(
            task.prompt, max_new_tokens=NEW_TOKENS, temperature=SAMPLE_TEMPERATURE, top_p=0.95, seed=index % samples
        )
        for index, task in enumerate(many)
    ]
    texts = complete(engine, requests)
    sampled = run_all([task.program(text) for task, text in zip(many, texts, strict=True)])
    solved = [any(o.passed for o in sampled[i * samples : (i + 1) * samples]) for i in range(len(main))]
    return figures | {
        f"pass_at_{samples}": share(solved),
        "pass_at_1_sampled": share(o.passed for o in sampled),
    }


def first_things(engine: Engine, openings: list[Opening], show: bool) -> dict[str, float]:
    """Share of openings whose greedy completion does what it should, and of those that end in a loop."""
    requests = [GenerationRequest(o.prompt, max_new_tokens=NEW_TOKENS, temperature=0) for o in openings]
    texts = complete(engine, requests)
    outcomes = run_all([opening.program(text) for opening, text in zip(openings, texts, strict=True)])
    for opening, text, outcome in zip(openings, texts, outcomes, strict=True):
        loop = " (loops)" if loops(text) else ""
        print(f"{'pass' if outcome.passed else 'FAIL'} first: {opening.name}{loop}: {outcome.reason}")
        if show and (loop or not outcome.passed):
            print(opening.prompt + text)
    return {"first_things_pass": share(o.passed for o in outcomes), "loop_rate": share(loops(text) for text in texts)}


def share(values: Any) -> float:
    """The fraction of true values."""
    every = [bool(value) for value in values]
    return sum(every) / len(every)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT_DIR)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="where the corpus is, to report overlap with")
    parser.add_argument("--quick", action="store_true", help="greedy completions only: no bits per byte, no samples")
    parser.add_argument("--examples", type=Path, default=Path("examples"), help="the gallery's folder")
    parser.add_argument("--samples", type=int, default=10, help="samples a task; pass@10 needs ten")
    parser.add_argument("--show", action="store_true", help="print the completions that failed")
    parser.add_argument("--out", type=Path, help="also write the figures to this file, for the model card")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    tasks, openings = load_suite(), load_first_things()
    figures: dict[str, float] = {}
    if options.quick:
        options.samples = 0
    elif (options.work / "textbook.train.jsonl").exists():
        texts = [text for part in PARTS for text in read_documents(options.work / f"{part}.train.jsonl")]
        report_overlap(texts, tasks, openings, [example.prompt for example in load_gallery(options.examples)])
    else:
        print(f"no corpus in {options.work}: overlap with it is not reported")
    if not options.quick:
        figures |= compression(options.checkpoint)
        plain = load(options.checkpoint, lookup=False)
        try:
            figures["tokens_per_second"] = tokens_per_second(plain, [task.prompt for task in tasks[:5]])
        finally:
            plain.close()
    engine = load(options.checkpoint)
    try:
        figures |= gallery_rates(engine, options.examples)
        figures |= first_things(engine, openings, options.show)
        figures |= pass_rates(engine, tasks, options.samples, options.show)
    finally:
        engine.close()
    figures = {key: round(value, 4) for key, value in figures.items()}
    for key, value in figures.items():
        print(f"{key:32} {value:10.4f}")
    print(f"measured in {time.monotonic() - began:.0f} s")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
