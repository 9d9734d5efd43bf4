"""What an engine did in its last steps, for a picture of it: its thread writes, any thread reads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

KEPT = 600
"""Steps: half a minute or so on a CPU, and about 300 kB with 8 streams."""


@dataclass(frozen=True)
class Cell:
    """What one step did for one generation; nobody's text is in it.

    Attributes:
        slot: of the KV cache.
        generation: whose it is, by its id; for telling a visitor which are his own.
        prefill: prompt tokens computed; 0 in a step of decoding.
        decoded: tokens that the completion gained.
        accepted: those of them that were drafted and that the model confirmed.
    """

    slot: int
    generation: str
    prefill: int = 0
    decoded: int = 0
    accepted: int = 0


@dataclass(frozen=True)
class Step:
    """One step of an engine. `ended` is in `time.monotonic()` seconds; steps are numbered from 0."""

    number: int
    ended: float
    seconds: float
    cells: tuple[Cell, ...]


class RecentSteps:
    """A ring of steps; the oldest are forgotten."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = threading.Lock()
        # Under it: everything below.
        self._steps: deque[Step] = deque(maxlen=kept)
        self._count = 0
        self._watchers: list[Callable[[], None]] = []

    def add(self, ended: float, seconds: float, cells: Sequence[Cell]) -> None:
        with self._lock:
            self._steps.append(Step(self._count, ended, seconds, tuple(cells)))
            self._count += 1
            watchers = tuple(self._watchers)
        for on_step in watchers:
            on_step()

    def since(self, number: int = 0) -> tuple[Step, ...]:
        """Those that are kept, from this number on."""
        with self._lock:
            first = self._count - len(self._steps)
            return tuple(islice(self._steps, max(0, number - first), None))

    @contextmanager
    def watching(self, on_step: Callable[[], None]) -> Iterator[None]:
        """While it lasts, `on_step` is called after each, from the engine's thread: it returns at once, raises
        nothing, and needs no lock."""
        with self._lock:
            self._watchers.append(on_step)
        try:
            yield
        finally:
            with self._lock:
                self._watchers.remove(on_step)
