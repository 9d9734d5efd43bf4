"""The page's head: its name, which model answers (or how far it is loaded), the choice of a model, light and dark."""

from __future__ import annotations

from typing import Any

import gradio as gr

from codegen_ui.service import Service
from codegen_ui.status import ModelStatus, Phase
from codegen_ui.ui import figures
from codegen_ui.ui.panels.box_panel import BoxPanel, TurnPanel
from codegen_ui.ui.widgets import QUIET, drawn

LOADING_TICK_SECONDS = 0.6
QUIET_TICK_SECONDS = 2.0
"""The page asks how things stand: a stream that told it would be held open, and a handler with it, for every tab."""

Status = dict[str, str]
"""The head's value: `tone` (loading, ready, failed), `line`, `facts`, `notice`, `percent`; plain text all of it."""

FIELDS = ("tone", "line", "facts", "notice", "percent")

TEMPLATE = """
<header class="cg-head">
  <div class="cg-brand"><h1>CodeGen <span>Playground</span></h1></div>
  <div class="cg-model"><i class="cg-dot"></i><span data-f="line"></span></div>
  <button type="button" class="cg-present" title="Large type, one example after another">Present</button>
  <button type="button" class="cg-theme" title="Light or dark" aria-label="Switch between light and dark">◐</button>
</header>
<div class="cg-progress" hidden><i></i></div>
<p class="cg-facts" data-f="facts"></p>
<div class="cg-notice" role="alert" hidden><span data-f="notice"></span>
<button type="button" class="cg-retry" hidden>Try again</button></div>
"""


class ModelPanel:
    """`head` is blank until the page asks how things stand; `picker` holds the visitor's model, shown where there is a
    choice."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.head = drawn(dict.fromkeys(FIELDS, ""), TEMPLATE, "head", "cg-head", ("retry",))
        self.picker = gr.Dropdown(
            choices=list(service.names),
            value=service.default,
            label="Model",
            visible=len(service.names) > 1,
            elem_id="cg-picker",
            filterable=False,
        )
        self.timer = gr.Timer(LOADING_TICK_SECONDS)

    def wire(self, page: gr.Blocks, box: BoxPanel, turn: TurnPanel) -> None:
        """One look at the server tells the head, the box and the queue."""
        self._box, self._turn = box, turn
        shown = [self.head, box.figures, turn.line, self.timer]
        gr.on([self.timer.tick, page.load], self.show, self.picker, shown, **QUIET)
        gr.on([self.picker.input, self.head.retry], self.load, self.picker, shown, **QUIET)

    async def show(self, model: str | None) -> tuple[Status, dict[str, str], dict[str, str], Any]:
        """The head, the box, the queue and the timer: slow once the model is there."""
        status = self._service.status(model)
        quiet = status.phase in (Phase.READY, Phase.FAILED)
        timer = gr.Timer(QUIET_TICK_SECONDS if quiet else LOADING_TICK_SECONDS)
        return describe(status), self._box.value(model), self._turn.value(model), timer

    async def load(self, model: str | None) -> tuple[Status, dict[str, str], dict[str, str], Any]:
        """A model was chosen, or shall be tried again: it begins to load where it is neither ready nor loading."""
        self._service.request_load(model)
        return await self.show(model)


def describe(status: ModelStatus) -> Status:
    """What the head shows of a model's status."""
    blank = {"tone": status.phase.value, "line": "", "facts": "", "notice": status.notice, "percent": ""}
    if status.phase is Phase.FAILED:
        return {**blank, "line": f"{status.name} cannot be used", "notice": f"{status.name}: {status.message}"}
    if status.phase is not Phase.READY or status.info is None:
        percent = "" if not status.total else f"{min(100.0, 100 * status.done / status.total):.0f}%"
        return {**blank, "tone": "loading", "line": f"{status.name}: {figures.progress(status)}", "percent": percent}
    info = status.info
    took = "" if info.load_seconds is None else f"Loaded in {info.load_seconds:.1f} s"
    facts = [info.architecture]
    if info.parameters is not None:
        facts.append(f"{info.parameters / 1e6:,.0f} M parameters")
    if info.layers is not None:
        facts.append(f"{info.layers} layers")
    if info.dtype:
        facts.append(info.dtype if info.quantize == "none" else f"{info.dtype}, {info.quantize} weights")
    facts.append(info.device_name or info.device)
    if info.memory_bytes is not None:
        facts.append(f"{figures.size(info.memory_bytes)} taken")
    facts.append(f"context {info.context:,}")
    line = " · ".join(part for part in (info.name, took) if part)
    return {**blank, "line": line, "facts": " · ".join(part for part in facts if part)}
