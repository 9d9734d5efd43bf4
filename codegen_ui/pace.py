"""How fast tokens came, worked out from their times, which are ascending `time.monotonic()` seconds."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, deque
from collections.abc import Sequence

RECENT_SECONDS = 1.0
HISTORY_POINTS = 120
STEPS_SHOWN_SECONDS = 1.0
"""A run that is shorter is plotted by its steps."""


class RollingRate:
    """Events per second over the last `window` seconds, for the whole box."""

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._events: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def add(self, now: float, count: int) -> None:
        with self._lock:
            self._events.append((now, count))
            self._forget(now)

    def rate(self, now: float) -> float:
        with self._lock:
            self._forget(now)
            return sum(count for _, count in self._events) / self._window

    def _forget(self, now: float) -> None:
        while self._events and self._events[0][0] <= now - self._window:
            self._events.popleft()


def step_gaps(times: Sequence[float]) -> list[float]:
    """Seconds between successive tokens, where those of one step, which share a time, count as one."""
    return [after - before for before, after in itertools.pairwise(dict.fromkeys(times))]


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The `share` quantile of ascending values, linear between ranks (numpy's default); None without values."""
    if not ordered:
        return None
    rank = share * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def rate_at(times: Sequence[float], now: float) -> float:
    """Tokens per second over the `RECENT_SECONDS` before `now`, or since the first token where that is shorter."""
    if not times:
        return 0.0
    recent = sum(1 for time in times if time > now - RECENT_SECONDS)
    return recent / RECENT_SECONDS if now - times[0] >= RECENT_SECONDS else recent / max(now - times[0], 0.1)


def rate_history(times: Sequence[float], arrival: float, now: float) -> tuple[tuple[float, float], ...]:
    """At most `HISTORY_POINTS` points from the first token to `now`: (seconds since arrival, tokens/s).

    Each is the mean of an equal bucket; where buckets would be too few to show anything, that of a step or a few.
    """
    if len(times) < 2:
        return ()
    span = max(now, times[-1]) - times[0]
    if span < STEPS_SHOWN_SECONDS and times[-1] > times[0]:
        return step_history(times, arrival)
    buckets = max(2, min(HISTORY_POINTS, int(span / 0.25)))
    width = span / buckets
    if width <= 0:
        return ()
    counts = [0] * buckets
    for time in times:
        counts[min(int((time - times[0]) / width), buckets - 1)] += 1
    start = times[0] - arrival
    return tuple((start + (i + 1) * width, count / width) for i, count in enumerate(counts))


def step_history(times: Sequence[float], arrival: float) -> tuple[tuple[float, float], ...]:
    """The rate of each step after the first, or of a few where they are closer than can be drawn: as `rate_history`."""
    least = (times[-1] - times[0]) / HISTORY_POINTS
    points: list[tuple[float, float]] = []
    begin, count = times[0], 0
    for time, tokens in list(Counter(times).items())[1:]:
        count += tokens
        if time - begin >= least:
            points.append((time - arrival, count / (time - begin)))
            begin, count = time, 0
    return tuple(points)
