"""A byte n-gram model: the floor that a trained network must clear.

Interpolated Witten-Bell smoothing (Chen and Goodman 1999, section 2.6): each order trusts its own counts by how often
a context was seen against how many different bytes followed it, and hands the rest to the next shorter context.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable


class ByteNgram:
    """Counts of every context up to `order - 1` bytes."""

    def __init__(self, order: int = 6) -> None:
        if order < 1:
            raise ValueError(f"order {order} must be at least 1")
        self.order = order
        self._counts: list[Counter[bytes]] = [Counter() for _ in range(order + 1)]
        self._kinds: list[Counter[bytes]] = [Counter() for _ in range(order)]

    def train(self, texts: Iterable[bytes]) -> None:
        """Count; may be called again with more."""
        for text in texts:
            for length in range(1, self.order + 1):
                counts = self._counts[length]
                counts.update(text[i : i + length] for i in range(len(text) - length + 1))
        totals: list[Counter[bytes]] = [Counter() for _ in range(self.order)]
        for length in range(1, self.order + 1):
            for gram, count in self._counts[length].items():
                self._kinds[length - 1][gram[:-1]] += 1
                totals[length - 1][gram[:-1]] += count
        self._totals = totals

    def probability(self, context: bytes, byte: int) -> float:
        """Of `byte` after the last bytes of `context`; over all 256 bytes it sums to 1."""
        result = 1 / 256
        for length in range(min(self.order - 1, len(context)) + 1):
            seen = context[len(context) - length :]
            kinds = self._kinds[length][seen]
            if not kinds:
                break
            total = self._totals[length][seen]
            count = self._counts[length + 1][seen + bytes([byte])]
            result = (count + kinds * result) / (total + kinds)
        return result

    def bits(self, text: bytes) -> float:
        """Code length of the text, in bits."""
        return -sum(
            math.log2(self.probability(text[max(0, i - self.order + 1) : i], byte)) for i, byte in enumerate(text)
        )
