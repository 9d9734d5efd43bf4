"""Sequences without a model, for what decides about them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from codegen_ui.engine.sequence import SequenceState

_numbers = count(1000)


class NoOutput:
    """Takes tokens and keeps them."""

    def __init__(self) -> None:
        self.output_ids: list[int] = []

    def add_tokens(self, now: float, ids: Sequence[int], logprobs: Any = None) -> None:
        self.output_ids.extend(ids)


def sequence(visitor: str, prompt: int | Sequence[int], most: int | None = None) -> SequenceState:
    """A prompt of so many tokens like no other's, or of these, with up to `most` tokens in all."""
    tokens = [next(_numbers) for _ in range(prompt)] if isinstance(prompt, int) else list(prompt)
    return SequenceState(visitor, tokens, most or len(tokens) + 20, NoOutput())  # type: ignore[arg-type]
