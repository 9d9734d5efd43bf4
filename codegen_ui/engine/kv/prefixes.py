"""The KV of earlier prompts and completions, so that a prompt that begins like one of them starts at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MAX_ENTRIES = 512


class KV(Protocol):
    """Keys and values of a run of tokens, apart from any slot."""

    @property
    def bytes(self) -> int: ...


KVT = TypeVar("KVT", bound=KV)


@dataclass(frozen=True)
class Hit(Generic[KVT]):
    """The longest prefix found: the first `tokens` of `kv`'s tokens are the prompt's."""

    kv: KVT
    tokens: int


class PrefixCache(Generic[KVT]):
    """Runs of tokens with their KV, the least recently used leaving first. The engine's thread owns it.

    An entry that is the beginning of another takes no room: it is dropped when the longer one comes. Looking up
    compares with every entry; there are at most `MAX_ENTRIES`.

    Args:
        budget: bytes; 0 keeps nothing.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._entries: OrderedDict[tuple[int, ...], KVT] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def fits(self, size: int) -> bool:
        """Whether an entry of `size` bytes could be kept at all; reading it out of a slot would be wasted otherwise."""
        return 0 < size <= self._budget

    def holds(self, tokens: Sequence[int]) -> bool:
        """Whether all of `tokens` are there already; marks them as used."""
        wanted = tuple(tokens)
        for key in self._entries:
            if key[: len(wanted)] == wanted:
                self._entries.move_to_end(key)
                return True
        return False

    def put(self, tokens: Sequence[int], kv: KVT) -> None:
        """Keep the KV of `tokens`, dropping what is oldest where the budget needs it."""
        key = tuple(tokens)
        if not self.fits(kv.bytes) or self.holds(key):
            return
        for shorter in [k for k in self._entries if key[: len(k)] == k]:
            self._drop(shorter)
        while self.bytes + kv.bytes > self._budget or len(self._entries) >= MAX_ENTRIES:
            self._drop(next(iter(self._entries)))
        self._entries[key] = kv
        self.bytes += kv.bytes

    def longest(self, prompt: Sequence[int]) -> Hit[KVT] | None:
        """The entry with the longest common prefix, never the whole prompt: its last token's logits are needed."""
        wanted = tuple(prompt[: len(prompt) - 1])
        best, length = None, 0
        for key in self._entries:
            # Most entries share nothing or less than the best so far: one slice comparison settles those.
            if key[:length] == wanted[:length] and (common := common_prefix(key, wanted)) > length:
                best, length = key, common
        if best is None:
            return None
        self._entries.move_to_end(best)
        return Hit(self._entries[best], length)

    def clear(self) -> None:
        self._entries.clear()
        self.bytes = 0

    def _drop(self, key: tuple[int, ...]) -> None:
        self.bytes -= self._entries.pop(key).bytes


TokenT = TypeVar("TokenT")


def common_prefix(a: Sequence[TokenT], b: Sequence[TokenT]) -> int:
    """How many elements two sequences begin with in common; bisection, because slices compare at C's speed."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
