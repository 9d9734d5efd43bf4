"""Whose turn it is, and when: how many requests a visitor may have at a time, and how long the queue takes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from statistics import fmean
from weakref import WeakSet

from codegen_ui.errors import Busy
from codegen_ui.generation import EngineStats, Generation
from codegen_ui.observe import Ended, Refused
from codegen_ui.request import person

REMEMBERED = 32
"""Requests whose times tell how long the next ones will take."""
FEWEST = 3
"""With fewer than so many an estimate would be a guess, and none is given."""
MANY_VISITORS = 1000


class Places:
    """How many requests each visitor has, running or waiting. From any thread."""

    def __init__(self, most: int) -> None:
        """`most` of one visitor; 0 is no limit."""
        self.most = most
        self._lock = threading.Lock()
        self._arriving: Counter[str] = Counter()
        # Of what has ended nothing is kept; what runs is kept by its engine.
        self._there: dict[str, WeakSet[Generation]] = {}

    def take(self, visitor: str) -> None:
        """Keep a place for a request that is about to be submitted. Raises `Busy` where the visitor has no more.

        A visitor without a name (a program that uses the library) has any number.
        """
        name = person(visitor)
        if not name or not self.most:
            return
        with self._lock:
            if len(self._there) > MANY_VISITORS:
                self._forget()
            here = sum(not generation.ended for generation in self._there.get(name, ()))
            if here + self._arriving[name] >= self.most:
                raise Busy(
                    self.most,
                    f"You have {self.most} requests running or waiting already, as many as one visitor may have",
                    own=True,
                )
            self._arriving[name] += 1

    def give(self, visitor: str, generation: Generation | None) -> None:
        """The place that was kept is the generation's until it ends; None gives it back."""
        name = person(visitor)
        if not name or not self.most:
            return
        with self._lock:
            self._arriving[name] -= 1
            if not self._arriving[name]:
                del self._arriving[name]
            if generation is not None:
                self._there.setdefault(name, WeakSet()).add(generation)

    def _forget(self) -> None:
        """Under the lock: visitors who have nothing here any more."""
        for name, generations in list(self._there.items()):
            if all(generation.ended for generation in generations):
                del self._there[name]


class Waits:
    """How long requests hold a slot, from those that ended last. A listener of `observe.Reporter`."""

    def __init__(self) -> None:
        self._held: dict[str, deque[float]] = {}

    def ended(self, ended: Ended) -> None:
        figures = ended.snapshot.metrics
        if figures.queue_seconds is not None:
            held = self._held.setdefault(ended.model, deque(maxlen=REMEMBERED))
            held.append(max(0.0, figures.latency_seconds - figures.queue_seconds))

    def refused(self, refused: Refused) -> None:
        """Held no slot."""

    def seconds(self, model: str, position: int, slots: int) -> float | None:
        """About how long whoever is at that place of the queue (1 is next) will wait; None where nobody can tell.

        With all slots taken, one becomes free every `1 / slots` of the time that requests hold one.
        """
        held = list(self._held.get(model, ()))
        if len(held) < FEWEST or slots < 1:
            return None
        return position * fmean(held) / slots

    def before(self, model: str, stats: EngineStats) -> float | None:
        """The same for a request that comes now: nothing where a slot is free when those that wait have theirs."""
        if stats.active + stats.waiting < stats.slots:
            return 0.0
        return self.seconds(model, stats.waiting + 1, stats.slots)
