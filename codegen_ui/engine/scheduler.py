"""Who is served next, in which slot, and how much of each prompt a step takes. No torch in here."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar


@dataclass(eq=False)
class Job:
    """One request on its way through the slots.

    Attributes:
        visitor: for fairness; requests of one visitor are served in order of arrival.
        prompt_tokens: tokens to have in the slot before the first one can be generated, at least 1.
        computed: tokens whose KV is in the slot; set by the runner after each step.
        slot: the KV cache's row, or None while waiting.
        held: has a slot, but is not to be worked on yet.
        arrival: set by the scheduler.
    """

    visitor: str
    prompt_tokens: int
    computed: int = 0
    slot: int | None = None
    held: bool = False
    arrival: int = field(default=-1, init=False)

    @property
    def prefill_left(self) -> int:
        return max(0, self.prompt_tokens - self.computed)


JobT = TypeVar("JobT", bound=Job)


@dataclass(frozen=True)
class Plan(Generic[JobT]):
    """One step: jobs that decode, and prompt tokens to prefill of others. Both in order of admission."""

    decode: tuple[JobT, ...]
    prefill: tuple[tuple[JobT, int], ...]

    def __bool__(self) -> bool:
        return bool(self.decode or self.prefill)


class Scheduler(Generic[JobT]):
    """Waiting and running jobs. Not thread-safe: the engine holds its lock.

    Fairness: a free slot goes to the visitor with the fewest running jobs. Among equals it goes to whoever has waited
    longest without being served: a job counts as waiting from its arrival or from when its visitor was last being
    served, the later of the two. So a visitor's hundred requests go round robin with the others', one of each at a
    time, and nobody who arrives later can pass a visitor again and again. Within one visitor: oldest first.
    """

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"slots is {slots}; it must be at least 1")
        self.slots = slots
        self._free = list(range(slots))
        self._waiting: list[JobT] = []
        self._running: list[JobT] = []
        self._clock = itertools.count()
        self._served: dict[str, int] = {}

    @property
    def waiting(self) -> Sequence[JobT]:
        return self._waiting

    @property
    def running(self) -> Sequence[JobT]:
        return self._running

    def add(self, job: JobT) -> None:
        """Queue a new job."""
        job.arrival = next(self._clock)
        self._waiting.append(job)

    def remove(self, job: JobT) -> int | None:
        """Forget a job, waiting or running; returns the slot that this freed, if any. Unknown jobs are ignored."""
        if job in self._waiting:
            self._waiting.remove(job)
            self._forget_absent(job.visitor)
            return None
        if job not in self._running:
            return None
        self._running.remove(job)
        self._served[job.visitor] = next(self._clock)
        self._forget_absent(job.visitor)
        slot, job.slot = job.slot, None
        assert slot is not None
        self._free.append(slot)
        return slot

    def admit(self) -> list[JobT]:
        """Give free slots to waiting jobs; returns those admitted, in order."""
        admitted = []
        counts = Counter(job.visitor for job in self._running)
        while self._free and self._waiting:
            job = next_job(self._waiting, counts, self._served)
            self._waiting.remove(job)
            # The lowest: slots that decode side by side share attention calls.
            job.slot = min(self._free)
            self._free.remove(job.slot)
            self._served[job.visitor] = next(self._clock)
            counts[job.visitor] += 1
            self._running.append(job)
            admitted.append(job)
        return admitted

    def order(self) -> list[JobT]:
        """The waiting jobs as they would be served if slots became free now and nobody else came."""
        waiting, served = list(self._waiting), dict(self._served)
        counts = Counter(job.visitor for job in self._running)
        clock = max([job.arrival for job in waiting] + list(served.values()), default=0)
        ordered = []
        while waiting:
            job = next_job(waiting, counts, served)
            waiting.remove(job)
            counts[job.visitor] += 1
            clock += 1
            served[job.visitor] = clock
            ordered.append(job)
        return ordered

    def plan(self, budget: int) -> Plan[JobT]:
        """The next step. At most `budget` prompt tokens are prefilled, at least one if any job needs it.

        Prompts share the budget equally and what a short one leaves goes to the others, so that a short prompt does not
        wait behind a long one.
        """
        decode = tuple(job for job in self._running if not job.prefill_left)
        prefilling = [job for job in self._running if job.prefill_left and not job.held]
        short_first = sorted(prefilling, key=lambda job: job.prefill_left)
        shares: dict[int, int] = {}
        left = max(1, budget)
        for index, job in enumerate(short_first):
            share = min(job.prefill_left, -(-left // (len(short_first) - index)))
            shares[id(job)] = share
            left -= share
        prefill = tuple((job, shares[id(job)]) for job in self._running if shares.get(id(job)))
        return Plan(decode, prefill)

    def _forget_absent(self, visitor: str) -> None:
        """A visitor with nothing left here needs no memory: whatever comes next arrives after its last admission."""
        if not any(job.visitor == visitor for job in itertools.chain(self._waiting, self._running)):
            self._served.pop(visitor, None)


def next_job(waiting: Sequence[JobT], running: Mapping[str, int], served: Mapping[str, int]) -> JobT:
    """Who gets the next slot; see `Scheduler`. By visitor: `running` jobs, and when they were last `served`."""
    return min(
        waiting,
        key=lambda job: (running.get(job.visitor, 0), max(job.arrival, served.get(job.visitor, -1)), job.arrival),
    )
