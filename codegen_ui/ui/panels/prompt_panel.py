"""The prompt editor, its token count, and the buttons that start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import InvalidInput
from codegen_ui.service import Service
from codegen_ui.texts import MAX_PROMPT_CHARACTERS, PROMPT
from codegen_ui.ui import figures
from codegen_ui.ui.figures import NONE, Live
from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.panels.live_panel import LivePanel, OutputPanel
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.panels.records_panel import RecordsPanel
from codegen_ui.ui.panels.settings_panel import SettingsPanel
from codegen_ui.ui.sessions import Lines, Sessions
from codegen_ui.ui.widgets import QUIET, drawn, session_of, visitor_of

LINES = 11
TYPING_PAUSE_SECONDS = 0.2

METER = """
<div class="cg-meter" aria-live="off"><span data-f="prompt"></span><span data-f="new"></span><span data-f="left"></span>
<span class="cg-history"><button type="button" data-act="undo" aria-disabled="true"
title="The prompt as it was before it was replaced">Undo</button><button type="button" data-act="redo"
aria-disabled="true" title="Takes the last Undo back">Redo</button></span>
<span class="cg-keys" id="cg-keys">Ctrl+Enter generates · Tab indents · Esc, then Tab leaves the editor</span></div>"""


class PromptPanel:
    """`editor` holds the prompt; `meter` shows `meter_value`."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self.editor = gr.Textbox(
            lines=LINES,
            max_lines=LINES,
            label="Prompt",
            placeholder="def binary_search(items, target):",
            elem_id="cg-prompt",
            autoscroll=False,
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocorrect="off", autocapitalize="off"),
        )
        self.meter = drawn(meter_value(None, None, None), METER, "meter", "cg-meter")
        with gr.Row(elem_id="cg-actions"):
            self.generate = gr.Button("Generate", variant="primary", elem_id="cg-generate", scale=3, min_width=120)
            self.stop_button = gr.Button("Stop", interactive=False, elem_id="cg-stop", scale=2, min_width=72)
            self.continue_button = gr.Button("Continue", elem_id="cg-continue", scale=2, min_width=72)
            self.clear_button = gr.Button("Clear", elem_id="cg-clear", scale=1, min_width=64)

    def wire(
        self,
        page: gr.Blocks,
        model: ModelPanel,
        settings: SettingsPanel,
        inputs: Sequence[Any],
        shown: tuple[OutputPanel, LivePanel, RecordsPanel],
    ) -> None:
        """`inputs` are the widgets of `Inputs`; `shown` is where a run is seen."""
        output, live, self._records = shown
        self._generating: dict[str, Any] = {
            "fn": self.run,
            "inputs": [*inputs, model.picker],
            "outputs": [output.lines, live.figures],
            "show_progress": "hidden",
            "api_visibility": "private",
            # Raw values: `Inputs` checks them, and text and figures need no work of Gradio's at each update.
            "preprocess": False,
            "postprocess": False,
        }
        self.generates(self.generate.click, trigger_mode="multiple")
        ahead = [self.editor, settings.widgets["max_length"]]
        refilled = self.continue_button.click(self.go_on, [*ahead, model.picker], ahead, **QUIET)
        self.generates(refilled.then)
        self.stop_button.click(self.stop, None, None, **QUIET)
        cleared = [self.editor, output.lines, live.figures]
        self.clear_button.click(self.clear, None, cleared, **QUIET, postprocess=False)
        page.unload(self.leave)
        gr.on(
            [self.editor.change, settings.widgets["max_length"].change, model.head.change, page.load],
            self.count,
            [*ahead, model.picker],
            self.meter,
            trigger_mode="always_last",
            **QUIET,
        )
        self.editor.change(None, js="() => codegenUI.edited()", show_progress="hidden", api_visibility="private")

    def generates(self, listener: Callable[..., Any], **options: Any) -> None:
        """Have an event generate from what the editor and the settings hold then."""
        self._records.shows(listener(**self._generating, **options))

    async def run(self, request: gr.Request, *values: Any) -> AsyncGenerator[tuple[Any, Any], None]:
        """Stream the output and the live panel. `values` are those of `Inputs`, then the model."""
        *fields, model = values
        async for update in self._sessions.run(session_of(request), Inputs.of(*fields), model, visitor_of(request)):
            # At the end Gradio sends the last value again, which must not undo what another handler has shown since.
            lines, live = update or (None, gr.skip())
            yield gr.skip() if lines is None else lines, live

    async def go_on(self, prompt: str, max_length: Any, model: str | None, request: gr.Request) -> tuple[Any, Any]:
        """The last output, prompt included, unless something else was typed since; room enough to go on."""
        length = int(max_length or 0)
        prompt, room = await self._sessions.go_on(session_of(request), prompt or "", length, model)
        return prompt, gr.skip() if room == length else room

    async def stop(self, request: gr.Request) -> None:
        self._sessions.stop(session_of(request))

    async def clear(self, request: gr.Request) -> tuple[str, Lines, Live]:
        """An empty editor and output; what is running stops."""
        self._sessions.clear(session_of(request))
        return "", [], figures.idle()

    async def leave(self, request: gr.Request) -> None:
        self._sessions.leave(session_of(request))

    async def count(self, prompt: str, max_length: float, model: str | None) -> dict[str, str]:
        """The token count under the editor, a moment after the last key."""
        await asyncio.sleep(TYPING_PAUSE_SECONDS)
        engine = self._service.engines().get(self._service.status(model).name)
        if engine is None or len(prompt or "") > MAX_PROMPT_CHARACTERS:
            return meter_value(None, None, None)
        try:
            PROMPT.check("prompt", prompt or " ")
        except InvalidInput:
            return meter_value(None, None, None)
        tokens = await asyncio.to_thread(engine.count_tokens, prompt) if prompt else 0
        if tokens is None:
            return meter_value(None, None, None)
        return meter_value(tokens, max(0, int(max_length or 0) - tokens), engine.info.context)


def meter_value(prompt_tokens: int | None, new_tokens: int | None, context: int | None) -> dict[str, str]:
    """Prompt tokens, what the maximum length leaves for new ones, what is left of the context; None: not known yet."""
    if prompt_tokens is None or new_tokens is None or context is None:
        return {"prompt": f"{NONE} prompt tokens", "new": "", "left": "", "tone": ""}
    count = f"{prompt_tokens:,} prompt token{'' if prompt_tokens == 1 else 's'}"
    if prompt_tokens >= context:
        note = f"more than the context of {context:,}: the beginning will be dropped"
        return {"prompt": count, "new": note, "left": "", "tone": "warn"}
    return {
        "prompt": count,
        "new": f"up to {new_tokens:,} new" if new_tokens else "no room for new tokens: raise the maximum length",
        "left": f"{context - prompt_tokens:,} of {context:,} left",
        "tone": "" if new_tokens else "warn",
    }
