"""How to generate: length, sampling, where to stop; three presets."""

from __future__ import annotations

from typing import Any

import gradio as gr

from codegen_ui.generation import ModelInfo
from codegen_ui.request import MAX_LENGTH, StopAt
from codegen_ui.service import Service
from codegen_ui.ui.inputs import DEFAULTS, FIELDS
from codegen_ui.ui.model_panel import ModelPanel
from codegen_ui.ui.widgets import QUIET

STOP_CHOICES = [
    ("Function end", StopAt.FUNCTION.value),
    ("Paper's rule", StopAt.PAPER.value),
    ("Model's end", StopAt.EOS.value),
    ("Max length", StopAt.LENGTH.value),
]

PRESETS: dict[str, dict[str, float]] = {
    "Greedy": {"temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1},
    "Paper": {"temperature": 0.2, "top_p": 0.95, "top_k": 0, "min_p": 0, "repetition_penalty": 1},
    "Creative": {"temperature": 0.8, "top_p": 0.95, "top_k": 0, "min_p": 0.02, "repetition_penalty": 1.05},
}

NEUTRAL = {"temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1, "seed": "", "stop": ""}
"""What a setting is when a model cannot honour it."""

NAMES = FIELDS[1:]
"""The fields of `Inputs` after its prompt."""


class SettingsPanel:
    """Widgets by the fields of `Inputs`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        with gr.Column(elem_id="cg-settings"):
            with gr.Row(elem_id="cg-presets"):
                gr.HTML("<h2>Settings</h2>", apply_default_css=False, elem_classes="cg-title")
                presets = [gr.Button(name, size="sm", min_width=64, elem_classes="cg-preset") for name in PRESETS]
            self.stop_at = gr.Radio(STOP_CHOICES, value=DEFAULTS["stop_at"], label="Stop at", elem_id="cg-stop-at")
            with gr.Row(elem_classes="cg-pair"):
                self.max_length = slider("max_length", "Max length, with prompt", 2, MAX_LENGTH, 1)
                self.temperature = slider("temperature", "Temperature, 0: greedy", 0, 2, 0.05)
            with gr.Row(elem_classes="cg-pair"):
                self.top_p = slider("top_p", "Top-p", 0.05, 1, 0.01)
                self.top_k = slider("top_k", "Top-k, 0: off", 0, 200, 1)
            with gr.Row(elem_classes="cg-pair"):
                self.min_p = slider("min_p", "Min-p", 0, 0.5, 0.01)
                self.repetition_penalty = slider("repetition_penalty", "Repetition penalty", 1, 2, 0.01)
            with gr.Row(elem_classes="cg-pair"):
                self.seed = gr.Textbox(label="Seed", placeholder="random", elem_id="cg-seed", lines=1, max_lines=1)
                self.stop = gr.Textbox(
                    label="Stop strings, one a line",
                    placeholder="\\n\\n\\n",
                    elem_id="cg-stop-strings",
                    lines=1,
                    max_lines=4,
                )
        for button, values in zip(presets, PRESETS.values(), strict=True):
            # Needs no server: the browser sets the sliders.
            button.click(
                None,
                js=f"() => {list(values.values())}",
                outputs=[getattr(self, name) for name in values],
                show_progress="hidden",
                api_visibility="private",
            )

    def widgets(self) -> list[Any]:
        """In the order of `Inputs`, after its prompt."""
        return [getattr(self, name) for name in NAMES]

    def wire(self, model: ModelPanel) -> None:
        model.head.change(self.adapt, [model.picker, self.max_length], self.widgets(), **QUIET)

    async def adapt(self, model: str | None, max_length: Any) -> list[Any]:
        """Grey out what the visitor's model cannot do, saying why; no maximum length beyond its context."""
        info = self._service.status(model).info
        return [limits(name, info, max_length) for name in NAMES]


def limits(name: str, info: ModelInfo | None, max_length: Any = None) -> Any:
    """The update of one setting for a model; None while it is not loaded: nothing is known to be limited then."""
    if info is not None and name in info.unsupported:
        return gr.update(interactive=False, info=info.unsupported[name], value=NEUTRAL.get(name, gr.skip()))
    if name != "max_length":
        return gr.update(interactive=True, info=None)
    if info is None or info.context >= MAX_LENGTH:
        return gr.update(interactive=True, maximum=MAX_LENGTH)
    if isinstance(max_length, int | float) and max_length > info.context:
        return gr.update(interactive=True, maximum=info.context, value=info.context)
    return gr.update(interactive=True, maximum=info.context)


def slider(name: str, label: str, low: float, high: float, step: float) -> gr.Slider:
    return gr.Slider(
        low,
        high,
        value=DEFAULTS[name],
        step=step,
        label=label,
        elem_id=f"cg-{name.replace('_', '-')}",
        min_width=120,
        buttons=[],
    )
