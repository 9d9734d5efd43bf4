"""The prompt editor, its token count, and the buttons that start and stop."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from codegen_ui.ui.figures import NONE

LINES = 11


@dataclass(frozen=True)
class PromptPanel:
    """`meter`'s value is plain text by figure name, see `meter_value`."""

    prompt: gr.Textbox
    meter: gr.HTML
    generate: gr.Button
    stop: gr.Button
    go_on: gr.Button
    clear: gr.Button


METER = """
<div class="cg-meter" aria-live="off"><span data-f="prompt"></span><span data-f="new"></span><span data-f="left"></span>
</div>"""


def build_prompt_panel(initial: str) -> PromptPanel:
    prompt = gr.Textbox(
        value=initial,
        lines=LINES,
        max_lines=LINES,
        label="Prompt",
        placeholder="def binary_search(items, target):",
        elem_id="cg-prompt",
        autoscroll=False,
        html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocorrect="off", autocapitalize="off"),
    )
    meter = gr.HTML(
        value=meter_value(None, None, None),
        html_template=METER,
        js_on_load="codegenUI.texts(element, props, watch)",
        apply_default_css=False,
        elem_id="cg-meter",
    )
    with gr.Row(elem_id="cg-actions"):
        generate = gr.Button("Generate", variant="primary", elem_id="cg-generate", scale=3, min_width=120)
        stop = gr.Button("Stop", elem_id="cg-stop", scale=2, min_width=72)
        go_on = gr.Button("Continue", elem_id="cg-continue", scale=2, min_width=72)
        clear = gr.Button("Clear", elem_id="cg-clear", scale=1, min_width=64)
    return PromptPanel(prompt, meter, generate, stop, go_on, clear)


def meter_value(prompt_tokens: int | None, new_tokens: int | None, context: int | None) -> dict[str, str]:
    """Prompt tokens, what the maximum length leaves for new ones, what is left of the context; None: not known yet."""
    if prompt_tokens is None or new_tokens is None or context is None:
        return {"prompt": f"{NONE} prompt tokens", "new": "", "left": "", "tone": ""}
    count = f"{prompt_tokens:,} prompt token{'' if prompt_tokens == 1 else 's'}"
    if prompt_tokens >= context:
        note = f"more than the context of {context:,}: the beginning will be dropped"
        return {"prompt": count, "new": note, "left": "", "tone": "warn"}
    return {
        "prompt": count,
        "new": f"up to {new_tokens:,} new" if new_tokens else "no room for new tokens: raise the maximum length",
        "left": f"{context - prompt_tokens:,} of {context:,} left",
        "tone": "" if new_tokens else "warn",
    }
