"""A link to a run: prompt, settings, seed, model and a hash of the text, in the part of an address that stays there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.gallery import Example
from codegen_ui.generation import ModelInfo
from codegen_ui.service import Service
from codegen_ui.ui.inputs import DEFAULTS, Inputs, from_settings, to_request, to_settings
from codegen_ui.ui.panels.gallery_panel import lines_of
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.widgets import QUIET, drawn_apart, session_of

TEMPLATE = """
<details class="cg-section" data-fragment="run"><summary>Link to this run</summary>
<input type="text" readonly hidden aria-label="Link to this run"></details><p class="cg-note" role="status"></p>
"""
NUMBERS = ("model", "revision", "dtype", "quantize")
EXACT = "The text is the same where the numbers are: float32, or int8 on a CPU."

Value = dict[str, Any]


class LinkPanel:
    """`link` shows a note, and the run that a link shall hold."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self.link = drawn_apart({}, TEMPLATE, "link", "cg-link", ("open", "fill", "compare"))

    def wire(self, model: ModelPanel, inputs: Sequence[Any], checks: Any) -> None:
        given = [*inputs, checks, model.picker]
        self.link.open(self.describe, given, self.link, **QUIET)
        self.link.compare(self.compare, given, self.link, **QUIET)
        self.link.fill(self.fill, model.picker, [self.link, *inputs, checks], **QUIET)

    async def describe(self, request: gr.Request, *values: Any) -> Value:
        """What a link to the last run holds. `values` are those of `Inputs`, the checks, then the model."""
        *fields, checks, model = values
        try:
            inputs, key = Inputs.of(*fields), session_of(request)
            ran = self._sessions.ran(key, to_request(inputs))
            if ran is None:
                return {"note": "Generate something first, and do not change the prompt or the settings after it."}
            settings = {**to_settings(inputs), "seed": ran.metrics.seed}
            run = {
                "prompt": inputs.prompt,
                "settings": settings,
                "checks": lines_of(checks),
                "digest": ran.digest,
                **numbers(self._service.engine(model).info),
            }
            return {"note": EXACT, "run": run}
        except PlaygroundError as problem:
            return {"note": f"No link. {problem}"}

    async def fill(self, model: str | None, event: gr.EventData) -> list[Any]:
        """The widgets' values for what a link holds; nothing runs before a click."""
        given = {name: getattr(event, name, None) for name in ("prompt", "settings", "checks", *NUMBERS)}
        try:
            prompt, settings, checks = str(given["prompt"] or ""), given["settings"] or {}, given["checks"] or ()
            example = Example("Link", "A run.", prompt, settings, checks=checks)
            inputs = from_settings(example.prompt, example.settings)
        except (InvalidInput, TypeError) as problem:
            return [{"note": f"This link cannot be used. {problem}"}, *self._unchanged()]
        info = self._service.status(model).info
        note = f"Opened from a link: Generate runs it. {differences(given, info)}"
        return [{"note": note}, *inputs.values(), "\n".join(example.checks)]

    async def compare(self, request: gr.Request, event: gr.EventData, *values: Any) -> Value:
        """Whether the run gave the text that the link was made of."""
        *fields, _, _ = values
        key = session_of(request)
        try:
            ran = self._sessions.ran(key, to_request(Inputs.of(*fields)))
        except InvalidInput:
            return {"note": ""}
        if ran is None:
            return {"note": ""}
        if ran.digest == getattr(event, "digest", None):
            return {"note": "Identical to the text that the link was made of.", "same": "yes"}
        return {"note": f"Not the text that the link was made of. {EXACT}", "same": "no"}

    def _unchanged(self) -> list[Any]:
        return [gr.skip()] * (len(DEFAULTS) + 2)


def numbers(info: ModelInfo) -> dict[str, str]:
    """What must be the same for the text to be the same."""
    return {"model": info.name, "revision": info.revision, "dtype": info.dtype, "quantize": info.quantize}


def differences(given: Mapping[str, object], info: ModelInfo | None) -> str:
    """In words, where this model computes otherwise than the one that the link was made with."""
    if info is None:
        return ""
    here = numbers(info)
    told = {name: str(given[name])[:80] for name in NUMBERS if given[name] is not None}
    others = [f"{name} was {was}, here it is {here[name]}" for name, was in told.items() if was != here[name]]
    return f"Its text may differ: {'; '.join(others)}." if others else ""
