"""What the next step computes: the one place that decides. No torch in here.

There are no phases. Every sequence has tokens to compute: a prompt's rest, of which a step takes a chunk; the one token
that came last; or that one and drafts behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen_ui.engine.costs import MIN_CHUNK, StepCosts
from codegen_ui.engine.kv.slots import WORTH_REUSING, SlotTable, common_prefix
from codegen_ui.engine.queue import FairQueue
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.speculation.drafter import Drafter
from codegen_ui.engine.speculation.lookup import NOTHING, Draft


@dataclass(frozen=True)
class Work:
    """Tokens of one sequence to compute in a step: `count` of its own from `start` on, then the draft's.

    `draws`: the next token comes out of it; not in the middle of a prompt.
    """

    sequence: SequenceState
    slot: int
    start: int
    count: int
    draws: bool
    draft: Draft = NOTHING

    @property
    def tokens(self) -> list[int]:
        return [*self.sequence.tokens[self.start : self.start + self.count], *self.draft.tokens]


@dataclass(frozen=True)
class Copy:
    """The first `tokens` tokens' keys and values of one slot are wanted in another, `sequence`'s."""

    sequence: SequenceState
    source: int
    tokens: int


@dataclass(frozen=True)
class StepPlan:
    """One step.

    Attributes:
        decoding: sequences with one token to compute, and its draft.
        prefill: chunks of prompts.
        started: sequences that have got their slot with this step.
        copies: to be made before it.
        released: slots whose memory goes back to the system before it.
    """

    decoding: tuple[Work, ...] = ()
    prefill: tuple[Work, ...] = ()
    started: tuple[SequenceState, ...] = ()
    copies: tuple[Copy, ...] = ()
    released: tuple[int, ...] = ()

    @property
    def works(self) -> tuple[Work, ...]:
        """All of it, in order of admission each."""
        return self.decoding + self.prefill

    def without(self, sequence: SequenceState) -> StepPlan:
        """The same step for the others; what precedes it has been done."""
        return StepPlan(
            tuple(work for work in self.decoding if work.sequence is not sequence),
            tuple(work for work in self.prefill if work.sequence is not sequence),
        )


class Scheduler:
    """Waiting and running sequences, and their slots. For the engine's thread only.

    Args:
        streams: how many run together.
        slots: of the KV cache; those that no stream has keep what ended.
        costs: what steps cost, from which the chunk follows.
        drafter: None drafts nothing.
    """

    def __init__(self, streams: int, slots: SlotTable, costs: StepCosts, drafter: Drafter | None = None) -> None:
        if not 1 <= streams <= len(slots):
            raise ValueError(f"{streams} streams do not fit {len(slots)} slots")
        self.streams = streams
        self.slots = slots
        self.costs = costs
        self.waiting = FairQueue()
        self.running: list[SequenceState] = []
        self._drafter = drafter
        self._chunk_limit: int | None = None

    def add(self, sequence: SequenceState) -> None:
        """Queue a new sequence."""
        self.waiting.add(sequence)

    def remove(self, sequence: SequenceState, *, keep: bool) -> int | None:
        """Forget a sequence, waiting or running; returns the slot that this freed, if any. With `keep`, what it has
        computed stays in that slot for others, and its text to draft from."""
        if sequence not in self.running:
            self.waiting.leave(sequence)
            return None
        self.running.remove(sequence)
        self.waiting.ended(sequence)
        self._chunk_limit = None
        slot, sequence.slot = sequence.slot, None
        if keep and self._drafter is not None:
            self._drafter.remember(sequence)
        if slot is not None:
            kept = sequence.tokens[: sequence.computed] if keep else []
            self.slots.give_back(slot, kept, len(sequence.tokens))
        return slot

    def schedule(self) -> StepPlan:
        """The next step; without works where there is nothing to do."""
        while self.waiting and len(self.running) < self.streams:
            self.running.append(self.waiting.next())
        started, copies = self._start()
        placed = [sequence for sequence in self.running if sequence.slot is not None]
        ready = [sequence for sequence in placed if sequence.to_compute == 1]
        decoding = tuple(work(sequence, 1, self._draft(sequence, len(ready))) for sequence in ready)
        prefill = self._chunks([sequence for sequence in placed if sequence.to_compute > 1], len(ready))
        return StepPlan(decoding, prefill, tuple(started), tuple(copies), tuple(self.slots.released()))

    def advance(self, work: Work, kept: Sequence[int]) -> None:
        """A work was computed: its sequence moves on by it and by the tokens drawn and `kept`, if it drew."""
        sequence = work.sequence
        computed = work.count + max(0, len(kept) - 1)
        sequence.computed += computed
        sequence.tokens.extend(kept)
        self.waiting.served(sequence, computed)

    def learn(self, plan: StepPlan, accepted: Sequence[int], seconds: float) -> None:
        """What a step has cost, and how many tokens of each decoding work's draft were right."""
        streams, drafted = len(plan.decoding), sum(len(work.draft.tokens) for work in plan.decoding)
        prefilled = sum(work.count for work in plan.prefill)
        context = sum(work.start for work in plan.prefill)
        self.costs.observe(streams + drafted, prefilled, seconds, context=context)
        if self._drafter is not None:
            if not prefilled:
                drafts = [(work.sequence, work.draft) for work in plan.decoding]
                self._drafter.learn(drafts, accepted, seconds)
            self._drafter.tidy()

    def shrink(self, plan: StepPlan) -> tuple[StepPlan, SequenceState | None]:
        """There was no memory for a step: one that needs less, and who has to go for it, if anybody.

        First the decodes alone, and prompts in smaller chunks from then on; where that cannot be, all but the newest.
        """
        chunk = sum(work.count for work in plan.prefill)
        if plan.prefill and (plan.decoding or chunk > MIN_CHUNK):
            self._chunk_limit = max(1, chunk // 2)
            return StepPlan(plan.decoding), None
        newest = max((work.sequence for work in plan.works), key=self.running.index)
        return plan.without(newest), newest

    def faults(self) -> list[str]:
        """What an engine without work must not have, in words."""
        found = self.waiting.faults() + self.slots.faults()
        if self.running or self.slots.live:
            found.append(f"{len(self.running)} sequences run, slots {self.slots.live} are live")
        return found

    def tidy(self) -> None:
        """What can wait until there is nothing else to do."""
        if self._drafter is not None:
            self._drafter.tidy(None)

    def _start(self) -> tuple[list[SequenceState], list[Copy]]:
        """Give slots to those admitted, unless another is computing what they begin with just now."""
        started: list[SequenceState] = []
        copies: list[Copy] = []
        for sequence in self.running:
            if sequence.slot is not None:
                continue
            here = self.slots.longest(sequence.tokens)
            if self._leader(sequence, here) is not None:
                continue
            live, shared = self._live_prefix(sequence)
            if live is not None and shared > here:
                if copies:
                    continue  # one copy a step: the others decode meanwhile
                sequence.slot, _ = self.slots.take(sequence.tokens, sequence.max_tokens, reuse=False)
                copies.append(Copy(sequence, live, shared))
                sequence.computed = shared
            else:
                sequence.slot, sequence.computed = self.slots.take(sequence.tokens, sequence.max_tokens)
            self.waiting.spared(sequence, sequence.computed)
            started.append(sequence)
        return started, copies

    def _leader(self, sequence: SequenceState, here: int) -> SequenceState | None:
        """Who is computing a good part of this sequence's prompt just now, so that it pays to wait for it: n samples
        cost one prompt."""
        best, length = None, here + WORTH_REUSING
        for other in self.running:
            if other.slot is not None and other.to_compute > 1:
                common = common_prefix(other.tokens, sequence.tokens[:-1])
                if common >= length and common > other.computed:
                    best, length = other, common
        return best

    def _live_prefix(self, sequence: SequenceState) -> tuple[int | None, int]:
        """The slot of the running sequence that has computed most of what this one begins with, and how much."""
        best, length = None, 0
        for other in self.running:
            if other.slot is not None:
                common = common_prefix(other.tokens[: other.computed], sequence.tokens[:-1])
                if common > length:
                    best, length = other.slot, common
        return best, length

    def _draft(self, sequence: SequenceState, streams: int) -> Draft:
        return NOTHING if self._drafter is None else self._drafter.draft(sequence, streams)

    def _chunks(self, prompts: Sequence[SequenceState], decoding: int) -> tuple[Work, ...]:
        """Shares of the tokens that this step may prefill, at least one of them: equal ones, and what a short prompt
        leaves goes to the others, so that it does not wait behind a long one."""
        if not prompts:
            return ()
        left = max(1, self.costs.chunk(decoding, sum(sequence.computed for sequence in prompts)))
        if self._chunk_limit is not None:
            left = min(left, self._chunk_limit)
        short_first = sorted(prompts, key=lambda sequence: sequence.to_compute)
        shares: dict[SequenceState, int] = {}
        for index, sequence in enumerate(short_first):
            shares[sequence] = min(sequence.to_compute, -(-left // (len(short_first) - index)))
            left -= shares[sequence]
        return tuple(work(sequence, shares[sequence]) for sequence in prompts if shares[sequence])


def work(sequence: SequenceState, count: int, draft: Draft = NOTHING) -> Work:
    """The next `count` tokens of a sequence that has a slot."""
    assert sequence.slot is not None
    return Work(sequence, sequence.slot, sequence.computed, count, count == sequence.to_compute, draft)
