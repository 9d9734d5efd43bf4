"""Complete prompts with the project's own engine, many at once, and time one stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from statistics import median

import codegen_ui
from codegen_ui.generation import Engine

TIMED_TOKENS = 256
TIMED_ROUNDS = 3


def load(folder: Path, *, lookup: bool = True) -> Engine:
    """The engine on a checkpoint folder, with slots enough to batch an evaluation."""
    return codegen_ui.load(str(folder), dtype="float32", slots=16, max_waiting=64, lookup=lookup)


def complete(engine: Engine, requests: Iterable[codegen_ui.GenerationRequest], at_once: int = 48) -> list[str]:
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
        request = codegen_ui.GenerationRequest(prompt, max_new_tokens=TIMED_TOKENS, temperature=0, stop_at="length")
        speeds.append(engine.submit(request).result().metrics.decode_tokens_per_second or 0.0)
    return median(speeds)
