"""Prompt-lookup drafts (Saxena 2023): what followed the last few tokens when they last occurred may follow again.

The model verifies drafts in one step (see `sampler` for why that changes no output), so a draft costs what a step over
more rows costs beyond a step over one. Where nothing repeats that would be a loss; `DraftBudget` bounds it.
"""

from __future__ import annotations

from collections.abc import Sequence

MIN_MATCH = 3
MAX_MATCH = 12
CANDIDATES = 8
MAX_DRAFT = 12
ALLOWED_LOSS = 0.015
FIRST_ALLOWANCE_STEPS = 0.5


class Lookup:
    """An index of one sequence's n-grams; `extend` and `draft` cost the same however long it is."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], list[int]] = {}

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens of prompt or output."""
        for token in tokens:
            self._tokens.append(token)
            end = len(self._tokens)
            # An n-gram is entered when the token after it is known, so that a draft never finds itself.
            if end > MIN_MATCH:
                ends = self._ends.setdefault(tuple(self._tokens[end - 1 - MIN_MATCH : end - 1]), [])
                ends.append(end - 1)
                del ends[:-CANDIDATES]

    def draft(self, most: int) -> list[int]:
        """At most `most` tokens that may come next: after the longest, then latest, match of the last tokens."""
        tokens = self._tokens
        ends = self._ends.get(tuple(tokens[-MIN_MATCH:]))
        if most < 1 or not ends:
            return []
        end = max(ends, key=lambda end: (self._match(end), end))
        return tokens[end : end + most]

    def _match(self, end: int) -> int:
        """How many tokens before `end` equal the last ones, up to `MAX_MATCH`."""
        tokens, length = self._tokens, MIN_MATCH
        while length < MAX_MATCH and length < end and tokens[end - 1 - length] == tokens[-1 - length]:
            length += 1
        return length


class DraftBudget:
    """How many tokens to draft for one sequence, so that what lost drafts cost stays under 1.5% of its decoding time.

    It keeps a balance in seconds: steps that accepted drafts saved against what verifying cost. Drafting goes on while
    the balance is above minus 1.5% of the time so far (and half a step, for the first try). The draft's length is the
    one with the best expected gain at the share of drafts accepted lately.
    """

    def __init__(self) -> None:
        self._balance = 0.0
        self._time = 0.0
        self._rate = 0.7

    def length(self, costs: Sequence[float]) -> int:
        """`costs[k]`: expected seconds of a step with k drafts, from `costs[0]` without any on."""
        single = costs[0]
        best, best_gain = 0, 0.0
        for drafts in range(1, min(MAX_DRAFT, len(costs) - 1) + 1):
            risk = costs[drafts] - single
            if self._balance - risk < -(ALLOWED_LOSS * self._time + FIRST_ALLOWANCE_STEPS * single):
                break
            # Tokens accepted in a row at rate r: r + r^2 + ... + r^k; each saves a step.
            expected = sum(self._rate**n for n in range(1, drafts + 1))
            gain = ((1 + expected) * single - costs[drafts]) / costs[drafts]
            if gain > best_gain:
                best, best_gain = drafts, gain
        return best

    def observe(self, drafted: int, accepted: int, seconds: float, single: float) -> None:
        """A step took `seconds`, where one without drafts would have taken `single`."""
        self._time += seconds
        if not drafted:
            return
        self._balance += accepted * single - max(0.0, seconds - single)
        for position in range(min(accepted + 1, drafted)):
            self._rate += 0.1 * ((1.0 if position < accepted else 0.0) - self._rate)
        self._rate = min(0.98, max(0.05, self._rate))
