"""Prompt-lookup drafts (Saxena 2023): what followed the last few tokens when they last occurred may follow again.

They are looked up in the sequence's own prompt and output, in earlier sequences of this engine (a saved example that is
clicked again is drafted nearly whole), and in a store of common code (He et al. 2023, "REST"). The model verifies
drafts in one step (see `sampler` for why that changes no output), so a draft costs what a step over more rows costs
beyond a step over one. Where drafts are wrong that is a loss; `DraftBudget` bounds it, by what drafts were
worth lately against what verifying them costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INDEXED = (1, 2, 3)
CANDIDATES = 6
MAX_MATCH = 8
MAX_DRAFT = 12
MEMORY_TOKENS = 25_000
MEMORY_MIN_MATCH = 2
END = -1
ALLOWED_LOSS = 0.015
FIRST_ALLOWANCE_STEPS = 0.5


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next, after a match of the last `match` tokens."""

    tokens: list[int]
    match: int = 0


NOTHING = Draft([])


class Index:
    """Where n-grams of 1 to 3 tokens ended last, in one growing run of tokens; longer matches are found from those.

    An n-gram is entered when the token after it is known, so that a draft never finds itself.
    """

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], list[int]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def extend(self, tokens: Sequence[int]) -> None:
        known = self._tokens
        for token in tokens:
            end = len(known)
            for length in INDEXED:
                if length <= end:
                    ends = self._ends.setdefault(tuple(known[end - length :]), [])
                    ends.append(end)
                    if len(ends) > CANDIDATES:
                        del ends[0]
            known.append(token)

    def find(self, last: Sequence[int], most: int, least_match: int = 1) -> Draft:
        """What followed the longest, then latest, match of `last`; at most `most` tokens, none beyond an `END`."""
        for length in reversed(INDEXED):
            ends = self._ends.get(tuple(last[-length:])) if least_match <= length <= len(last) else None
            # What nothing followed is of no use, however well it matches.
            ends = [end for end in ends or () if self._tokens[end] != END]
            if ends:
                match, end = max((self._match(last, end, length), end) for end in ends)
                tokens = self._tokens[end : end + most]
                return Draft(tokens[: tokens.index(END)] if END in tokens else tokens, match)
        return NOTHING

    def _match(self, last: Sequence[int], end: int, length: int) -> int:
        """How many tokens before `end` equal the last of `last`, `length` of which are known to."""
        most = min(MAX_MATCH, end, len(last))
        while length < most and self._tokens[end - 1 - length] == last[-1 - length]:
            length += 1
        return length


class EarlierTexts:
    """Earlier sequences, the oldest forgotten half at a time, up to 50,000 tokens, and a store that stays.

    Args:
        store: token ids of texts to draft from as well.
    """

    def __init__(self, store: Iterable[Sequence[int]] = ()) -> None:
        self._new, self._old, self._store = Index(), Index(), Index()
        self._seen: set[int] = set()
        self._queued: deque[list[int]] = deque()
        self.waiting = 0
        """Tokens that are queued."""
        for tokens in store:
            self._store.extend([*tokens, END])

    def add(self, tokens: Sequence[int]) -> None:
        """Remember a sequence; one that is there already takes no room."""
        self.queue(tokens)
        self.enter(None)

    def queue(self, tokens: Sequence[int]) -> None:
        """Remember a sequence as `enter` comes to it. Of more than would be remembered the first are dropped: a busy
        engine ends texts faster than it enters them."""
        key = hash(tuple(tokens))
        if key in self._seen:
            return
        self._seen.add(key)
        self._queued.append([*tokens, END])
        self.waiting += len(tokens) + 1
        while self.waiting > MEMORY_TOKENS and len(self._queued) > 1:
            self.waiting -= len(self._queued.popleft())

    def enter(self, most: int | None) -> None:
        """Enter at most so many tokens of what is queued; None enters all."""
        while self._queued and most != 0:
            text = self._queued.popleft()
            self.waiting -= len(text)
            self._new.extend(text[:most])
            if most is not None:
                if text[most:]:
                    self._queued.appendleft(text[most:])
                    self.waiting += len(text) - most
                    return
                most -= len(text)
            if len(self._new) > MEMORY_TOKENS:
                self._old, self._new, self._seen = self._new, Index(), set()

    def find(self, last: Sequence[int], most: int) -> Draft:
        """What followed the longest match of `last`; among equals in the latest sequence, and in the store last."""
        indexes = (self._new, self._old, self._store)
        found = [index.find(last, most, MEMORY_MIN_MATCH) for index in indexes]
        return max(found, key=lambda draft: (bool(draft.tokens), draft.match))


