"""A picture of the engine: one lane a slot, one cell a step. Nobody's text is in it, and nobody's name.

A run's own steps are its timeline, which can be taken away as JSON:

    {"queue_seconds", "prefill_seconds", "ttft_seconds", "latency_seconds", "stopped_by", "prompt_tokens",
     "cached_prompt_tokens", "output_tokens", "drafted_tokens", "accepted_tokens",
     "steps": [{"at", "seconds", "streams", "prefill", "decoded", "accepted"}, ...]}

Times are in seconds; `at` is a step's end, counted from the end of the run's first step. `streams` took part in it,
the run's own `prefill` prompt tokens were computed, its completion gained `decoded` tokens, of which `accepted` had
been drafted. Earlier steps of a long run may be forgotten: "steps_forgotten" says whether any are.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Container, Sequence
from typing import Any

import gradio as gr
import segno

from codegen_ui.errors import PlaygroundError
from codegen_ui.follow import Signal
from codegen_ui.service import Service
from codegen_ui.status import ModelStatus, Phase
from codegen_ui.steps import Cell, Step
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.run import TabRuns
from codegen_ui.ui.session import Ran
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.views.code_panel import ADDRESS
from codegen_ui.ui.widgets import QUIET, STREAMING, drawn_apart, session_of

WIDTH = 96
"""Steps that are shown."""
IDLE, PREFILL, DECODE, ACCEPTED = ".", "p", "d", "a"
"""What a lane did in a step; the visitor's own in capitals."""

Value = dict[str, Any]

PAUSE_SECONDS = 0.25
"""Between two pictures at least; an engine at rest has none drawn."""
OPEN_SECONDS = 600.0
"""How long a picture moves without a new click: a forgotten tab shall not be drawn for ever."""
TEMPLATE = """
<details class="cg-section"><summary>The engine's lanes</summary>
<p class="cg-hint">A lane is a slot, a column a step. <i class="p"></i>prompt
<i class="d"></i>token <i class="a"></i>accepted drafts; yours are framed, nobody's text is in it.</p>
<div class="cg-lanes"></div><p class="cg-hint" data-f="mean"></p><p class="cg-note" role="status"></p>
<div class="cg-join" hidden><div></div><p class="cg-hint"></p></div></details>
"""
TIMELINE = """
<div class="cg-section" hidden><p class="cg-hint"></p><figure></figure>
<button type="button" data-act="json">Timeline as JSON</button>
<button type="button" data-act="svg">Timeline as SVG</button></div>
"""


def letter(cell: Cell, own: Container[str]) -> str:
    kind = PREFILL if cell.prefill else ACCEPTED if cell.accepted else DECODE
    return kind.upper() if cell.generation in own else kind


def lanes(steps: Sequence[Step], own: Container[str], least: int) -> Value:
    """Rows of letters, one a slot and at least so many, the newest step at the right; and figures in words.

    `own` are the ids of the visitor's generations.
    """
    shown = list(steps)[-WIDTH:]
    slots = sorted({cell.slot for step in shown for cell in step.cells})
    names = slots + [slot for slot in range(least + len(slots)) if slot not in slots][: max(0, least - len(slots))]
    rows = {slot: [IDLE] * len(shown) for slot in names}
    for column, step in enumerate(shown):
        for cell in step.cells:
            rows[cell.slot][column] = letter(cell, own)
    busy = sum(len(step.cells) for step in shown)
    mean = sum(step.seconds for step in shown) / len(shown) if shown else 0.0
    return {
        "rows": ["".join(rows[slot]).rjust(WIDTH, IDLE) for slot in sorted(rows)],
        "steps": str(shown[-1].number + 1 if shown else 0),
        "mean": f"{1000 * mean:.1f} ms a step, {busy / len(shown):.1f} streams in it" if shown else "no step yet",
    }


