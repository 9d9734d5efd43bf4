"""Examples to click: the operator's, and those that the visitor keeps in this browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.gallery import Example, dump_example, grouped
from codegen_ui.service import Service
from codegen_ui.ui.inputs import Inputs, from_settings, to_settings
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.panels.prompt_panel import PromptPanel
from codegen_ui.ui.panels.records_panel import title_of
from codegen_ui.ui.widgets import QUIET, drawn, offers_file

STORAGE_KEY = "codegen-playground-examples"
STORAGE_SECRET = "kept by the visitor, secret to nobody"
"""Gradio encrypts what it stores with this; a fixed word keeps saved examples readable after a restart."""
MAX_SAVED = 50

Saved = list[dict[str, Any]]
"""Examples as the browser stores them."""

TEMPLATE = """<nav class="cg-gallery" aria-label="Examples"></nav>
<p class="cg-describe cg-hint" aria-hidden="true">Point at an example to read what it asks for. A click generates.
</p>"""
SAVED = "Saved in this browser"
MESSAGE = '<p class="cg-hint" role="status" data-f="message"></p>'


class GalleryPanel:
    """`chips` shows `gallery_value` and fires `pick` and `forget` with `kind` and `index`."""

    def __init__(self, service: Service, examples: Sequence[Example]) -> None:
        self._service = service
        self._examples = tuple(examples)
        self.chips = drawn(gallery_value(examples, []), TEMPLATE, "gallery", "cg-gallery", ("pick", "forget"))
        self.saved = gr.BrowserState([], storage_key=STORAGE_KEY, secret=STORAGE_SECRET)

    def wire(self, page: gr.Blocks, model: ModelPanel, prompt: PromptPanel, filled: Sequence[Any]) -> None:
        """A click fills the editor, the settings and the checks (`filled`), and generates."""
        gr.on([page.load, self.saved.change], self.show, self.saved, self.chips, **QUIET)
        self.chips.forget(self.forget, self.saved, self.saved, **QUIET)
        picked = self.chips.pick(self.pick, [self.saved, model.picker], list(filled), trigger_mode="multiple", **QUIET)
        prompt.generates(picked.then)

    async def show(self, saved: object) -> dict[str, list[dict[str, Any]]]:
        return gallery_value(self._examples, sound(saved))

    async def forget(self, saved: object, event: gr.EventData) -> Saved:
        """The saved examples without one."""
        return [kept for index, kept in enumerate(sound(saved)) if index != getattr(event, "index", None)]

    async def pick(self, saved: object, model: str | None, event: gr.EventData) -> list[Any]:
        """An example's prompt, settings and checks; its maximum length at most the model's context."""
        kept = sound(saved)
        index, kind = getattr(event, "index", None), getattr(event, "kind", None)
        if kind == "saved" and isinstance(index, int) and 0 <= index < len(kept):
            inputs, checks = from_settings(kept[index]["prompt"], kept[index]["settings"]), checks_of(kept[index])
        elif kind == "example" and isinstance(index, int) and 0 <= index < len(self._examples):
            example = self._examples[index]
            inputs, checks = from_settings(example.prompt, example.settings), list(example.checks)
        else:
            return [gr.skip()] * (len(Inputs().values()) + 1)
        info = self._service.status(model).info
        if info is not None:
            inputs = inputs.but(max_length=min(inputs.settings["max_length"], info.context))
        return [*inputs.values(), "\n".join(checks)]


class KeepPanel:
    """Keeps the prompt and settings at hand, in the browser or as a file."""

    def __init__(self) -> None:
        with gr.Row(elem_id="cg-keep"):
            self.title = gr.Textbox(
                label="Title for this prompt",
                show_label=False,
                container=False,
                placeholder="Title for this prompt",
                elem_id="cg-keep-title",
                lines=1,
                max_lines=1,
                scale=3,
                min_width=120,
            )
            self.save_button = gr.Button("Save as example", size="sm", elem_id="cg-save", scale=2, min_width=96)
            self.download = gr.Button("Download", size="sm", elem_id="cg-download", scale=1, min_width=72)
        self.message = drawn({"message": ""}, MESSAGE, "texts", "cg-keep-message")

    def wire(self, gallery: GalleryPanel, kept: Sequence[Any]) -> None:
        """`kept` are the widgets of `Inputs` and the checks."""
        values = [self.title, gallery.saved, *kept]
        self.save_button.click(self.save, values, [gallery.saved, self.message], **QUIET)
        offers_file(self.download.click, self.dump, [self.title, *kept], self.message)

    async def save(self, title: str, saved: object, *values: Any) -> tuple[Any, dict[str, str]]:
        """Keep the prompt, its settings and its checks in the visitor's browser, under its title."""
        try:
            example = make_example(title, values)
            kept = {
                "title": example.title,
                "prompt": example.prompt,
                "settings": dict(example.settings),
                "checks": list(example.checks),
            }
        except InvalidInput as problem:
            return gr.skip(), {"message": f"Not saved. {problem}"}
        others = [other for other in sound(saved) if other["title"] != kept["title"]]
        return [*others, kept][-MAX_SAVED:], {"message": f"Saved “{kept['title']}” in this browser."}

    async def dump(self, title: str, *values: Any) -> tuple[dict[str, str], dict[str, str]]:
        """The same as a file that an operator can drop into the examples' folder: (file, message)."""
        try:
            example = make_example(title, values)
            return {"name": f"{slug(example.title)}.toml", "text": dump_example(example)}, {"message": ""}
        except PlaygroundError as problem:
            return {"name": "", "text": ""}, {"message": f"No file. {problem}"}


