"""From a press of Generate to the last figure: the page's road through the service.

The engine has its own thread and its own pace. Handlers here only look at the latest snapshot now and then, so a slow
browser costs the engine nothing; whatever ends a handler (its end, a closed tab, a lost connection) frees the slot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.generation import Generation, Snapshot
from codegen_ui.highlight import IncrementalHighlighter
from codegen_ui.request import GenerationRequest
from codegen_ui.service import ModelStatus, Phase, Service
from codegen_ui.ui import figures
from codegen_ui.ui.figures import Live
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.model_panel import progress_text
from codegen_ui.ui.runs import RunRecord
from codegen_ui.ui.visitors import Run, Tab, Visitors

LOADING_POLL_SECONDS = 0.25

Lines = list[str]
"""The output's value: safe HTML, one string a line."""

Update = tuple[Lines | None, Live]
"""What a page shows at one moment; None leaves the output as it is."""


@dataclass(frozen=True)
class Pace:
    """How often a page looks at its generation, and how often it shows what it saw, in seconds.

    Each update costs the server a few milliseconds, which the engine would rather have: with many streams each page
    is updated less often. Looking is cheaper than showing, and notices the end sooner.
    """

    look: float
    show: float

    @classmethod
    def among(cls, streams: int) -> Pace:
        return cls(look=max(0.03, 0.01 * streams), show=max(0.1, 0.04 * streams))


class Streams:
    """Runs generations for the page and for `/generate`."""

    def __init__(self, service: Service, visitors: Visitors) -> None:
        self._service = service
        self._visitors = visitors

    async def run(self, inputs: Inputs, model: str | None, session: str) -> AsyncGenerator[Update | None, None]:
        """The output's lines and the live panel's figures as they change. Errors become figures; nothing is raised.

        The last item is None where another run, or Clear, took the page over: there is nothing more to show.
        """
        tab = self._visitors.tab(session)
        run = tab.begin()
        try:
            request = to_request(inputs, visitor=session)
            yield None, figures.waiting("starting", "", 0.0)
            started = time.monotonic()
            async for status in self._loading(model, run):
                latency = time.monotonic() - started
                yield None, figures.waiting("loading", progress_text(status), latency)
            if run.superseded:
                yield None
                return
            if run.stopped:
                yield None, figures.refused("Stopped before the model was loaded.")
                return
            generation = await self._submit(request, model, run)
            highlighter = IncrementalHighlighter(inputs.prompt)
            async for snapshot in self._snapshots(generation, run):
                if run.superseded:
                    yield None
                    return
                if snapshot.finish_reason is not None:
                    self._record(tab, inputs.prompt, request, model, snapshot)
                    yield highlighter.final(snapshot.text), figures.live(snapshot)
                else:
                    yield highlighter.update(snapshot.text), figures.live(snapshot)
        except InvalidInput as problem:
            yield None, figures.invalid(problem)
        except PlaygroundError as error:
            yield None, figures.refused(str(error))
        finally:
            tab.end(run)

    async def text(self, request: GenerationRequest, model: str | None) -> AsyncGenerator[str, None]:
        """The growing completion. Raises the `PlaygroundError` that ended it."""
        run = Run()
        async for _ in self._loading(model, run):
            continue
        generation = await self._submit(request, model, run)
        shown: str | None = None
        try:
            async for snapshot in self._snapshots(generation, run):
                if snapshot.error is not None:
                    raise snapshot.error
                if snapshot.text != shown:
                    shown = snapshot.text
                    yield shown
        finally:
            run.stop()

    async def _submit(self, request: GenerationRequest, model: str | None, run: Run) -> Generation:
        """Counting a long prompt's tokens takes a moment, in which the other pages go on.

        Where the tab is closed in that moment, `run` is stopped and so is the generation, as soon as it exists.
        """
        submitting = asyncio.ensure_future(asyncio.to_thread(self._service.submit, request, model))
        submitting.add_done_callback(lambda done: None if done.exception() else run.attach(done.result()))
        return await asyncio.shield(submitting)

    async def _loading(self, model: str | None, run: Run) -> AsyncGenerator[ModelStatus, None]:
        """Statuses of a model until it is ready. Raises `ModelUnavailable` where it cannot be loaded."""
        while not run.stopped:
            status = self._service.status(model)
            if status.phase is Phase.IDLE:
                self._service.request_load(model)
            elif status.phase is not Phase.LOADING:
                self._service.engine(model)
                return
            yield status
            await asyncio.sleep(LOADING_POLL_SECONDS)

    async def _snapshots(self, generation: Generation, run: Run) -> AsyncGenerator[Snapshot, None]:
        """Snapshots at a pace that suits the load; the last one has a finish reason."""
        shown_at = -1.0
        while True:
            snapshot = generation.snapshot()
            pace = Pace.among(self._visitors.running)
            now = time.monotonic()
            if snapshot.finish_reason is not None or run.superseded:
                yield snapshot
                return
            if now - shown_at >= pace.show:
                shown_at = now
                yield snapshot
            await asyncio.sleep(pace.look)

    def _record(self, tab: Tab, prompt: str, request: GenerationRequest, model: str | None, last: Snapshot) -> None:
        number = tab.runs[-1].number + 1 if tab.runs else 1
        status = self._service.status(model)
        # What really ran, which need not be what was asked for: the bundled checkpoint may stand in.
        name = status.name if status.info is None else status.info.name
        tab.record(RunRecord(number, datetime.now().astimezone(), name, request, last))
        tab.last_prompt, tab.last_text, tab.last_allowance = prompt, last.text, last.metrics.max_new_tokens
