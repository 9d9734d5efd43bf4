"""Shapes of decode steps, and how a step is filled up to one. No torch in here.

    2 streams, 3 tokens each:   a0 a1 a1 | b0 b0 b0       a has one draft, b has none
    4 streams, 1 token each:    a0 | b0 | c0 | a0         a stream is missing

What is missing is filled with what is there: a row that repeats another computes the same keys and values and writes
them to the same place, so it needs no place of its own, and its logits are not looked at.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from codegen_ui.engine.model.layout import Segment
from codegen_ui.engine.speculation.drafter import MAX_DRAFTING
from codegen_ui.engine.speculation.lookup import MAX_DRAFT

SHORTEST = 128
DRAFTED = (4, 1 + MAX_DRAFT)
"""Rows of a stream that has drafts: so few shapes, because a row more costs a GPU next to nothing."""
MOST_GATHERED = 65_536
"""Positions that all streams of a shape may read together. Bringing them side by side costs as much as reading them
twice more, which for more of them is longer than a GPU waits for the host's launches."""


@dataclass(frozen=True, order=True)
class Bucket:
    """A shape: `streams` slots with `tokens` rows each, that read the first `length` positions of their slots."""

    streams: int
    tokens: int
    length: int

    @property
    def rows(self) -> int:
        return self.streams * self.tokens


@dataclass(frozen=True)
class Filled:
    """A step in a bucket's shape: tokens, positions and slots, one per row, and the rows whose logits are wanted."""

    bucket: Bucket
    tokens: list[int]
    positions: list[int]
    slots: list[int]
    wanted: list[int]

    @property
    def numbers(self) -> list[int]:
        return self.tokens + self.positions + self.slots + self.wanted


@dataclass(frozen=True)
class Buckets:
    """All shapes of an engine: streams and lengths in powers of two, with drafts for as few streams as have any.

    Args:
        streams: that decode together at most.
        length: of the cache's slots.
        drafts: whether streams may have drafts to verify.
    """

    streams: int
    length: int
    drafts: bool
    stream_counts: list[int] = field(init=False)
    token_counts: list[int] = field(init=False)
    lengths: list[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stream_counts", powers(1, self.streams))
        object.__setattr__(self, "token_counts", [1, *DRAFTED] if self.drafts else [1])
        object.__setattr__(self, "lengths", powers(SHORTEST, self.length))

    def all(self) -> list[Bucket]:
        """The largest first: what those after it need, it has needed before."""
        shapes = (Bucket(s, t, n) for s in self.stream_counts for t in self.token_counts for n in self.lengths)
        return sorted(filter(self._is_made, shapes), key=lambda one: (one.streams * one.length, one.rows), reverse=True)

    def smallest(self, segments: Sequence[Segment]) -> Bucket | None:
        """The shape that these segments fit into; None where there is none."""
        streams = at_least(self.stream_counts, len(segments))
        tokens = at_least(self.token_counts, max(len(segment.tokens) for segment in segments))
        length = at_least(self.lengths, max(segment.stop for segment in segments))
        if streams is None or tokens is None or length is None:
            return None
        found = Bucket(streams, tokens, length)
        return found if self._is_made(found) else None

    def _is_made(self, one: Bucket) -> bool:
        drafting = powers(1, min(MAX_DRAFTING, self.streams))[-1]
        return one.streams * one.length <= MOST_GATHERED and (one.tokens == 1 or one.streams <= drafting)


def powers(first: int, last: int) -> list[int]:
    """`first` and its doubles up to `last`, which ends them whatever it is."""
    values = []
    while first < last:
        values.append(first)
        first *= 2
    return [*values, last]


def at_least(values: Sequence[int], wanted: int) -> int | None:
    """The first of ascending values that is not less."""
    index = bisect_left(values, wanted)
    return values[index] if index < len(values) else None


def fill(bucket: Bucket, segments: Sequence[Segment]) -> Filled:
    """Segments, at least one, in the shape of a bucket that they fit into; logits in the order of the segments."""
    filled = Filled(bucket, [], [], [], [])
    for index in range(bucket.streams):
        segment = segments[index] if index < len(segments) else segments[0]
        count = len(segment.tokens)
        within = [min(offset, count - 1) for offset in range(bucket.tokens)]
        filled.tokens.extend(segment.tokens[offset] for offset in within)
        filled.positions.extend(segment.start + offset for offset in within)
        filled.slots.extend([segment.slot] * bucket.tokens)
        if index < len(segments):
            first = index * bucket.tokens
            filled.wanted.extend(range(first + count - segment.logits, first + count))
    return filled
