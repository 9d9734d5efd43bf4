"""Which tokens a repetition penalty concerns. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int64]


class Seen:
    """The distinct tokens of one sequence, as far as they can be drawn again, in the order of their first occurrence.

    Args:
        decodable: see `Sampler`.
    """

    def __init__(self, decodable: int) -> None:
        self._decodable = decodable
        self._known: set[int] = set()
        self._count = 0
        self.ids: TokenIds = np.empty(0, dtype=np.int64)

    def follow(self, tokens: Sequence[int]) -> None:
        """Take in what the sequence has more than at the last call; `tokens` are all that it has."""
        new = self._new(tokens[self._count :])
        if new:
            self._known.update(new)
            self.ids = np.concatenate((self.ids, np.array(new, dtype=np.int64)))
        self._count = len(tokens)

    def also(self, tokens: Sequence[int]) -> TokenIds:
        """The ids, were the sequence to go on with these tokens."""
        return np.concatenate((self.ids, np.array(self._new(tokens), dtype=np.int64)))

    def _new(self, tokens: Sequence[int]) -> list[int]:
        distinct = dict.fromkeys(tokens)
        return [token for token in distinct if token < self._decodable and token not in self._known]
