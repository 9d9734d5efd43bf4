"""A request on its way through the service, from waiting for a model to its last snapshot; and a tab's side runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager

from codegen_ui.follow import Signal, follow
from codegen_ui.generation import Generation, Snapshot
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Service
from codegen_ui.status import ModelStatus, Phase

CLOCK_SECONDS = 0.5
"""How often the latency moves while nothing else does."""
LOADING_PAUSE_SECONDS = 0.25
"""Between two statuses of a model that is loading: its bytes may be counted far more often."""


class Run:
    """For the event loop: every method returns at once or is awaited.

    Attributes:
        stopped: it was asked to stop; its slot is free after the engine's current step.
        superseded: it shall show nothing any more, for something else has taken its place.
        generation: None until an engine took the request.
    """

    def __init__(self, service: Service, model: str | None = None) -> None:
        self.stopped = False
        self.superseded = False
        self.generation: Generation | None = None
        self._service = service
        self._model = model
        self._changed, self._settled = Signal(), Signal()

    async def loading(self) -> AsyncGenerator[ModelStatus, None]:
        """The model's statuses as they change, until it is ready. Raises `ModelUnavailable` where it cannot load."""
        with self._service.watching(lambda status: self._wake(settled=status.phase is not Phase.LOADING)):
            while not self.stopped:
                self._changed.clear()
                self._settled.clear()
                status = self._service.status(self._model)
                if status.phase is Phase.IDLE:
                    self._service.request_load(self._model)
                elif status.phase is not Phase.LOADING:
                    self._service.engine(self._model)
                    return
                yield status
                await self._settled.comes(LOADING_PAUSE_SECONDS)
                await self._changed.comes(CLOCK_SECONDS)

    async def submit(self, request: GenerationRequest) -> Generation:
        """Raises `ModelUnavailable`, `InvalidInput` or `Busy`.

        Counting a long prompt's tokens takes a moment, in which the other pages go on. Where the tab is closed in that
        moment, the generation is stopped as soon as it exists.
        """
        submitting = asyncio.ensure_future(asyncio.to_thread(self._service.submit, request, self._model))
        submitting.add_done_callback(lambda done: None if done.exception() else self._attach(done.result()))
        return await asyncio.shield(submitting)

    def stop(self) -> None:
        """Idempotent."""
        self.stopped = True
        self._wake(settled=True)
        if self.generation is not None:
            self.generation.cancel()

    def supersede(self) -> None:
        """Stop it, and let it show nothing any more."""
        self.superseded = True
        self.stop()

    def _wake(self, settled: bool) -> None:
        self._changed.set()
        if settled:
            self._settled.set()

    def _attach(self, generation: Generation) -> None:
        self.generation = generation
        if self.stopped:
            generation.cancel()


class TabRuns:
    """What tabs run beside their own run, for one purpose: one set of runs at a time for each."""

    def __init__(self) -> None:
        self._running: dict[str, list[Run]] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[list[Run]]:
        """A list for the runs that a tab begins now. Those before them are stopped, and they themselves at the end."""
        self.stop(key)
        runs = self._running[key] = []
        try:
            yield runs
        finally:
            for run in runs:
                run.stop()
            if self._running.get(key) is runs:
                del self._running[key]

    def generations(self, key: str) -> set[str]:
        """The ids of what a tab runs."""
        return {run.generation.id for run in self._running.get(key, ()) if run.generation is not None}

    def stop(self, key: str) -> None:
        """Stop what a tab runs; its stream shows the end itself."""
        for run in self._running.get(key, ()):
            run.stop()


async def snapshots(generation: Generation, every: Callable[[], float]) -> AsyncGenerator[Snapshot, None]:
    """Snapshots as it changes, at least `every` seconds apart; the last one has a finish reason."""
    async with aclosing(follow([generation], every=every, heartbeat=CLOCK_SECONDS)) as news:
        async for _ in news:
            snapshot = generation.snapshot()
            yield snapshot
            if snapshot.finish_reason is not None:
                return
