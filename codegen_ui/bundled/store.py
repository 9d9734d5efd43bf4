"""How the steps of the recipe hand text and tokens to each other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

UNIT = 10  # weights are stored as whole tenths


def write_documents(path: Path, texts: Iterable[str]) -> int:
    """One JSON string a line, written whole or not at all. Returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps(text) + "\n")
            count += 1
    os.replace(partial, path)
    return count


def read_documents(path: Path) -> Iterator[str]:
    """The texts of `write_documents`, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


class TokenStream:
    """Documents laid end to end, each followed by end-of-text; windows begin at a document's first token.

    Starting there is how the model is prompted: what it sees at position 0 is the head of a file.
    """

    def __init__(
        self,
        tokens: npt.NDArray[np.uint16],
        starts: npt.NDArray[np.int64],
        weights: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        if not len(starts):
            raise ValueError("no documents to train on")
        self.tokens = tokens
        self.starts = starts
        self.weights = np.full(len(tokens), UNIT, np.uint8) if weights is None else weights

    @classmethod
    def from_documents(
        cls, documents: Iterable[list[int]], end: int, weights: Iterable[list[int]] | None = None
    ) -> TokenStream:
        """`documents` are token ids below 65536; `end` is the id put after each; `weights` are in tenths."""
        pieces, starts, position = [], [], 0
        for ids in documents:
            pieces.append(np.array([*ids, end], dtype=np.uint16))
            starts.append(position)
            position += len(ids) + 1
        tokens = np.concatenate(pieces) if pieces else np.empty(0, np.uint16)
        if weights is None:
            return cls(tokens, np.array(starts, dtype=np.int64))
        each = np.concatenate([np.array([*row, UNIT], dtype=np.uint8) for row in weights])
        return cls(tokens, np.array(starts, dtype=np.int64), each)

    def save(self, path: Path) -> None:
        """Write both arrays to one .npz file, whole or not at all."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, tokens=self.tokens, starts=self.starts, weights=self.weights)
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path) -> TokenStream:
        """What `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["tokens"], arrays["starts"], arrays["weights"])

    def window(self, length: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
        """`length` token ids from a random document's start on, through the next documents, around the end."""
        return self.weighted_window(length, draw)[0]

    def weighted_window(
        self, length: int, draw: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """A window's token ids and how much each counts."""
        first = self.starts[draw.integers(len(self.starts))]
        ids = np.take(self.tokens, range(first, first + length), mode="wrap").astype(np.int64)
        weights = np.take(self.weights, range(first, first + length), mode="wrap") / np.float32(UNIT)
        return ids, weights
