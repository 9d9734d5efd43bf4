"""How to generate: length, sampling, where to stop; three presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from codegen_ui.request import MAX_LENGTH, StopAt
from codegen_ui.ui.inputs import DEFAULTS

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


@dataclass(frozen=True)
class SettingsPanel:
    """Widgets by the fields of `Inputs`."""

    max_length: gr.Slider
    temperature: gr.Slider
    top_p: gr.Slider
    top_k: gr.Slider
    min_p: gr.Slider
    repetition_penalty: gr.Slider
    seed: gr.Textbox
    stop: gr.Textbox
    stop_at: gr.Radio

    def widgets(self) -> list[Any]:
        """In the order of `Inputs`, after its prompt."""
        return [
            self.max_length,
            self.temperature,
            self.top_p,
            self.top_k,
            self.min_p,
            self.repetition_penalty,
            self.seed,
            self.stop,
            self.stop_at,
        ]


def build_settings_panel() -> SettingsPanel:
    with gr.Column(elem_id="cg-settings"):
        with gr.Row(elem_id="cg-presets"):
            gr.HTML("<h2>Settings</h2>", apply_default_css=False, elem_classes="cg-title")
            presets = [gr.Button(name, size="sm", min_width=64, elem_classes="cg-preset") for name in PRESETS]
        stop_at = gr.Radio(STOP_CHOICES, value=DEFAULTS["stop_at"], label="Stop at", elem_id="cg-stop-at")
        with gr.Row(elem_classes="cg-pair"):
            max_length = slider("max_length", "Max length, with prompt", 2, MAX_LENGTH, 1)
            temperature = slider("temperature", "Temperature, 0: greedy", 0, 2, 0.05)
        with gr.Row(elem_classes="cg-pair"):
            top_p = slider("top_p", "Top-p", 0.05, 1, 0.01)
            top_k = slider("top_k", "Top-k, 0: off", 0, 200, 1)
        with gr.Row(elem_classes="cg-pair"):
            min_p = slider("min_p", "Min-p", 0, 0.5, 0.01)
            repetition_penalty = slider("repetition_penalty", "Repetition penalty", 1, 2, 0.01)
        with gr.Row(elem_classes="cg-pair"):
            seed = gr.Textbox(label="Seed", placeholder="random", elem_id="cg-seed", lines=1, max_lines=1)
            stop = gr.Textbox(
                label="Stop strings, one a line",
                placeholder="\\n\\n\\n",
                elem_id="cg-stop-strings",
                lines=1,
                max_lines=4,
            )
    panel = SettingsPanel(max_length, temperature, top_p, top_k, min_p, repetition_penalty, seed, stop, stop_at)
    for button, (_, values) in zip(presets, PRESETS.items(), strict=True):
        # Needs no server: the browser sets the sliders.
        button.click(
            None,
            js=f"() => {list(values.values())}",
            outputs=[getattr(panel, name) for name in values],
            show_progress="hidden",
            api_visibility="private",
        )
    return panel


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
