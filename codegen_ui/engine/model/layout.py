"""What one step computes, laid out on the host: which rows, at which positions, attending to what.

A step takes runs of new tokens (segments) of several slots. Rows are ordered so that slots which can share one
attention call lie side by side; the logits come back in the order of the segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Segment:
    """New tokens of one slot.

    Attributes:
        slot: row of the KV cache.
        start: position of `tokens[0]`, which is how many tokens the slot's cache holds before this step.
        tokens: at least one.
        logits: for how many of the last positions logits are wanted: 0 for a chunk that is not a prompt's last,
            1 for a decode step, k + 1 to verify k drafted tokens.
    """

    slot: int
    start: int
    tokens: Sequence[int]
    logits: int = 1

    @property
    def stop(self) -> int:
        return self.start + len(self.tokens)


@dataclass(frozen=True)
class AttentionGroup:
    """Neighbouring slots whose segments have equally many tokens, so that one attention call serves them.

    Attributes:
        row: first row of the group in the step.
        slot: first slot; the group covers `slots` of them.
        tokens: new tokens of each slot.
        starts: where each slot's segment starts.
        length: positions to read, the longest slot's or a few more.
    """

    row: int
    slot: int
    slots: int
    tokens: int
    starts: tuple[int, ...]
    length: int

    @property
    def rows(self) -> slice:
        return slice(self.row, self.row + self.slots * self.tokens)

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """Each slot of the group with its segment's start and stop, in the order of the rows."""
        return [(self.slot + i, start, start + self.tokens) for i, start in enumerate(self.starts)]

    @property
    def needs_mask(self) -> bool:
        """Not where every position up to `length` is visible, nor where plain causal order says all."""
        if self.slots > 1 or self.length > self.starts[0] + self.tokens:
            return True
        return self.tokens > 1 and self.starts[0] > 0

    @property
    def causal(self) -> bool:
        return self.slots == 1 and self.tokens > 1 and self.starts[0] == 0


@dataclass(frozen=True)
class StepLayout:
    """A step, row by row: `tokens`, `positions` and `slots` are one per row; `logits` are the rows wanted, in order."""

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    slots: tuple[int, ...]
    logits: tuple[int, ...]
    groups: tuple[AttentionGroup, ...]


def lay_out(
    segments: Sequence[Segment], *, slots: int, length: int, vocabulary: int, call_tokens: int, round_to: int = 1
) -> StepLayout:
    """Lay out a step over a cache of `slots` x `length`.

    `round_to`: groups that need a mask read a multiple of so many positions, as a GPU's kernels want it.
    `call_tokens`: attention over that many more positions costs as much as one more attention call; slots share a call
    when the padding that it takes is cheaper. Raises `ValueError` for what would read or write outside the cache or the
    vocabulary, which on a GPU would break the process rather than the step.
    """
    check_segments(segments, slots, length, vocabulary)
    order = sorted(range(len(segments)), key=lambda i: (len(segments[i].tokens), segments[i].slot))
    tokens: list[int] = []
    positions: list[int] = []
    row_slots: list[int] = []
    last_row = [0] * len(segments)
    for i in order:
        segment = segments[i]
        tokens.extend(segment.tokens)
        positions.extend(range(segment.start, segment.stop))
        row_slots.extend([segment.slot] * len(segment.tokens))
        last_row[i] = len(tokens)
    logits = [row for i, s in enumerate(segments) for row in range(last_row[i] - s.logits, last_row[i])]
    groups = tuple(
        group if group.causal else replace(group, length=min(length, -(-group.length // round_to) * round_to))
        for group in _group([segments[i] for i in order], call_tokens)
    )
    return StepLayout(tuple(tokens), tuple(positions), tuple(row_slots), tuple(logits), groups)


def _group(segments: Sequence[Segment], call_tokens: int) -> tuple[AttentionGroup, ...]:
    groups: list[AttentionGroup] = []
    row = 0
    for segment in segments:
        tokens = len(segment.tokens)
        last = groups[-1] if groups else None
        if last is not None and last.tokens == tokens and last.slot + last.slots == segment.slot:
            longest = max(last.length, segment.stop)
            padding = (last.slots + 1) * longest - last.slots * last.length - segment.stop
            if padding * tokens <= call_tokens:
                starts = (*last.starts, segment.start)
                groups[-1] = AttentionGroup(last.row, last.slot, last.slots + 1, tokens, starts, longest)
                row += tokens
                continue
        groups.append(AttentionGroup(row, segment.slot, 1, tokens, (segment.start,), segment.stop))
        row += tokens
    return tuple(groups)


def check_segments(segments: Sequence[Segment], slots: int, length: int, vocabulary: int) -> None:
    """Raises `ValueError` for what would read or write outside the cache or the vocabulary."""
    if not segments:
        raise ValueError("a step needs at least one segment")
    if len({segment.slot for segment in segments}) < len(segments):
        raise ValueError("a slot may have only one segment in a step")
    for s in segments:
        if not 0 <= s.slot < slots:
            raise ValueError(f"slot {s.slot} is not one of 0..{slots - 1}")
        if not s.tokens or s.start < 0 or s.stop > length:
            raise ValueError(f"positions {s.start} to {s.stop} of slot {s.slot} are empty or not within 0..{length}")
        if not 0 <= s.logits <= len(s.tokens):
            raise ValueError(f"logits of {s.logits} positions wanted of a segment of {len(s.tokens)} tokens")
        if min(s.tokens) < 0 or max(s.tokens) >= vocabulary:
            raise ValueError(f"a token of slot {s.slot} is not one of 0..{vocabulary - 1}")
