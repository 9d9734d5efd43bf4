"""Examples to click: the operator's, and those that the visitor keeps in this browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from codegen_ui.gallery import Example

STORAGE_KEY = "codegen-playground-examples"
STORAGE_SECRET = "kept by the visitor, secret to nobody"
"""Gradio encrypts what it stores with this; a fixed word keeps saved examples readable after a restart."""
MAX_SAVED = 50

Saved = list[dict[str, Any]]
"""Examples as the browser stores them."""

TEMPLATE = """
<nav class="cg-gallery" aria-label="Examples"><div class="cg-chips" data-kind="example"></div>
<div class="cg-chips" data-kind="saved"></div></nav>
"""


@dataclass(frozen=True)
class GalleryPanel:
    """`gallery` fires `pick` and `forget` with `kind` and `index`; its value is `gallery_value`."""

    gallery: gr.HTML
    saved: gr.BrowserState


@dataclass(frozen=True)
class KeepPanel:
    """Keeps the prompt and settings at hand, here or as a file."""

    title: gr.Textbox
    save: gr.Button
    download: gr.Button
    message: gr.HTML


def build_gallery_panel(examples: Sequence[Example]) -> GalleryPanel:
    gallery = gr.HTML(
        value=gallery_value(examples, []),
        html_template=TEMPLATE,
        js_on_load="codegenUI.gallery(element, props, watch, (d) => trigger('pick', d), (d) => trigger('forget', d))",
        apply_default_css=False,
        elem_id="cg-gallery",
    )
    saved = gr.BrowserState([], storage_key=STORAGE_KEY, secret=STORAGE_SECRET)
    return GalleryPanel(gallery, saved)


def build_keep_panel() -> KeepPanel:
    with gr.Row(elem_id="cg-keep"):
        title = gr.Textbox(
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
        save = gr.Button("Save as example", size="sm", elem_id="cg-save", scale=2, min_width=96)
        download = gr.Button("Download", size="sm", elem_id="cg-download", scale=1, min_width=72)
    message = gr.HTML(
        value={"message": ""},
        html_template='<p class="cg-hint" role="status" data-f="message"></p>',
        js_on_load="codegenUI.texts(element, props, watch)",
        apply_default_css=False,
        elem_id="cg-keep-message",
    )
    return KeepPanel(title, save, download, message)


def gallery_value(examples: Sequence[Example], saved: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Titles and descriptions, as plain text."""
    return {
        "example": [{"title": example.title, "description": example.description} for example in examples],
        "saved": [{"title": str(kept.get("title", "")), "description": "Saved in this browser"} for kept in saved],
    }


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
