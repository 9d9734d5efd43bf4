"""When each token of a completion was there, as the engine measured it: for playing a run again at its own pace."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from codegen_ui.generation import Generation

Piece = tuple[float, str]
"""Seconds since the request's arrival, and what became readable then."""


@dataclass(frozen=True)
class Recording:
    """Times and lengths without the text, so that one costs a few bytes a token.

    Attributes:
        seconds: of each token since the request arrived; those of one step, where drafts were accepted, share a time.
        lengths: characters that became readable with each; 0 while a stop rule holds them back.
    """

    seconds: array[float] = field(default_factory=lambda: array("f"))
    lengths: array[int] = field(default_factory=lambda: array("I"))

    @classmethod
    def of(cls, generation: Generation) -> Recording:
        """Of a generation so far."""
        events = generation.tokens()
        waited = generation.snapshot().metrics.ttft_seconds
        if not events or waited is None:
            return cls()
        arrival = events[0].time - waited
        seconds = array("f", (event.time - arrival for event in events))
        return cls(seconds, array("I", (len(event.text) for event in events)))

    def pieces(self, text: str) -> list[Piece]:
        """The completion again, a piece a token."""
        found: list[Piece] = []
        end = 0
        for seconds, length in zip(self.seconds, self.lengths, strict=True):
            found.append((round(seconds, 6), text[end : end + length]))
            end += length
        return found
