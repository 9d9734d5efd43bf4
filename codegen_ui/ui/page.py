"""The page: its panels from top to bottom, then what moves what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
from fastapi import FastAPI

from codegen_ui.gallery import Example
from codegen_ui.service import Service
from codegen_ui.ui.endpoint import add_endpoint
from codegen_ui.ui.panels.box_panel import BoxPanel, TurnPanel
from codegen_ui.ui.panels.gallery_panel import GalleryPanel, KeepPanel
from codegen_ui.ui.panels.link_panel import LinkPanel
from codegen_ui.ui.panels.live_panel import LivePanel, OutputPanel
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.panels.post_panel import PostPanel
from codegen_ui.ui.panels.prompt_panel import PromptPanel
from codegen_ui.ui.panels.records_panel import RecordsPanel
from codegen_ui.ui.panels.settings_panel import SettingsPanel
from codegen_ui.ui.patience import PatientBlocks
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.theme import make_look
from codegen_ui.ui.views.again import Again, TailPanel, TokensPanel
from codegen_ui.ui.views.checks_panel import ChecksPanel, VerdictsPanel
from codegen_ui.ui.views.code_panel import CodePanel
from codegen_ui.ui.views.compare import Compares
from codegen_ui.ui.views.compare_panel import ComparePanel
from codegen_ui.ui.views.lanes import LanesPanel
from codegen_ui.ui.views.samples import Grids, SamplesPanel

TITLE = "CodeGen Playground"


@dataclass(frozen=True)
class Page:
    """The blocks, their queue set up, and what they look like."""

    blocks: gr.Blocks
    theme: gr.themes.Base
    css: str
    head: str

    def mount(self, app: FastAPI, root_path: str = "") -> None:
        """Let `app` answer with the page wherever it has no route of its own: the last thing to add to it."""
        gr.mount_gradio_app(
            app,
            self.blocks,
            path="/",
            root_path=root_path or None,
            theme=self.theme,
            css=self.css,
            head=self.head,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            show_error=False,
            max_file_size=0,
            ssr_mode=False,
        )


def build_page(service: Service, examples: Sequence[Example], *, max_events: int = 256) -> Page:
    """The page over a service, which need not have loaded anything yet.

    Args:
        max_events: how many handlers may run at once; the engine's own queue decides whose turn it is, so this is
            only a bound on open streams.
    """
    blocks = PatientBlocks(title=TITLE, fill_width=True, analytics_enabled=False)
    sessions = Sessions(service, blocks.unread)
    again, grids, compares = Again(service, sessions), Grids(service), Compares(service)
    with blocks:
        model = ModelPanel(service)
        gallery = GalleryPanel(service, examples)
        with gr.Row(elem_id="cg-bench"):
            with gr.Column(scale=5, min_width=320, elem_id="cg-left"):
                prompt = PromptPanel(service, sessions)
                turn = TurnPanel(service)
                settings = SettingsPanel(service)
                checks = ChecksPanel()
                keep = KeepPanel()
            with gr.Column(scale=7, min_width=320, elem_id="cg-right"):
                live = LivePanel()
                output = OutputPanel()
                VerdictsPanel()
                tokens, tail = TokensPanel(again), TailPanel(again)
                code, link = CodePanel(service, sessions), LinkPanel(service, sessions)
        samples = SamplesPanel(grids)
        compare = ComparePanel(service, sessions, compares)
        records = RecordsPanel(sessions.records)
        post = PostPanel(service, sessions)
        lanes = LanesPanel(service, sessions, again.runs, grids.runs, compares.runs)
        box = BoxPanel(service)

        inputs = [prompt.editor, *settings.widgets.values()]
        model.wire(blocks, box, turn)
        settings.wire(model)
        prompt.wire(blocks, model, settings, inputs, (output, live, records))
        live.wire(settings, prompt)
        gallery.wire(blocks, model, prompt, [*inputs, checks.lines])
        samples.wire(blocks, model, inputs)
        compare.wire(blocks, model, inputs)
        tokens.wire(blocks, model, inputs)
        tail.wire(model, inputs)
        code.wire(model, inputs)
        lanes.wire(blocks, model)
        link.wire(model, inputs, checks.lines)
        keep.wire(gallery, [*inputs, checks.lines])
        post.wire(blocks, model)
        add_endpoint(sessions)
    blocks.queue(api_open=False, default_concurrency_limit=max_events)
    look = make_look()
    return Page(blocks, look.theme, look.css, look.head)
