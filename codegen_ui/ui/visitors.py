"""What the page remembers of each open tab: the run in progress, the last text, the table of runs.

A tab is known by Gradio's session hash. Handlers run on the event loop, one at a time between awaits: no lock
is needed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from codegen_ui.generation import Generation
from codegen_ui.ui.runs import RunRecord

MAX_TABS = 2000
MAX_RUNS = 200


class Run:
    """One press of Generate, from the press to its end: waiting for a model, then a generation."""

    def __init__(self) -> None:
        self.stopped = False
        self.superseded = False
        self._generation: Generation | None = None

    def attach(self, generation: Generation) -> None:
        self._generation = generation
        if self.stopped:
            generation.cancel()

    def stop(self) -> None:
        """Returns at once; the engine frees the slot after its current step. Idempotent."""
        self.stopped = True
        if self._generation is not None:
            self._generation.cancel()


@dataclass
class Tab:
    """One open page."""

    run: Run | None = None
    last_prompt: str = ""
    last_text: str = ""
    last_allowance: int = 0  # new tokens that the last run might have taken
    runs: list[RunRecord] = field(default_factory=list)

    def begin(self) -> Run:
        """A new run; one that is still going is stopped and shall show nothing any more."""
        if self.run is not None:
            self.run.superseded = True
            self.run.stop()
        self.run = Run()
        return self.run

    def end(self, run: Run) -> None:
        run.stop()
        if self.run is run:
            self.run = None

    def record(self, record: RunRecord) -> None:
        self.runs.append(record)
        del self.runs[:-MAX_RUNS]


class Visitors:
    """Every open tab, the oldest forgotten first."""

    def __init__(self) -> None:
        self._tabs: OrderedDict[str, Tab] = OrderedDict()

    def tab(self, session: str) -> Tab:
        tab = self._tabs.setdefault(session, Tab())
        self._tabs.move_to_end(session)
        if len(self._tabs) > MAX_TABS:
            _, forgotten = self._tabs.popitem(last=False)
            stop(forgotten)
        return tab

    def leave(self, session: str) -> None:
        """The tab was closed."""
        tab = self._tabs.pop(session, None)
        if tab is not None:
            stop(tab)

    @property
    def running(self) -> int:
        """How many tabs show a run in progress."""
        return sum(1 for tab in self._tabs.values() if tab.run is not None)


def stop(tab: Tab) -> None:
    if tab.run is not None:
        tab.run.stop()
