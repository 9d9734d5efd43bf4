"""What engines may still take of the memory: several models in one process must not be promised the same bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Promise:
    """Bytes of the main memory that one engine may come to take.

    Args:
        most: all of them.
        taken: tells how many it has by now.
    """

    def __init__(self, most: int, taken: Callable[[], int]) -> None:
        self._most = most
        self._taken = taken
        with _lock:
            _promises.append(self)

    @property
    def open(self) -> int:
        """What it may still take."""
        return max(0, self._most - self._taken())

    def end(self) -> None:
        """The engine is closed. Idempotent."""
        with _lock:
            if self in _promises:
                _promises.remove(self)


_lock = threading.Lock()
_promises: list[Promise] = []


def promised() -> int:
    """Bytes that are free now and promised to engines that run."""
    with _lock:
        return sum(promise.open for promise in _promises)
