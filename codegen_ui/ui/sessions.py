"""What a tab of the page does: it runs, stops, continues, leaves, and remembers its last runs.

A tab is known by Gradio's session hash. Everything here is called on the event loop, one thing at a time between
awaits, so no lock is needed. The engine has its own thread and pace: a slow browser costs it nothing, and whatever ends
a run (its end, Stop, a closed tab, a lost connection) frees its slot.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.generation import Snapshot
from codegen_ui.highlight import IncrementalHighlighter
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.service import Service
from codegen_ui.texts import MAX_PROMPT_CHARACTERS
from codegen_ui.ui import figures
from codegen_ui.ui.figures import Live
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.panels.advice import advise
from codegen_ui.ui.panels.records_panel import Record
from codegen_ui.ui.run import Run, snapshots
from codegen_ui.ui.session import Ran, Session, name

MAX_SESSIONS = 2000
MAX_RECORDS_IN_ALL = 20_000
"""Of all sessions; each takes about 3 kB."""
AWAY_SECONDS = 300.0
"""A tab that was left may be one whose network is away: so long it finds what it did when it comes back."""
MAX_AWAY = 200
"""Tabs that were left and are remembered: where many come and go, the latest."""
AHEAD = 6
"""Messages that may wait for a reader: a prompt and its completion are sent to one that fetched what came before."""
ABSENT_SECONDS, FETCH_LOOK_SECONDS = 20.0, 0.1
ENOUGH_TO_GO_ON, ROOM_TO_GO_ON = 32, 128
"""New tokens that a maximum length must leave when a completion is continued; else it is raised to leave so many."""

Lines = list[str]
"""The output's value: safe HTML, one string a line."""

Update = tuple[Lines | None, Live]
"""What a page shows at one moment; None leaves the output as it is."""


