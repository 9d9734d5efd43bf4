"""Which slot of the KV cache holds whose tokens: nothing is copied when a stream ends, it only stops being live.

    slot 0   live   def fibonacci(n): ...|      the stream goes on
    slot 1   free   import os ....|             kept: a prompt that begins so goes on here
    slot 2   free   |~~~~~~~~~~~                forgotten, its memory still there: the next stream starts here
    slot 3   free   |                           never written: takes no memory on a CPU

Free slots keep `keep_tokens` together, the least recently used leaving first; all slots together hold the memory of
`most_tokens`. No torch in here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

WORTH_REUSING = 16
"""Tokens in common with a kept text from which on a prompt goes on in its slot, by which the rest of it is lost. A
prompt that repeats or continues a kept text always does."""
FIRST_COMPARED = 8


@dataclass
class Slot:
    """One slot.

    Attributes:
        tokens: while free, those whose keys and values it holds, from position 0.
        touched: positions that take memory.
        reserved: positions that its stream may come to, while it is live.
        used: when it was last of use, on the table's own clock.
    """

    index: int
    live: bool = False
    tokens: list[int] = field(default_factory=list)
    touched: int = 0
    reserved: int = 0
    used: int = -1


class SlotTable:
    """All slots of a cache. For the engine's thread only.

    Args:
        slots: how many; at least as many as streams are live together.
        keep_tokens: that free slots may hold together; 0 keeps nothing.
        most_tokens: that may take memory; None does not count (a GPU's cache is allocated whole).
    """

    def __init__(self, slots: int, *, keep_tokens: int, most_tokens: int | None = None) -> None:
        self._slots = [Slot(index) for index in range(slots)]
        self._keep_tokens = keep_tokens
        self._most_tokens = most_tokens
        self._clock = itertools.count()
        self._to_release: list[int] = []
        self.kept = 0
        """Tokens that free slots hold."""

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def touched(self) -> int:
        """Tokens for which memory has been taken, but for what live streams write just now."""
        return sum(slot.touched for slot in self._slots)

    @property
    def live(self) -> list[int]:
        return [slot.index for slot in self._slots if slot.live]

    def longest(self, prompt: Sequence[int]) -> int:
        """How many tokens `take` would find computed; never the whole prompt: its last token's logits are needed."""
        return self._best(prompt)[1]

    def take(self, prompt: Sequence[int], reserve: int, *, reuse: bool = True) -> tuple[int, int]:
        """A slot for a stream of up to `reserve` tokens, and how many of the prompt's tokens are in it already.

        Without `reuse` none are wanted. Raises `IndexError` where every slot is live.
        """
        slot, common = self._best(prompt) if reuse else (None, 0)
        if slot is None:
            slot, common = self._place(), 0
        self.kept -= len(slot.tokens)
        slot.live, slot.tokens, slot.used, slot.reserved = True, [], next(self._clock), reserve
        self._keep_the_promise()
        return slot.index, common

    def give_back(self, index: int, tokens: Sequence[int], written: int) -> None:
        """A stream ended; the slot holds `tokens`, and `written` positions of it took memory."""
        slot = self._slots[index]
        if not slot.live:
            raise ValueError(f"slot {index} is not in use")
        slot.live, slot.used, slot.reserved = False, next(self._clock), 0
        slot.touched = max(slot.touched, written)
        slot.tokens = self._worth_keeping(list(tokens[: self._keep_tokens]))
        self.kept += len(slot.tokens)
        while self.kept > self._keep_tokens:
            self._forget(min((s for s in self._free() if s.tokens), key=lambda s: s.used))

    def released(self) -> list[int]:
        """Slots to give back to the system, each told once."""
        released, self._to_release = self._to_release, []
        return released

    def faults(self) -> list[str]:
        """What contradicts what, in words; empty as long as the table is sound."""
        found = [
            f"slot {slot.index} is live and holds a kept text" for slot in self._slots if slot.live and slot.tokens
        ]
        held = sum(len(slot.tokens) for slot in self._slots)
        if held != self.kept or held > self._keep_tokens:
            found.append(f"{held} tokens are kept, {self.kept} counted, {self._keep_tokens} allowed")
        return found

    def _free(self) -> list[Slot]:
        return [slot for slot in self._slots if not slot.live]

    def _best(self, prompt: Sequence[int]) -> tuple[Slot | None, int]:
        wanted = list(prompt[: len(prompt) - 1])
        best, length = None, 0
        for slot in self._free():
            common = common_prefix(slot.tokens, wanted)
            if common > length:
                best, length = slot, common
        if best is None or length < min(WORTH_REUSING, len(best.tokens), len(wanted)):
            return None, 0
        return best, length

    def _place(self) -> Slot:
        """A forgotten slot whose memory is there, else a new one, side by side with live ones, which may share
        attention calls; else the one whose text was not used for the longest time."""
        empty = [slot for slot in self._free() if not slot.tokens]
        if not empty:
            free = self._free()
            if not free:
                raise IndexError("every slot is live")
            return min(free, key=lambda slot: slot.used)
        live = self.live or [0]
        return min(empty, key=lambda slot: (not slot.touched, min(abs(slot.index - i) for i in live), slot.index))

    def _worth_keeping(self, tokens: list[int]) -> list[int]:
        """The tokens, unless another slot holds all of them; one that holds a part of them is forgotten."""
        for other in self._free():
            common = common_prefix(other.tokens, tokens)
            if other.tokens and common == len(tokens):
                other.used = next(self._clock)
                return []
            if other.tokens and common == len(other.tokens):
                self._forget(other)
        return tokens

    def _forget(self, slot: Slot) -> None:
        self.kept -= len(slot.tokens)
        slot.tokens = []

    def _keep_the_promise(self) -> None:
        """Give memory back, of forgotten slots first, until live streams may grow to their full length."""
        if self._most_tokens is None:
            return
        written = sorted((s for s in self._free() if s.touched), key=lambda s: (bool(s.tokens), s.used))
        total = sum(max(slot.touched, slot.reserved) for slot in self._slots)
        for slot in written:
            if total <= self._most_tokens:
                return
            self._forget(slot)
            total, slot.touched = total - slot.touched, 0
            self._to_release.append(slot.index)


TokenT = TypeVar("TokenT")


def common_prefix(a: Sequence[TokenT], b: Sequence[TokenT]) -> int:
    """How many elements two sequences begin with in common: ever longer slices, because they compare at C's speed, and
    bisection where they differ. Most pairs differ at once."""
    limit = min(len(a), len(b))
    low, step = 0, FIRST_COMPARED
    while low < limit and a[low : min(low + step, limit)] == b[low : min(low + step, limit)]:
        low, step = min(low + step, limit), step * 2
    high = min(low + step, limit)
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
