"""The figures of the run in progress, moving with it."""

from __future__ import annotations

from codegen_ui.ui import figures
from codegen_ui.ui.widgets import drawn

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


class LivePanel:
    """`figures` shows plain text by figure name, see `figures.live`."""

    def __init__(self) -> None:
        self.figures = drawn(figures.idle(), template(), "live", "cg-live")


def template() -> str:
    big = "".join(
        f'<div class="cg-big"><b data-f="{name}"></b><span{"" if label else " data-f=rate_label"}>{label}</span></div>'
        for name, label in BIG
    )
    small = "".join(f'<div><dt>{label}</dt><dd data-f="{name}"></dd></div>' for name, label in SMALL)
    return f"""
<div class="cg-bar"><h2>Live</h2><span class="cg-state" role="status" aria-live="polite" data-f="state"></span>
<span class="cg-note" data-f="note"></span>
<button type="button" class="cg-seed" data-act="seed" title="Use this seed again">seed <b data-f="seed"></b></button>
</div>
<div class="cg-bigs">{big}
<figure class="cg-plot"><svg viewBox="0 0 {figures.PLOT_WIDTH:.0f} {figures.PLOT_HEIGHT:.0f}" preserveAspectRatio="none"
role="img" aria-label="Output tokens per second over time"><polygon></polygon><polyline></polyline></svg>
<figcaption data-f="peak"></figcaption></figure></div>
<details class="cg-more" open><summary>All figures</summary><dl class="cg-small">{small}</dl></details>
"""