class Sessions:
    """Every tab that ran something, the one that was used last at the end."""

    def __init__(self, service: Service, unread: Callable[[str], int] = lambda key: 0) -> None:
        """`unread` tells how many messages a tab, or a client of `/generate`, has not fetched yet."""
        self._service = service
        self._unread = unread
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    @property
    def running(self) -> int:
        """How many tabs show a run in progress."""
        return sum(session.run is not None for session in self._sessions.values())

    def find(self, key: str) -> Session | None:
        """The session of a tab that ran something; asking makes none."""
        return self._sessions.get(key)

    def records(self, key: str) -> Sequence[Record]:
        """A tab's runs, oldest first."""
        session = self.find(key)
        return () if session is None else tuple(session.records)

    async def run(
        self, key: str, inputs: Inputs, model: str | None, visitor: str = ""
    ) -> AsyncGenerator[Update | None, None]:
        """The output's lines and the live panel's figures as they change. Errors become figures; nothing is raised.

        The last item is None where another run, or Clear, took the page over: there is nothing more to show. An update
        may still have been on its way then; so what a page shows after Clear comes last on that very way.
        """
        session, run = self._open(key), Run(self._service, model)
        session.begin(run, inputs.prompt)
        try:
            async with aclosing(self._updates(key, session, run, inputs, model, visitor)) as updates:
                async for update in updates:
                    if run.superseded:
                        break
                    yield update
            if run.superseded:
                if session.run is None:
                    yield [], figures.idle()
                yield None
        finally:
            session.end(run)

    async def _updates(
        self, key: str, session: Session, run: Run, inputs: Inputs, model: str | None, visitor: str
    ) -> AsyncGenerator[Update, None]:
        """What a run has to show; `run` sees to it that nothing is shown that something else has taken the place of."""
        try:
            request = to_request(inputs, visitor=visitor or key)
            yield None, figures.waiting("starting", "", 0.0)
            started = time.monotonic()
            async for status in run.loading():
                yield None, figures.waiting("loading", figures.progress(status), time.monotonic() - started)
            if run.stopped:
                yield None, figures.refused("Stopped before the model was loaded.")
                return
            generation = await run.submit(request)
            # In another thread: whatever a visitor writes, colouring it takes none of the loop's time.
            highlighter = await asyncio.to_thread(IncrementalHighlighter, inputs.prompt)
            async for snapshot in snapshots(generation, self.pause):
                if run.superseded or not await self._fetched(key):
                    return
                if snapshot.finish_reason is not None:
                    session.keep(self._name(model), generation, request, snapshot)
                    self._bound_records()
                    lines = await asyncio.to_thread(highlighter.final, snapshot.text)
                else:
                    lines = await asyncio.to_thread(highlighter.update, snapshot.text)
                shown = figures.live(snapshot, self._note(model, run, snapshot))
                yield lines, {**shown, **advise(request, snapshot, self._unsupported(model))}
        except InvalidInput as problem:
            yield None, figures.invalid(problem)
        except PlaygroundError as error:
            yield None, figures.refused(str(error))

    async def text(self, request: GenerationRequest, model: str | None, key: str = "") -> AsyncGenerator[str, None]:
        """The growing completion, for `/generate`. Raises the `PlaygroundError` that ended it."""
        run = Run(self._service, model)
        try:
            async for _ in run.loading():
                continue
            shown: str | None = None
            async for snapshot in snapshots(await run.submit(request), self.pause):
                if not await self._fetched(key):
                    return
                if snapshot.error is not None:
                    raise snapshot.error
                if snapshot.text != shown:
                    shown = snapshot.text
                    yield shown
        finally:
            run.stop()

    async def go_on(self, key: str, prompt: str, max_length: int, model: str | None) -> tuple[str, int]:
        """The prompt to continue from, and a maximum length with room to do so."""
        session = self.find(key)
        if session is not None:
            prompt = session.go_on(prompt)
        engine = self._service.engines().get(self._service.status(model).name)
        countable = engine is not None and 0 < len(prompt) <= MAX_PROMPT_CHARACTERS
        tokens = await asyncio.to_thread(engine.count_tokens, prompt) if engine is not None and countable else None
        if engine is None or tokens is None or tokens + ENOUGH_TO_GO_ON <= max_length:
            return prompt, max_length
        room = max(ROOM_TO_GO_ON, 0 if session is None else session.allowance)
        return prompt, min(engine.info.context, tokens + room)

    def ran(self, key: str, request: GenerationRequest) -> Ran | None:
        """What came of a request, if it is the last that the tab ran."""
        session = self.find(key)
        return session.ran if session is not None and session.ran and session.ran.request == name(request) else None

    def last_text(self, key: str) -> str:
        """A tab's last completion."""
        session = self.find(key)
        return "" if session is None else session.text

    def stop(self, key: str) -> None:
        """Stop a tab's run; its stream shows the end itself."""
        session = self.find(key)
        if session is not None and session.run is not None:
            session.run.stop()

    def clear(self, key: str) -> None:
        """Stop a tab's run and forget its text."""
        session = self.find(key)
        if session is not None:
            session.clear()

    def leave(self, key: str) -> None:
        """The tab was closed, or its network is away: stop what it runs, forget what it did if it stays away."""
        self.stop(key)
        self._forget_absent()
        session = self.find(key)
        if session is not None:
            session.left = time.monotonic()

    def pause(self) -> float:
        """Seconds between two updates of a page.

        Each costs the server a few milliseconds, which the engine would rather have: among many each comes less often.
        """
        return max(0.1, 0.04 * self.running)

    async def _fetched(self, key: str) -> bool:
        """Wait for a reader that is behind; False where it fetches nothing: what it runs is of no use to anybody."""
        until = time.monotonic() + ABSENT_SECONDS
        # Looked for: Gradio's stream takes messages from a queue that tells nobody. It costs only who is behind.
        while self._unread(key) > AHEAD:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(FETCH_LOOK_SECONDS)
        return True

    def _note(self, model: str | None, run: Run, snapshot: Snapshot) -> str:
        """How long a place in the queue will take; why a run ended that nobody stopped."""
        if snapshot.finish_reason is FinishReason.CANCELLED and not run.stopped:
            return "The server is shutting down; the text so far is kept."
        status = self._service.status(model)
        position = snapshot.metrics.queue_position
        if not position or status.info is None:
            return ""
        seconds = self._service.waits.seconds(status.name, position, status.info.slots)
        return "" if seconds is None else f"starts in about {figures.about(seconds)}"

    def _open(self, key: str) -> Session:
        """A tab's session. Where there are too many, idle ones are forgotten, the oldest first; no run is stopped."""
        self._forget_absent()
        session = self._sessions.setdefault(key, Session())
        session.left = None
        self._sessions.move_to_end(key)
        if len(self._sessions) > MAX_SESSIONS:
            idle = (other for other, held in self._sessions.items() if held.run is None and other != key)
            self._sessions.pop(next(idle, ""), None)
        return session

    def _forget_absent(self) -> None:
        until = time.monotonic() - AWAY_SECONDS
        away = sorted((held.left, key) for key, held in self._sessions.items() if held.left is not None)
        for number, (left, key) in enumerate(away):
            if left <= until or number < len(away) - MAX_AWAY:
                del self._sessions[key]

    def _bound_records(self) -> None:
        """Where there are too many in all, one of the tab that was idle longest is forgotten."""
        if sum(len(session.records) for session in self._sessions.values()) > MAX_RECORDS_IN_ALL:
            next(session for session in self._sessions.values() if session.records).records.popleft()

    def _unsupported(self, model: str | None) -> Mapping[str, str]:
        info = self._service.status(model).info
        return {} if info is None else info.unsupported

    def _name(self, model: str | None) -> str:
        """What really runs, which need not be what was asked for: the bundled checkpoint may stand in."""
        status = self._service.status(model)
        return status.name if status.info is None else status.info.name
