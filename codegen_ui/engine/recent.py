"""The engine's last steps, for a picture of it: its thread writes, any thread reads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from codegen_ui.generation import Cell, Step

KEPT = 600
"""Steps: half a minute or so on a CPU, and about 300 kB with 8 streams."""


class RecentSteps:
    """A ring of steps; the oldest are forgotten."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = threading.Lock()
        self._steps: deque[Step] = deque(maxlen=kept)
        self._count = 0

    def add(self, ended: float, seconds: float, cells: Sequence[Cell]) -> None:
        with self._lock:
            self._steps.append(Step(self._count, ended, seconds, tuple(cells)))
            self._count += 1

    def since(self, number: int) -> tuple[Step, ...]:
        """Those that are kept, from this number on."""
        with self._lock:
            first = self._count - len(self._steps)
            return tuple(islice(self._steps, max(0, number - first), None))
