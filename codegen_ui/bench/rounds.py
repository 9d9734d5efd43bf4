"""Fair comparison: everything takes turns, and medians are compared; where it matters, each in a process of its own.

In one process PyTorch, CTranslate2 and a second use of PyTorch keep a pool of threads each, and GNU's OpenMP puts them
all to sleep at every pause once they outnumber the cores: a contender would be about a third slower than it is alone.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

from codegen_ui.bench.report import say
from codegen_ui.engine.threads import SPIN_VARIABLE, wait_briefly


class Contender(Protocol):
    """Generates greedily, `new_tokens` for each of `streams` prompts at once."""

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        """From the call to the last token; of prompts of another length than usual, where one is given."""
        ...


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


class Apart:
    """Starts a process that makes a contender, and passes calls on to it. A context manager.

    Args:
        make: makes it; a picklable callable.
        ours: whether its threads are to wait as this project sets it, rather than by the library's default.

    Raises whatever `make` raises.
    """

    def __init__(self, make: Callable[[], Contender], *, ours: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=answer, args=(make, theirs), daemon=True)
        with _waiting(ours):
            self._process.start()
        self._reply()

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        self._pipe.send(("seconds", (streams, new_tokens, prompt_tokens)))
        return float(self._reply())

    def ask(self, method: str) -> Any:
        """Call another of the contender's methods."""
        self._pipe.send((method, ()))
        return self._reply()

    def close(self) -> None:
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _reply(self) -> Any:
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def answer(make: Callable[[], Contender], pipe: Connection) -> None:
    """The process: make the contender, then answer calls until the other end closes."""
    try:
        contender = make()
        pipe.send(None)
        while True:
            method, arguments = pipe.recv()
            pipe.send(getattr(contender, method)(*arguments))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 -- raised again by `_reply`
        pipe.send(error)


@contextmanager
def _waiting(ours: bool) -> Iterator[None]:
    """What a process that starts now inherits: our way of waiting, or none."""
    before = os.environ.pop(SPIN_VARIABLE, None)
    try:
        if ours:
            wait_briefly()
        yield
    finally:
        os.environ.pop(SPIN_VARIABLE, None)
        if before is not None:
            os.environ[SPIN_VARIABLE] = before