def gallery_value(examples: Sequence[Example], saved: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Groups in their order, each with a name, which may be "", and its chips: titles and descriptions, plain text."""
    places = {id(example): index for index, example in enumerate(examples)}
    groups = [
        {"name": name, "chips": [chip("example", places[id(one)], one.title, one.description) for one in members]}
        for name, members in grouped(examples).items()
    ]
    kept = [chip("saved", index, str(one.get("title", "")), SAVED) for index, one in enumerate(saved)]
    return {"groups": [*groups, {"name": SAVED, "chips": kept}] if kept else groups}


def chip(kind: str, index: int, title: str, description: str) -> dict[str, Any]:
    return {"kind": kind, "index": index, "title": title, "description": description}


def sound(saved: object) -> Saved:
    """What a browser stored, without what is no example: it may have been written by anything."""
    if not isinstance(saved, list):
        return []
    return [
        kept
        for kept in saved
        if isinstance(kept, dict)
        and isinstance(kept.get("title"), str)
        and isinstance(kept.get("prompt"), str)
        and isinstance(kept.get("settings"), dict)
    ]


def checks_of(kept: Mapping[str, Any]) -> list[str]:
    """Those of an example that a browser stored; the examples of earlier versions have none."""
    checks = kept.get("checks")
    return [check for check in checks if isinstance(check, str)] if isinstance(checks, list) else []


def make_example(title: str, values: Sequence[Any]) -> Example:
    """From a title and the values of `Inputs` and of the checks' field. Raises `InvalidInput`."""
    *fields, checks = values
    inputs = Inputs.of(*fields)
    name = title_for(title, inputs)
    return Example(name, f"{name}.", inputs.prompt, to_settings(inputs), checks=lines_of(checks))


def lines_of(checks: object) -> list[str]:
    """The checks of a field: one a line; empty ones and comments are none."""
    lines = (line.strip() for line in str(checks or "").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def title_for(title: str, inputs: Inputs) -> str:
    return (title or "").strip()[:80] or title_of(inputs.prompt)


def slug(title: str) -> str:
    """A file name from a title: 'Two sum II' -> 'two_sum_ii'."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in title.lower()).split()
    return "_".join(words)[:60] or "example"
