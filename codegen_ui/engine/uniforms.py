"""The random numbers behind sampled tokens. No torch in here."""

from __future__ import annotations

import random


class UniformStream:
    """One uniform number in [0, 1) per output position, the same for the same (seed, sample_index) on any device.

    Python's Mersenne Twister: its `random()` is documented to stay the same across versions.
    """

    def __init__(self, seed: int, sample_index: int) -> None:
        self._random = random.Random(f"{seed}/{sample_index}")
        self._values: list[float] = []

    def __getitem__(self, position: int) -> float:
        while len(self._values) <= position:
            self._values.append(self._random.random())
        return self._values[position]