def timeline(steps: Sequence[Step], ran: Ran) -> Value:
    """A run's own steps and figures, in the schema above."""
    mine = [(step, cell) for step in steps for cell in step.cells if cell.generation == ran.generation]
    first = mine[0][0].ended if mine else 0.0
    metrics = ran.metrics
    return {
        "queue_seconds": metrics.queue_seconds,
        "prefill_seconds": metrics.prefill_seconds,
        "ttft_seconds": metrics.ttft_seconds,
        "latency_seconds": metrics.latency_seconds,
        "stopped_by": None if ran.reason is None else ran.reason.value,
        "prompt_tokens": metrics.prompt_tokens,
        "cached_prompt_tokens": metrics.cached_prompt_tokens,
        "output_tokens": metrics.output_tokens,
        "drafted_tokens": metrics.drafted_tokens,
        "accepted_tokens": metrics.accepted_tokens,
        "steps_forgotten": sum(cell.decoded for _, cell in mine) < metrics.output_tokens,
        "steps": [
            {
                "at": round(step.ended - first, 6),
                "seconds": round(step.seconds, 6),
                "streams": len(step.cells),
                "prefill": cell.prefill,
                "decoded": cell.decoded,
                "accepted": cell.accepted,
            }
            for step, cell in mine
        ],
    }


class LanesPanel:
    """`picture` shows `lanes.lanes`; `taken` the `lanes.timeline` of the last run."""

    def __init__(self, service: Service, sessions: Sessions, *others: TabRuns) -> None:
        """`others` are what tabs run beside their own run."""
        self._service = service
        self._others = others
        self._sessions = sessions
        self._watching: dict[str, Signal] = {}
        self.picture = drawn_apart({}, TEMPLATE, "lanes", "cg-lanes", ("open", "close", "take"))
        self.taken = drawn_apart({}, TIMELINE, "timeline", "cg-timeline")

    def wire(self, page: gr.Blocks, model: ModelPanel) -> None:
        self.picture.open(self.show, model.picker, self.picture, **STREAMING)
        self.picture.close(self.close, None, None, **QUIET)
        self.picture.take(self.take, model.picker, self.taken, **QUIET)
        page.unload(self.close)

    async def show(self, model: str | None, request: gr.Request, event: gr.EventData) -> AsyncGenerator[Any, None]:
        """The picture as the engine goes on, until the section or the tab is closed."""
        key, code = session_of(request), qr(getattr(event, "address", ""))
        self._end(key)
        news = self._watching[key] = Signal()
        until = time.monotonic() + OPEN_SECONDS
        own = set[str]()

        def heard(status: ModelStatus) -> None:
            if status.phase is Phase.FAILED:  # an engine that is gone tells no step
                news.set()

        try:
            with self._service.watching(heard):
                while self._watching.get(key) is news and time.monotonic() < until:
                    engine = self._service.engine(model)
                    with engine.steps.watching(news.set):
                        news.clear()
                        own |= self._own(key)
                        steps = engine.steps.since()[-WIDTH:]
                        note = "" if steps else "No step yet, or this backend does not tell its steps."
                        yield {**lanes(steps, own, engine.info.slots), "note": note, "qr": code}
                        await asyncio.sleep(PAUSE_SECONDS)
                        await news.comes(until - time.monotonic())
        except PlaygroundError as error:
            yield {"rows": [], "mean": "", "steps": "", "note": str(error), "qr": code}
        finally:
            if self._watching.get(key) is news:
                del self._watching[key]

    def _own(self, key: str) -> set[str]:
        """The ids of what the tab runs, and of what it ran last."""
        own = set[str]().union(*(other.generations(key) for other in self._others))
        session = self._sessions.find(key)
        if session is not None and session.ran is not None:
            own.add(session.ran.generation)
        if session is not None and session.run is not None and session.run.generation is not None:
            own.add(session.run.generation.id)
        return own

    async def close(self, request: gr.Request) -> None:
        self._end(session_of(request))

    def _end(self, key: str) -> None:
        """What moves for a tab moves no longer."""
        news = self._watching.pop(key, None)
        if news is not None:
            news.set()

    async def take(self, model: str | None, request: gr.Request) -> dict[str, Any]:
        """The timeline of the tab's last run; an empty one where there is none."""
        session = self._sessions.find(session_of(request))
        engine = self._service.engines().get(self._service.status(model).name)
        if session is None or session.ran is None or engine is None:
            return {}
        return timeline(engine.steps.since(), session.ran)


def qr(address: object) -> str:
    """An SVG that a phone reads the page's address from; "" where no other machine could use it."""
    if not isinstance(address, str) or not ADDRESS.fullmatch(address):
        return ""
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="svg", scale=4, border=3, xmldecl=False, svgns=True, light="#fff")
    return out.getvalue().decode()
