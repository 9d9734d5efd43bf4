"""How much to draft: what drafts were worth lately against what verifying them costs."""

from __future__ import annotations

from collections.abc import Sequence

from codegen_ui.engine.speculation.lookup import MAX_DRAFT, MAX_MATCH

ALLOWED_LOSS = 0.015
FIRST_ALLOWANCE_STEPS = 0.5


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
