"""The page: its panels from top to bottom, then what moves what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from codegen_ui.gallery import Example
from codegen_ui.service import Service
from codegen_ui.ui.actions import LOADING_TICK_SECONDS, Actions
from codegen_ui.ui.box_panel import BoxPanel, build_box_panel
from codegen_ui.ui.gallery_panel import GalleryPanel, KeepPanel, build_gallery_panel, build_keep_panel
from codegen_ui.ui.live_panel import LivePanel, build_live_panel
from codegen_ui.ui.model_panel import ModelPanel, build_model_panel
from codegen_ui.ui.output_panel import OutputPanel, build_output_panel
from codegen_ui.ui.prompt_panel import PromptPanel, build_prompt_panel
from codegen_ui.ui.runs_panel import RunsPanel, build_runs_panel
from codegen_ui.ui.settings_panel import SettingsPanel, build_settings_panel
from codegen_ui.ui.theme import make_look
from codegen_ui.ui.visitors import Visitors

TITLE = "CodeGen Playground"
QUEUE_POLL_SECONDS = 0.02
"""Gradio looks for new events a thousand times a second, a tenth of a core when idle; fifty times is enough."""


@dataclass(frozen=True)
class Page:
    """The blocks, their queue set up, and what `gr.mount_gradio_app` takes with them."""

    blocks: gr.Blocks
    theme: gr.themes.Base
    css: str
    head: str


@dataclass(frozen=True)
class Panels:
    """Every panel of the page."""

    model: ModelPanel
    gallery: GalleryPanel
    prompt: PromptPanel
    keep: KeepPanel
    settings: SettingsPanel
    live: LivePanel
    output: OutputPanel
    runs: RunsPanel
    box: BoxPanel
    timer: gr.Timer

    @property
    def inputs(self) -> list[Any]:
        """In the order of `Inputs`."""
        return [self.prompt.prompt, *self.settings.widgets()]


def build_page(service: Service, gallery: Sequence[Example], *, max_events: int = 256) -> Page:
    """The page over a service, which need not have loaded anything yet.

    Args:
        max_events: how many handlers may run at once; the engine's own queue decides whose turn it is, so this is
            only a bound on open streams.
    """
    look = make_look()
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False) as blocks:
        panels = build_panels(service, gallery)
        wire(blocks, panels, Actions(service, gallery, Visitors()))
    blocks.queue(api_open=False, default_concurrency_limit=max_events)
    if hasattr(blocks._queue, "sleep_when_free"):
        blocks._queue.sleep_when_free = QUEUE_POLL_SECONDS
    return Page(blocks, look.theme, look.css, look.head)


def build_panels(service: Service, gallery: Sequence[Example]) -> Panels:
    model = build_model_panel(service)
    examples = build_gallery_panel(gallery)
    with gr.Row(elem_id="cg-bench"):
        with gr.Column(scale=5, min_width=320, elem_id="cg-left"):
            prompt = build_prompt_panel("")
            settings = build_settings_panel()
            keep = build_keep_panel()
        with gr.Column(scale=7, min_width=320, elem_id="cg-right"):
            live = build_live_panel()
            output = build_output_panel()
    runs = build_runs_panel()
    box = build_box_panel()
    timer = gr.Timer(LOADING_TICK_SECONDS)
    return Panels(model, examples, prompt, keep, settings, live, output, runs, box, timer)


def wire(blocks: gr.Blocks, panels: Panels, actions: Actions) -> None:
    wire_generation(blocks, panels, actions)
    wire_gallery(blocks, panels, actions)
    wire_status(blocks, panels, actions)
    gr.api(actions.api, api_name="generate")


QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private", "preprocess": False}
"""For handlers that answer at once: no queue, no spinner, not in the API's docs; values as the browser sent them, for
`Inputs` checks them where it matters."""


def wire_generation(blocks: gr.Blocks, panels: Panels, actions: Actions) -> None:
    prompt, gallery = panels.prompt, panels.gallery
    generate: dict[str, Any] = {
        "fn": actions.run,
        "inputs": [*panels.inputs, panels.model.picker],
        "outputs": [panels.output.output, panels.live.live],
        "show_progress": "hidden",
        "api_visibility": "private",
        # Raw values: `Inputs` checks them, and text and figures need no work of Gradio's at each update.
        "preprocess": False,
        "postprocess": False,
    }
    ahead = [prompt.prompt, panels.settings.max_length]
    refill = {"fn": actions.go_on, "inputs": [*ahead, panels.model.picker], "outputs": ahead, **QUIET}
    fill = {"fn": actions.pick, "inputs": [gallery.saved, panels.model.picker], "outputs": panels.inputs, **QUIET}
    for run in (
        prompt.generate.click(**generate, trigger_mode="multiple"),
        prompt.go_on.click(**refill).then(**generate),
        gallery.gallery.pick(**fill, trigger_mode="multiple").then(**generate),
    ):
        run.then(actions.runs, None, panels.runs.runs, **QUIET)
    prompt.stop.click(actions.stop, None, None, **QUIET)
    prompt.clear.click(
        actions.clear, None, [prompt.prompt, panels.output.output, panels.live.live], **QUIET, postprocess=False
    )
    blocks.unload(actions.leave)


def wire_gallery(blocks: gr.Blocks, panels: Panels, actions: Actions) -> None:
    gallery, keep = panels.gallery, panels.keep
    blocks.load(actions.show_gallery, gallery.saved, gallery.gallery, **QUIET)
    gallery.saved.change(actions.show_gallery, gallery.saved, gallery.gallery, **QUIET)
    gallery.gallery.forget(actions.forget, gallery.saved, gallery.saved, **QUIET)
    keep.save.click(
        actions.save,
        [keep.title, gallery.saved, *panels.inputs],
        [gallery.saved, keep.message],
        **QUIET,
    )
    file = gr.JSON(visible=False)
    keep.download.click(actions.dump, [keep.title, *panels.inputs], [file, keep.message], **QUIET).then(
        None, file, None, js="(file) => codegenUI.save(file)", show_progress="hidden", api_visibility="private"
    )


def wire_status(blocks: gr.Blocks, panels: Panels, actions: Actions) -> None:
    model, prompt = panels.model, panels.prompt
    status = [model.head, panels.box.box, panels.timer]
    gr.on([panels.timer.tick, blocks.load], actions.tick, model.picker, status, **QUIET)
    model.picker.input(actions.choose, model.picker, status, **QUIET)
    model.head.change(actions.adapt, model.picker, panels.settings.widgets(), **QUIET)
    gr.on(
        [prompt.prompt.change, panels.settings.max_length.change, model.head.change, blocks.load],
        actions.count,
        [prompt.prompt, panels.settings.max_length, model.picker],
        prompt.meter,
        trigger_mode="always_last",
        **QUIET,
    )