class Lookup:
    """Drafts for one sequence; `extend` and `draft` cost the same however long it is."""

    def __init__(self, memory: EarlierTexts | None = None) -> None:
        self._index = Index()
        self._memory = memory
        self._last: list[int] = []

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens of prompt or output."""
        self._index.extend(tokens)
        self._last = [*self._last, *tokens][-MAX_MATCH:]

    def draft(self, most: int) -> Draft:
        """At most `most` tokens that may come next; the longer match wins, and the sequence's own among equals."""
        if most < 1:
            return NOTHING
        own = self._index.find(self._last, most)
        if self._memory is None or own.match == MAX_MATCH:
            return own
        other = self._memory.find(self._last, most)
        return other if other.tokens and other.match > own.match else own


class AcceptanceRates:
    """The share of drafted tokens that were right lately, by length of the match. Shared by an engine's sequences."""

    def __init__(self) -> None:
        self._first = [0.1, 0.2, 0.45, 0.6, 0.7, 0.75, 0.8, 0.8, 0.85]
        self._next = 0.8

    def expected(self, match: int, drafts: int) -> float:
        """How many of `drafts` tokens will be right, each needing all before it."""
        first, ratio = self._first[min(match, MAX_MATCH)], self._next
        return first * (1 - ratio**drafts) / (1 - ratio)

    def observe(self, match: int, drafted: int, accepted: int) -> None:
        match = min(match, MAX_MATCH)
        self._first[match] += 0.1 * (float(accepted > 0) - self._first[match])
        for position in range(1, min(accepted + 1, drafted)):
            self._next += 0.05 * (float(position < accepted) - self._next)
        self._next = min(0.98, max(0.05, self._next))


class DraftBudget:
    """How many tokens to draft for one sequence, so that what wrong drafts cost stays under 1.5% of its decoding time.

    It keeps a balance in seconds: steps that accepted drafts saved against what verifying cost. Drafting goes on while
    the balance is above minus 1.5% of the time so far (and half a step, for the first try). The draft's length is the
    one with the best expected gain.
    """

    def __init__(self, rates: AcceptanceRates) -> None:
        self._rates = rates
        self._balance = 0.0
        self._time = 0.0

    def length(self, match: int, costs: Sequence[float]) -> int:
        """`costs[k]`: expected seconds of a step with k drafts, from `costs[0]` without any on."""
        single = costs[0]
        best, best_gain = 0, 0.0
        for drafts in range(1, min(MAX_DRAFT, len(costs) - 1) + 1):
            risk = costs[drafts] - single
            if self._balance - risk < -(ALLOWED_LOSS * self._time + FIRST_ALLOWANCE_STEPS * single):
                break
            gain = ((1 + self._rates.expected(match, drafts)) * single - costs[drafts]) / costs[drafts]
            if gain > best_gain:
                best, best_gain = drafts, gain
        return best

    def observe(self, match: int, drafted: int, accepted: int, seconds: float, single: float) -> None:
        """A step took `seconds`, where one without drafts would have taken `single`."""
        self._time += seconds
        if drafted:
            self._balance += accepted * single - max(0.0, seconds - single)
            self._rates.observe(match, drafted, accepted)
