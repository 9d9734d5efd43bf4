"""View code: the prompt and settings at hand as programs that do the same elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import PlaygroundError
from codegen_ui.service import Service
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.views import snippets
from codegen_ui.ui.widgets import QUIET, drawn_apart, session_of

TEMPLATE = """
<details class="cg-section"><summary>View code</summary><div class="cg-tabs" role="tablist" aria-label="Program"></div>
<p class="cg-note" role="status"></p></details>
"""
ADDRESS = re.compile(r"https?://[\w.\-:\[\]]+/[\w./\-]*")
SOMEWHERE = "http://127.0.0.1:7860/"


class CodePanel:
    """`code` shows the snippets by name, plain text all of them."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self.code = drawn_apart({}, TEMPLATE, "code", "cg-code", ("open",))

    def wire(self, model: ModelPanel, inputs: Sequence[Any]) -> None:
        self.code.open(self.show, [*inputs, model.picker], self.code, **QUIET)

    async def show(self, request: gr.Request, event: gr.EventData, *values: Any) -> dict[str, Any]:
        """`values` are those of `Inputs`, then the model."""
        *fields, model = values
        given = getattr(event, "address", "")
        address = given if isinstance(given, str) and ADDRESS.fullmatch(given) else SOMEWHERE
        try:
            wanted = to_request(Inputs.of(*fields))
            engine = self._service.engine(model)
            ran = self._sessions.ran(session_of(request), wanted)
            if ran is not None:
                allowance, metrics = ran.metrics.max_new_tokens, ran.metrics
                told = snippets.Told(
                    self._service.status(model).name, engine.info, address, allowance,
                    metrics.output_tokens, metrics.dropped_prompt_tokens, metrics.seed,
                )  # fmt: skip
            else:
                tokens = await asyncio.to_thread(engine.count_tokens, str(wanted.prompt)) or 0
                length = min(wanted.max_length, engine.info.context)
                told = snippets.Told(
                    self._service.status(model).name, engine.info, address, max(1, length - tokens), seed=wanted.seed
                )
            return {"snippets": snippets.write(wanted, told), "note": ""}
        except PlaygroundError as error:
            return {"snippets": {}, "note": str(error)}
