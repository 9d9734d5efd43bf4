"""How to generate: length, sampling, where to stop; three presets. The widgets are those of the table of settings."""

from __future__ import annotations

from typing import Any

import gradio as gr

from codegen_ui.generation import ModelInfo
from codegen_ui.kinds import Choice, Integer, Number, Switch
from codegen_ui.request import MAX_LENGTH, GenerationRequest, page_settings
from codegen_ui.service import Service
from codegen_ui.table import Setting
from codegen_ui.texts import StopStrings
from codegen_ui.ui.inputs import is_typed, shown
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.widgets import QUIET

PRESETS: dict[str, dict[str, float]] = {
    "Greedy": {"temperature": 0},
    "Paper": {"temperature": 0.2, "top_p": 0.95},
    "Creative": {"temperature": 0.8, "top_p": 0.95, "min_p": 0.02, "repetition_penalty": 1.05},
}
"""What is not named becomes neutral."""

IDS = {"stop": "cg-stop-strings"}
"""Ids of elements that are not just the setting's name: there is a button to stop as well."""


class SettingsPanel:
    """`widgets` by the settings' names, in the order of the table."""

    def __init__(self, service: Service, table: type = GenerationRequest) -> None:
        self._service = service
        self._settings = page_settings(table)
        found: dict[str, Any] = {}
        with gr.Column(elem_id="cg-settings"):
            with gr.Row(elem_id="cg-presets"):
                gr.HTML("<h2>Settings</h2>", apply_default_css=False, elem_classes="cg-title")
                presets = [gr.Button(name, size="sm", min_width=64, elem_classes="cg-preset") for name in PRESETS]
            wide = [one for one in self._settings if isinstance(one.kind, Choice)]
            narrow = [one for one in self._settings if one not in wide]
            found.update({one.name: widget(one) for one in wide})
            for first in range(0, len(narrow), 2):
                with gr.Row(elem_classes="cg-pair"):
                    found.update({one.name: widget(one) for one in narrow[first : first + 2]})
        self.widgets = {one.name: found[one.name] for one in self._settings}
        slid = [one for one in self._settings if isinstance(found[one.name], gr.Slider) and one.neutral is not None]
        for button, values in zip(presets, PRESETS.values(), strict=True):
            # Needs no server: the browser sets the sliders.
            button.click(
                None,
                js=f"() => {[values.get(one.name, one.neutral) for one in slid]}",
                outputs=[found[one.name] for one in slid],
                show_progress="hidden",
                api_visibility="private",
            )

    def wire(self, model: ModelPanel) -> None:
        model.head.change(self.adapt, [model.picker, self.widgets["max_length"]], list(self.widgets.values()), **QUIET)

    async def adapt(self, model: str | None, max_length: Any) -> list[Any]:
        """Grey out what the visitor's model cannot do, saying why; no maximum length beyond its context."""
        info = self._service.status(model).info
        return [limits(one, info, max_length) for one in self._settings]


def limits(one: Setting, info: ModelInfo | None, max_length: Any = None) -> Any:
    """The update of one setting for a model; None while it is not loaded: nothing is known to be limited then."""
    if info is not None and one.name in info.unsupported:
        return gr.update(interactive=False, info=info.unsupported[one.name], value=shown(one, one.neutral))
    if one.name != "max_length":
        return gr.update(interactive=True, info=None)
    if info is None or info.context >= MAX_LENGTH:
        return gr.update(interactive=True, maximum=MAX_LENGTH)
    if isinstance(max_length, int | float) and max_length > info.context:
        return gr.update(interactive=True, maximum=info.context, value=info.context)
    return gr.update(interactive=True, maximum=info.context)


def widget(one: Setting) -> Any:
    """What a setting is chosen with. Raises `TypeError` for a kind that the page has nothing for."""
    kind = one.kind
    about: dict[str, Any] = {
        "value": shown(one, one.default),
        "label": one.label,
        "elem_id": IDS.get(one.name, f"cg-{one.name.replace('_', '-')}"),
    }
    if isinstance(kind, Choice):
        return gr.Radio(list(zip(kind.labels or kind.words, kind.words, strict=True)), **about)
    if isinstance(kind, Switch):
        return gr.Checkbox(**about)
    if isinstance(kind, StopStrings):
        return gr.Textbox(placeholder="\\n\\n\\n", lines=1, max_lines=4, **about)
    if is_typed(one):
        return gr.Textbox(placeholder=one.unset, lines=1, max_lines=1, **about)
    if isinstance(kind, Integer | Number):
        step = 1 if isinstance(kind, Integer) else (kind.high - kind.low) / 100
        low, high, step = one.slider or (kind.low, kind.high, step)
        return gr.Slider(low, high, step=step, min_width=120, buttons=[], **about)
    raise TypeError(f"{one.name}: the page has no widget for {kind}")
