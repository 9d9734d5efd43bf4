"""Fair comparison: everything takes turns, and medians are compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from codegen_ui.bench.contenders import Contender
from codegen_ui.bench.report import say


def take_turns(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run every case once to warm up, then `rounds` times in turn; the figures by case."""
    results: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(-1, rounds):
        for name, run in cases.items():
            figure = run()
            say(f"{'warm-up' if number < 0 else f'round {number + 1} of {rounds}'}: {name}: {figure:.3g}")
            if number >= 0:
                results[name].append(figure)
    return results


def medians(results: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(figures) for name, figures in results.items()}


def spread(figures: list[float]) -> str:
    return f"{min(figures):.3g} to {max(figures):.3g}"


@dataclass(frozen=True)
class Rates:
    """Output tokens a second of one contender with one number of streams, a figure for each round.

    Attributes:
        decode: tokens after each stream's first, over the time of a whole run less that of a run of one token.
        whole: all tokens over the time of a whole run, prefill included.
    """

    decode: list[float]
    whole: list[float]

    @property
    def text(self) -> str:
        return f"{statistics.median(self.decode):.1f} ({spread(self.decode)})"


def measure(
    contenders: Mapping[str, Contender],
    streams: Sequence[int],
    new_tokens: int,
    rounds: int,
    prompt_tokens: int | None = None,
) -> dict[tuple[str, int], Rates]:
    """Every contender with every number of streams, a run of one token and one of `new_tokens` each round.

    `prompt_tokens`: of each prompt, where it is not the contenders' own length.
    """
    cases = {
        f"{name}, {count} streams, {new} new, seconds": partial(one.seconds, count, new, prompt_tokens)
        for name, one in contenders.items()
        for count in streams
        for new in (1, new_tokens)
    }
    seconds = take_turns(cases, rounds)
    rates = {}
    for name in contenders:
        for count in streams:
            first = seconds[f"{name}, {count} streams, 1 new, seconds"]
            whole = seconds[f"{name}, {count} streams, {new_tokens} new, seconds"]
            rates[name, count] = Rates(
                [count * (new_tokens - 1) / (b - a) for a, b in zip(first, whole, strict=True)],
                [count * new_tokens / b for b in whole],
            )
    return rates


def median_rates(rates: Mapping[tuple[str, int], Rates]) -> dict[str, dict[str, float]]:
    """Both medians by "name, streams", for the JSON line."""
    return {
        f"{name}, {count}": {"decode": statistics.median(one.decode), "whole": statistics.median(one.whole)}
        for (name, count), one in rates.items()
    }
