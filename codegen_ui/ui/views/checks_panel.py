"""Checks on a completion: lines of Python that must be true of it, run in the visitor's browser and nowhere else."""

from __future__ import annotations

import gradio as gr

from codegen_ui.gallery import MAX_CHECK, MAX_CHECKS
from codegen_ui.ui.widgets import drawn

LABEL = "Checks, one a line, that must be true of the completion"

TEMPLATE = """
<div class="cg-bar"><h2>Checks</h2><span class="cg-state" role="status" aria-live="polite" data-f="score"></span>
<span class="cg-hint">run in your browser by Brython, never on the server</span>
<button type="button" data-act="again" disabled>Run again</button></div>
<ul class="cg-verdicts"></ul>
"""


class ChecksPanel:
    """`lines` holds the checks of the prompt at hand."""

    def __init__(self) -> None:
        self.lines = gr.Textbox(
            label=LABEL,
            placeholder="binary_search([1, 3, 5], 5) == 2",
            elem_id="cg-checks",
            lines=2,
            max_lines=6,
            max_length=MAX_CHECKS * MAX_CHECK,
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocorrect="off", autocapitalize="off"),
        )


class VerdictsPanel:
    """What the checks say of the output. The browser alone knows: no value ever comes from the server."""

    def __init__(self) -> None:
        self.list = drawn({}, TEMPLATE, "verdicts", "cg-verdicts")
