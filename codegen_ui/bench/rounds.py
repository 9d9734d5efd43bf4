"""Fair comparison: everything takes turns, and medians are compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

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
