"""The completion as it streams: highlighted lines that the browser patches one by one, with copy and download."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

TEMPLATE = """
<div class="cg-bar"><h2>Output</h2><span class="cg-legend"><i class="p"></i>prompt<i class="c"></i>completion</span>
<button type="button" data-act="copy">Copy</button><button type="button" data-act="download">Download .py</button></div>
<div class="cg-scroll" tabindex="0" role="region" aria-label="Prompt and completion"><pre><code></code></pre></div>
"""
"""Never mentions the value: the browser compiles templates, and model text must not get there."""


@dataclass(frozen=True)
class OutputPanel:
    """`output`'s value is a list of safe HTML strings, one a line."""

    output: gr.HTML


def build_output_panel() -> OutputPanel:
    output = gr.HTML(
        value=[],
        html_template=TEMPLATE,
        js_on_load="codegenUI.output(element, props, watch)",
        apply_default_css=False,
        elem_id="cg-output",
    )
    return OutputPanel(output)
