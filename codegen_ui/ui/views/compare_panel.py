"""Two settings or models on one prompt side by side; runs played again at their own pace, and two of them raced."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import PlaygroundError
from codegen_ui.service import Service
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.panels.settings_panel import PRESETS
from codegen_ui.ui.session import digest
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.views.compare import PAGE, Compares, Value, model_words, plan, settings_words
from codegen_ui.ui.widgets import QUIET, STREAMING, drawn_apart, session_of, visitor_of

TEMPLATE = """
<details class="cg-section"><summary>Compare and replay</summary>
<p class="cg-hint">Two runs of the prompt above, side by side, each with its own settings, model or prompt lookup; then
both again at the pace that the engine measured, token by token.</p>
<p class="cg-note" role="status"></p></details>
"""
ONE_MODEL = "This server offers one model; --model bundled --model bundled@float32, say, gives each side its own."
NO_LOOKUP = "No model that is loaded here drafts by prompt lookup."


class ComparePanel:
    """`view` shows what its script asks for: `offers`, what was `held`, a comparison, the last run's recording."""

    def __init__(self, service: Service, sessions: Sessions, compares: Compares) -> None:
        self._service = service
        self._sessions = sessions
        self._compares = compares
        self.view = drawn_apart({}, TEMPLATE, "compare", "cg-compare", ("open", "hold", "compare", "halt", "take"))

    def wire(self, page: gr.Blocks, model: ModelPanel, inputs: Sequence[Any]) -> None:
        given = [*inputs, model.picker]
        self.view.open(self.offer, model.picker, self.view, **QUIET)
        self.view.take(self.take, model.picker, self.view, **QUIET)
        self.view.hold(self.hold, given, self.view, **QUIET)
        self.view.compare(self.compare, given, self.view, **STREAMING)
        self.view.halt(self.halt, None, None, **QUIET)
        page.unload(self.halt)

    async def offer(self, model: str | None, request: gr.Request) -> Value:
        """What can be chosen, and the last run's recording."""
        statuses = [self._service.status(name) for name in self._service.names]
        lookup = any(status.info is not None and status.info.lookup for status in statuses)
        offers = {
            "models": [{"name": status.name, "label": model_words(status)} for status in statuses],
            "chosen": self._service.status(model).name,
            "settings": [PAGE, *PRESETS],
            "one_model": ONE_MODEL if len(statuses) == 1 else "",
            "no_lookup": "" if lookup else NO_LOOKUP,
        }
        return {"offers": offers, **await self.take(model, request)}

    async def take(self, model: str | None, request: gr.Request) -> Value:
        """The recording of the tab's last run; nothing where there is none, or its text is no longer known."""
        key = session_of(request)
        session, text = self._sessions.find(key), self._sessions.last_text(key)
        ran = None if session is None else session.ran
        if ran is None or digest(text) != ran.digest or not ran.recording.seconds:
            return {}
        label = f"last run · {model_words(self._service.status(model))} · seed {ran.metrics.seed}"
        return {"taken": {"id": ran.generation, "label": label, "pieces": ran.recording.pieces(text)}}

    async def hold(self, event: gr.EventData, *values: Any) -> Value:
        """The settings at hand, for one side to keep while the others change."""
        *fields, _ = values
        inputs = Inputs.of(*fields)
        try:
            told = settings_words(to_request(Inputs("x", **inputs.settings)))
        except PlaygroundError as problem:
            return {"note": str(problem)}
        words = ", ".join(f"{name} {value}" for name, value in told[:-1] if value)
        side = 1 if getattr(event, "side", 0) == 1 else 0
        return {"held": {"side": side, "settings": dict(inputs.settings), "words": words}}

    async def compare(self, request: gr.Request, event: gr.EventData, *values: Any) -> AsyncGenerator[Value, None]:
        """Both sides as they stream. `values` are those of `Inputs`, then the model."""
        *fields, model = values
        key = session_of(request)
        try:
            inputs, given = Inputs.of(*fields), getattr(event, "sides", None)
            sides = plan(self._service, inputs, model, given, visitor_of(request) or key)
        except PlaygroundError as problem:
            yield {"note": str(problem), "busy": ""}
            return
        async for value in self._compares.run(key, sides, getattr(event, "order", "") == "together"):
            yield value

    async def halt(self, request: gr.Request) -> None:
        self._compares.runs.stop(session_of(request))
