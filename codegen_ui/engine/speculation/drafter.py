"""Drafts for all sequences of an engine, and what is learned from how they fared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codegen_ui.engine.costs import StepCosts
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.speculation.lookup import (
    MAX_DRAFT,
    NOTHING,
    AcceptanceRates,
    Draft,
    DraftBudget,
    EarlierTexts,
    Lookup,
)

MAX_DRAFTING = 4
"""Above this many decoding streams, the rows that drafts would take are better left to the streams themselves."""
INDEXED_AT_ONCE = 256
"""Tokens of one text that are entered per step: an ended stream or a long prompt must not hold up the others."""


class Drafter:
    """Proposes tokens for the model to check. For the engine's thread only.

    Args:
        store: texts to draft from, beside each sequence's own and those that ended.
        costs: what verifying would cost.
    """

    def __init__(self, store: Iterable[Sequence[int]], costs: StepCosts) -> None:
        self._earlier = EarlierTexts(store)
        self._rates = AcceptanceRates()
        self._costs = costs

    def draft(self, sequence: SequenceState, streams: int) -> Draft:
        """What may come next, where checking it beside `streams` decoding streams is expected to pay."""
        if streams > MAX_DRAFTING or not sequence.drafts:
            return NOTHING
        lookup = self._index(sequence)
        if sequence.indexed < len(sequence.tokens):
            return NOTHING
        found = lookup.draft(min(MAX_DRAFT, sequence.max_tokens - len(sequence.tokens) - 1))
        if not found.tokens:
            return NOTHING
        costs = [self._costs.step_seconds(streams + extra) for extra in range(len(found.tokens) + 1)]
        return Draft(found.tokens[: sequence.draft_budget.length(found.match, costs)], found.match)

    def learn(self, drafts: Sequence[tuple[SequenceState, Draft]], accepted: Sequence[int], seconds: float) -> None:
        """A step of decoding alone took `seconds`: each stream's draft, and how many tokens of it were right."""
        drafted = sum(len(draft.tokens) for _, draft in drafts)
        single = self._costs.step_seconds(len(drafts))
        for (sequence, draft), right in zip(drafts, accepted, strict=True):
            count = len(draft.tokens)
            extra = (seconds - single) * count / drafted if drafted else 0.0
            sequence.draft_budget.observe(draft.match, count, right, single + extra, single)

    def remember(self, sequence: SequenceState) -> None:
        """A sequence ended: others may be like it. Its text is entered by `tidy`."""
        self._earlier.queue(sequence.tokens)
        sequence.lookup = None

    def tidy(self, most: int | None = INDEXED_AT_ONCE) -> None:
        """Enter at most so many tokens of texts that ended; None enters all."""
        self._earlier.enter(most)

    def _index(self, sequence: SequenceState) -> Lookup:
        """The sequence's own index, a piece further."""
        if sequence.lookup is None:
            sequence.lookup, sequence.draft_budget = Lookup(self._earlier), DraftBudget(self._rates)
        new = sequence.tokens[sequence.indexed : sequence.indexed + INDEXED_AT_ONCE]
        sequence.lookup.extend(new)
        sequence.indexed += len(new)
        return sequence.lookup
