"""A Gradio that keeps no processor awake while nothing happens, no messages that nobody fetches, little of a tab."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio import queueing
from gradio.routes import App
from gradio.utils import LRUCache

from codegen_ui.errors import PlaygroundError

POLL_SECONDS = 0.02
"""Gradio's queue looks for new events a thousand times a second, a tenth of a core when idle; fifty times is enough."""
UNREAD_SECONDS = 60.0
"""A tab that fetches nothing for so long, while nothing of it runs, loses what waits for it."""
TIDY_SECONDS = 5.0
EVENTS = 100
"""Past events of which Gradio keeps figures, for a page that is closed. By itself it keeps 10,000."""
STATES = 200
"""Tabs of which Gradio keeps what it last sent them. By itself it keeps 10,000; a tab of which nothing is kept begins
anew."""


VALUES: dict[Any, tuple[type, ...]] = {
    gr.Textbox: (str, type(None)),
    gr.Dropdown: (str, type(None)),
    gr.Radio: (str, type(None)),
    gr.Slider: (int, float, type(None)),
}
"""What the browser may send of a widget."""


class PatientQueue(queueing.Queue):  # type: ignore[misc]
    """Gradio's queue with another pause between two looks, and another rule of what it forgets.

    By itself it forgets the tab that came first as soon as there are 2,000, even while that one's answer is being sent;
    and it never forgets which answers a tab still has to fetch.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sleep_when_free = POLL_SECONDS
        self.progress_update_sleep_when_free = POLL_SECONDS
        self.pending_messages_per_session = LRUCache(10**9)
        self.ANALYTICS_MAX_EVENTS = EVENTS
        self._used: dict[str, float] = {}
        self._tidied = 0.0

    def unread(self, session: str) -> int:
        """How many messages wait for a tab to fetch them."""
        waiting = self.pending_messages_per_session.get(session)
        return 0 if waiting is None else int(waiting.qsize())

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        """Take an event; see Gradio."""
        self.tidy(time.monotonic())
        pushed = await super().push(body, request, username)
        if body.session_hash is not None:
            self._used[body.session_hash] = time.monotonic()
        return pushed

    def send_message(self, event: Any, event_message: Any) -> None:
        """Leave a message for an event's tab, unless it has been forgotten."""
        if event.session_hash in self.pending_messages_per_session:
            self._used[event.session_hash] = time.monotonic()
            super().send_message(event, event_message)

    def tidy(self, now: float) -> None:
        """Forget the tabs that have fetched nothing for long and run nothing."""
        if now - self._tidied < TIDY_SECONDS:
            return
        self._tidied = now
        running = {event.session_hash for event in self.event_ids_to_events.values()}
        known = {*self.pending_messages_per_session, *self.pending_event_ids_session}
        for session in known - running:
            if now - self._used.get(session, 0.0) > UNREAD_SECONDS:
                for kept in (self.pending_messages_per_session, self.pending_event_ids_session, self._used):
                    kept.pop(session, None)

    def compute_analytics_summary(self, records: Any) -> dict[str, Any]:
        """Nothing: Gradio would make a table of its last 10,000 events after every event, for a page that is closed."""
        return {"functions": {}}


class PatientBlocks(gr.Blocks):  # type: ignore[misc]
    """Blocks whose queue is a `PatientQueue`. Gradio takes the class by its name, and no argument for it."""

    def queue(self, *arguments: Any, **options: Any) -> PatientBlocks:
        """Set the queue up; arguments as for `gr.Blocks.queue`."""

        def make(*arguments: Any, **options: Any) -> PatientQueue:
            self._patient = PatientQueue(*arguments, **options)
            return self._patient

        with instead(queueing, "Queue", make), no_application():
            super().queue(*arguments, **options)
        self.state_session_capacity = STATES
        return self

    def __exit__(self, *error: Any) -> None:
        """The page is complete."""
        with no_application():
            super().__exit__(*error)

    @property
    def state_holder(self) -> Any:
        """Gradio's states of tabs."""
        return self._states

    @state_holder.setter
    def state_holder(self, holder: Any) -> None:
        """Of every part of the page each tab would have its own configuration from the start, 130 kB, for links that
        this page has not; of a part without one Gradio makes it when the part first changes."""
        self._states = holder
        holder.blocks = SimpleNamespace(default_config=self.default_config, blocks={})

    async def call_function(self, block_fn: Any, processed_input: list[Any], *arguments: Any, **options: Any) -> Any:
        """Call a handler, which gets raw values: those that no widget gives are refused before. See Gradio."""
        for widget, value in zip(block_fn.inputs, processed_input, strict=False):
            for kind, allowed in VALUES.items():
                if isinstance(widget, kind) and (isinstance(value, bool) or not isinstance(value, allowed)):
                    raise gr.Error(f"{widget.label or 'A value'} is not of its kind.", print_exception=False)
        try:
            return await super().call_function(block_fn, processed_input, *arguments, **options)
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except AttributeError as error:
            if "'EventData' object" not in str(error):
                raise
            raise gr.Error("The event tells too little of itself.", print_exception=False) from error

    def unread(self, session: str) -> int:
        """How many messages wait for a tab to fetch them."""
        return self._patient.unread(session)


def no_application() -> AbstractContextManager[None]:
    """Gradio makes an application of ninety routes whenever something is said of the whole page: here none, for what
    serves is made where it is mounted."""
    return instead(App, "create_app", staticmethod(lambda blocks, **_: None))


@contextmanager
def instead(owner: Any, name: str, other: Any) -> Iterator[None]:
    """Let `other` stand for what a module or a class calls `name`."""
    kept = vars(owner)[name]
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, kept)
