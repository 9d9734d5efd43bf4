"""The run in progress: its figures, moving with it, and its text in highlighted lines that the browser patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from codegen_ui.request import StopAt
from codegen_ui.ui import figures
from codegen_ui.ui.panels.advice import PENALTY, raised
from codegen_ui.ui.panels.settings_panel import SettingsPanel
from codegen_ui.ui.widgets import QUIET, drawn

if TYPE_CHECKING:
    from codegen_ui.ui.panels.prompt_panel import PromptPanel


BIG = (("rate", ""), ("ttft", "time to first token"), ("latency", "latency"), ("output", "output tokens"))
SMALL = (
    ("now", "Tokens/s, last second"),
    ("mean", "Tokens/s, mean"),
    ("itl50", "Inter-token latency, p50"),
    ("itl95", "Inter-token latency, p95"),
    ("prompt", "Prompt tokens"),
    ("queue", "Queue"),
    ("prefill", "Prefill"),
    ("decode", "Decode tokens/s"),
    ("why", "Stopped by"),
    ("saved", "Saved by stopping early"),
    ("lookup", "Prompt lookup"),
    ("blog", "Blog post's figure: (prompt + output) / latency"),
)
OUTPUT = """
<div class="cg-bar"><h2>Output</h2><span class="cg-legend"><i class="p"></i>prompt<i class="c"></i>completion</span>
<button type="button" data-act="accept" aria-disabled="true" aria-keyshortcuts="Alt+Enter"
title="Moves the completion into the prompt: Alt+Enter">Accept</button>
<button type="button" data-act="copy">Copy</button><button type="button" data-act="download">Download .py</button></div>
<div class="cg-scroll" tabindex="0" role="region" aria-label="Prompt and completion"><pre><code></code></pre></div>
"""


class LivePanel:
    """`figures` shows plain text by figure name, see `figures.live`; it fires `again` with the advice's `act`."""

    def __init__(self) -> None:
        self.figures = drawn(figures.idle(), template(), "live", "cg-live", ("again",))

    def wire(self, settings: SettingsPanel, prompt: PromptPanel) -> None:
        """A click on the advice changes one setting, and generates again."""
        changed = [settings.widgets["repetition_penalty"], settings.widgets["stop_at"]]
        prompt.generates(self.figures.again(self.follow_advice, changed[0], changed, **QUIET).then)

    async def follow_advice(self, penalty: Any, event: gr.EventData) -> tuple[Any, Any]:
        """The repetition penalty and where to stop: one of them changed."""
        if event.act == "function":
            return gr.skip(), StopAt.FUNCTION.value
        better = raised(float(penalty)) if isinstance(penalty, int | float) else PENALTY
        return gr.skip() if better is None else better, gr.skip()


def template() -> str:
    big = "".join(
        f'<div class="cg-big"><b data-f="{name}"></b><span{"" if label else " data-f=rate_label"}>{label}</span></div>'
        for name, label in BIG
    )
    small = "".join(f'<div><dt>{label}</dt><dd data-f="{name}"></dd></div>' for name, label in SMALL)
    return f"""
<div class="cg-bar"><h2>Live</h2><span class="cg-state" data-f="state"></span>
<span class="cg-note" data-f="note"></span>
<button type="button" class="cg-seed" data-act="seed" title="Use this seed again">seed <b data-f="seed"></b></button>
</div>
<p class="cg-advice" hidden><span data-f="advice"></span>
<button type="button" data-act="again" data-f="act_label"></button></p>
<div class="cg-bigs">{big}
<figure class="cg-plot"><svg viewBox="0 0 {figures.PLOT_WIDTH:.0f} {figures.PLOT_HEIGHT:.0f}" preserveAspectRatio="none"
role="img" aria-label="Output tokens per second over time"><polygon></polygon><polyline></polyline></svg>
<figcaption data-f="peak"></figcaption></figure></div>
<details class="cg-more" open><summary>All figures</summary><dl class="cg-small">{small}</dl></details>
"""


class OutputPanel:
    """`lines` shows a list of safe HTML strings, one a line."""

    def __init__(self) -> None:
        self.lines = drawn([], OUTPUT, "output", "cg-output")
