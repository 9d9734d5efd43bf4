"""The page's head: its name, which model answers (or how far it is loaded), the choice of a model, light and dark."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from codegen_ui.service import ModelStatus, Phase, Service
from codegen_ui.ui import figures

Status = dict[str, str]
"""The head's value: `tone` (loading, ready, failed), `line`, `facts`, `notice`, `percent`; plain text all of it."""

FIELDS = ("tone", "line", "facts", "notice", "percent")

TEMPLATE = """
<header class="cg-head">
  <div class="cg-brand"><h1>CodeGen <span>Playground</span></h1></div>
  <div class="cg-model" role="status" aria-live="polite"><i class="cg-dot"></i><span data-f="line"></span></div>
  <button type="button" class="cg-theme" title="Light or dark" aria-label="Switch between light and dark">◐</button>
</header>
<div class="cg-progress" hidden><i></i></div>
<p class="cg-facts" data-f="facts"></p>
<p class="cg-notice" data-f="notice" role="alert" hidden></p>
"""


@dataclass(frozen=True)
class ModelPanel:
    """`head` is blank until the page asks how things stand; `picker` holds the visitor's model, shown where there is a
    choice."""

    head: gr.HTML
    picker: gr.Dropdown


def build_model_panel(service: Service) -> ModelPanel:
    head = gr.HTML(
        value=dict.fromkeys(FIELDS, ""),
        html_template=TEMPLATE,
        js_on_load="codegenUI.head(element, props, watch)",
        apply_default_css=False,
        elem_id="cg-head",
    )
    picker = gr.Dropdown(
        choices=list(service.names),
        value=service.default,
        label="Model",
        visible=len(service.names) > 1,
        elem_id="cg-picker",
        filterable=False,
    )
    return ModelPanel(head, picker)


def describe(status: ModelStatus) -> Status:
    """What the head shows of a model's status."""
    blank = {"tone": status.phase.value, "line": "", "facts": "", "notice": status.notice, "percent": ""}
    if status.phase is Phase.FAILED:
        return {**blank, "line": f"{status.name} could not be loaded", "notice": f"{status.name}: {status.message}"}
    if status.phase is not Phase.READY or status.info is None:
        percent = "" if not status.total else f"{min(100.0, 100 * status.done / status.total):.0f}%"
        return {**blank, "tone": "loading", "line": f"{status.name}: {progress_text(status)}", "percent": percent}
    info = status.info
    took = "" if info.load_seconds is None else f"Loaded in {info.load_seconds:.1f} s"
    facts = [info.architecture]
    if info.parameters is not None:
        facts.append(f"{info.parameters / 1e6:,.0f} M parameters")
    if info.layers is not None:
        facts.append(f"{info.layers} layers")
    if info.dtype:
        facts.append(info.dtype if info.quantize == "none" else f"{info.dtype}, {info.quantize} weights")
    facts.append(info.device_name or info.device)
    if info.memory_bytes is not None:
        facts.append(f"{figures.size(info.memory_bytes)} taken")
    facts.append(f"context {info.context:,}")
    line = " · ".join(part for part in (info.name, took) if part)
    return {**blank, "line": line, "facts": " · ".join(part for part in facts if part)}


def progress_text(status: ModelStatus) -> str:
    """'downloading, 120 MB of 1.43 GB'."""
    stage = status.stage or "waiting to load"
    if status.total:
        return f"{stage}, {figures.size(status.done)} of {figures.size(status.total)}"
    return f"{stage}, {figures.size(status.done)}" if status.done else stage
