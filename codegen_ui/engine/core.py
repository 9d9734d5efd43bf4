"""The engine without a thread: what runs, step by step."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from codegen_ui.engine.faults import failure, out_of_memory
from codegen_ui.engine.runner import Runner
from codegen_ui.engine.sampler import BROKEN, Drawn
from codegen_ui.engine.scheduler import Scheduler, StepPlan, Work
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.totals import Totals
from codegen_ui.errors import PlaygroundError
from codegen_ui.request import FinishReason
from codegen_ui.steps import Cell

logger = logging.getLogger(__name__)

TELL_POSITIONS_SECONDS = 0.1
"""How often those who wait hear of their place in the queue at most."""


def cell(work: Work, prefill: bool, gained: int, accepted: int) -> Cell:
    """What a step did for one sequence: its completion takes no more tokens than up to its end."""
    return Cell(work.slot, work.sequence.output.id, work.count if prefill else 0, gained, min(gained, accepted))


class EngineCore:
    """Sequences in, tokens to their outputs, one `step` after the other. Whoever has it calls it from one thread.

    A fault of one sequence ends that one. A fault of a step ends the sequences of that step. A fault in clearing up
    after a fault leaves nothing to build on: `step` raises.
    """

    def __init__(self, scheduler: Scheduler, runner: Runner, totals: Totals) -> None:
        self.scheduler = scheduler
        self._runner = runner
        self._totals = totals
        self._sequences: list[SequenceState] = []
        self._ended: list[tuple[SequenceState, bool]] = []
        self._queue_told = 0.0
        self._queue_changed = False

    @property
    def sequences(self) -> Sequence[SequenceState]:
        """All that have not ended."""
        return self._sequences

    def add(self, sequence: SequenceState) -> None:
        """Take in a new sequence."""
        self._sequences.append(sequence)
        self.scheduler.add(sequence)
        self._queue_changed = True

    def step(self) -> None:
        """Decide what runs, run it, hand the tokens over; then put away what ended."""
        self._end_stopped()
        plan = self._prepare(self.scheduler.schedule())
        ran, drawn, seconds = self._run(plan)
        self._hand_over(ran, drawn, seconds)
        self._put_away()

    def end_all(self, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        """End every sequence, whatever the state of the rest."""
        for sequence in self._sequences:
            if not sequence.output.ended:
                self._totals.ended(reason)
                sequence.output.finish(time.monotonic(), reason, error)
        self._sequences.clear()

    def rest(self) -> None:
        """Nothing is left to do: tidy up, and make sure that nothing is left over. A fault is an error in the log."""
        self.scheduler.tidy()
        for fault in self.faults():
            logger.error("the idle engine is not as it should be: %s", fault)

    def faults(self) -> list[str]:
        """What an engine without sequences must not have, in words."""
        found = self.scheduler.faults()
        if self._sequences or self._runner.sequences:
            found.append(f"{len(self._sequences)} generations are left, the runner knows {self._runner.sequences}")
        counts, ended = self._totals.counts(), sum(self._totals.finished().values())
        if counts["started"] > ended or counts["accepted"] > counts["drafted"] or counts["hits"] > counts["started"]:
            found.append(f"totals contradict each other: {dict(counts)}, {ended} ended")
        return found

    def _end_stopped(self) -> None:
        now = time.monotonic()
        for sequence in self._sequences:
            if sequence.output.cancelled_at is not None:
                self._end(sequence, now, FinishReason.CANCELLED)
            elif now >= sequence.output.deadline:
                self._end(sequence, now, FinishReason.DEADLINE)
        self._put_away()

    def _prepare(self, plan: StepPlan) -> StepPlan:
        """What precedes a step: memory back, prefixes copied, those concerned told."""
        for slot in plan.released:
            self._runner.release(slot)
        for copy in plan.copies:
            try:
                self._runner.copy(copy)
            except Exception as error:
                logger.exception("%s: could not be given slot %s", copy.sequence.output.id, copy.sequence.slot)
                self._fail([copy.sequence], error)
                plan = plan.without(copy.sequence)
        now = time.monotonic()
        for sequence in plan.started:
            if sequence.output.ended:
                continue
            sequence.output.recorder.started(now, cached=sequence.computed)
            sequence.output.notify()
            self._totals.started(sequence.prompt_tokens, sequence.computed)
            self._queue_changed = True
        self._tell_queue(now)
        return plan

    def _run(self, plan: StepPlan) -> tuple[StepPlan, Sequence[Sequence[Drawn]], float]:
        """Run a plan, or as much of it as there is memory for; what was run, and what came out."""
        while plan.works:
            try:
                return plan, *self._runner.run(plan)
            except Exception as error:
                if not out_of_memory(error):
                    # A fault of ours or of the device: it ends the generations of this step, not the engine.
                    logger.exception("a step failed")
                    self._fail([work.sequence for work in plan.works], error)
                    break
                plan, shed = self.scheduler.shrink(plan)
                logger.warning(
                    "no memory for a step: %d streams go on, %s",
                    len(plan.works),
                    "one ends" if shed else "prompts wait",
                )
                if shed is not None:
                    self._fail([shed], error)
        return StepPlan(), [], 0.0

    def _hand_over(self, plan: StepPlan, drawn: Sequence[Sequence[Drawn]], seconds: float) -> None:
        """Move every sequence on, its reader first; then learn from the step."""
        now = time.monotonic()
        accepted = []
        cells = []
        for work, results in zip(plan.works, drawn, strict=True):
            kept = accept(work, results)
            accepted.append(max(0, len(kept) - 1))
            before = len(work.sequence.output.output_ids)
            self._move_on(work, kept, results, now)
            gained = len(work.sequence.output.output_ids) - before
            cells.append(cell(work, len(accepted) > len(plan.decoding), gained, accepted[-1]))
        if plan.works:
            self._totals.steps.add(now, seconds, cells)
            self.scheduler.learn(plan, accepted[: len(plan.decoding)], seconds)

    def _move_on(self, work: Work, kept: Sequence[Drawn], results: Sequence[Drawn], now: float) -> None:
        """One sequence, by the tokens that were `kept` of those drawn; its end, where the model gave no numbers."""
        output = work.sequence.output
        if kept[-1].token == BROKEN:
            logger.error("%s: the model gave numbers that are not finite", output.id)
            self._fail([work.sequence], OverflowError())
            return
        if any(one.token == BROKEN for one in results):
            self._runner.clear(work.slot, work.start + work.count + len(kept) - 1, work.start + len(work.tokens))
        kept = kept if work.draws else ()
        self.scheduler.advance(work, [one.token for one in kept])
        if kept:
            self._give(work, kept, now)
        else:
            output.recorder.prefilled(work.sequence.computed)
            output.notify()

    def _give(self, work: Work, kept: Sequence[Drawn], now: float) -> None:
        """New tokens to a sequence's reader; the end of it, where they end it."""
        sequence, output = work.sequence, work.sequence.output
        if output.ended:
            return  # the engine was given up while this step ran
        logprobs = [(one.logprob or 0.0, one.top) for one in kept] if sequence.logprobs else None
        before = len(output.output_ids)
        try:
            reason = output.add_tokens(now, [one.token for one in kept], logprobs)
        except Exception as error:
            # What turns tokens into text failed for this one stream: the others go on.
            logger.exception("%s: taking new tokens failed", output.id)
            self._end(sequence, now, FinishReason.ERROR, failure(error))
            return
        drafted = len(work.draft.tokens)
        if drafted:
            output.recorder.drafts(drafted, len(kept) - 1)
        self._totals.generated(len(output.output_ids) - before, drafted, max(0, len(kept) - 1))
        if reason is None:
            output.notify()
        else:
            self._end(sequence, now, reason)

    def _end(
        self, sequence: SequenceState, now: float, reason: FinishReason, error: PlaygroundError | None = None
    ) -> None:
        """Tell a sequence's reader that it ended. It is put away when all readers have been told."""
        self._totals.ended(reason)
        sequence.output.finish(now, reason, error)
        self._ended.append((sequence, reason is not FinishReason.ERROR))

    def _fail(self, sequences: Sequence[SequenceState], error: Exception) -> None:
        """End sequences whose slots may hold anything: nothing of them is kept, and they are emptied."""
        now = time.monotonic()
        for sequence in sequences:
            self._end(sequence, now, FinishReason.ERROR, failure(error))
        for sequence in sequences:
            if sequence.slot is not None:
                self._runner.release(sequence.slot)

    def _put_away(self) -> None:
        """Free the slots of what ended; what they hold stays there for whoever begins like it."""
        for sequence, keep in self._ended:
            slot = self.scheduler.remove(sequence, keep=keep)
            self._sequences.remove(sequence)
            self._runner.forget(sequence)
            self._queue_changed = self._queue_changed or slot is None
            cancelled_at = sequence.output.cancelled_at
            if cancelled_at is not None:
                freed = "left the queue" if slot is None else f"slot {slot} free"
                late = (time.monotonic() - cancelled_at) * 1000
                logger.info("%s: %s %.0f ms after stop", sequence.output.id, freed, late)
        self._ended.clear()

    def _tell_queue(self, now: float) -> None:
        """Tell those who wait where they are, if that has changed, and not at every step."""
        if not self._queue_changed or now - self._queue_told < TELL_POSITIONS_SECONDS:
            return
        self._queue_told, self._queue_changed = now, False
        for position, sequence in enumerate(self.scheduler.waiting.order(), start=1):
            sequence.output.recorder.queued(position)
            sequence.output.notify()


def accept(work: Work, drawn: Sequence[Drawn]) -> Sequence[Drawn]:
    """The drawn tokens up to the first that is not what was drafted after it."""
    accepted = 0
    while accepted < len(work.draft.tokens) and drawn[accepted].token == work.draft.tokens[accepted]:
        accepted += 1
    return drawn[: accepted + 1]
