"""The table of this visitor's runs, and its CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from codegen_ui.ui.runs import RunRecord, to_csv, to_row

HEADINGS = (
    "#",
    "Prompt",
    "Settings",
    "Seed",
    "TTFT",
    "Latency",
    "Tokens/s",
    "ITL p50 / p95",
    "Prompt",
    "Output",
    "Stopped by",
    "Model",
)

TEMPLATE = f"""
<div class="cg-bar"><h2>Your runs</h2><span class="cg-hint">None yet: figures of each run are kept here until the tab
closes.</span><button type="button" data-act="csv" disabled>Download CSV</button></div>
<div class="cg-table" tabindex="0" role="region" aria-label="Your runs" hidden><table><thead><tr>
{"".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)}</tr></thead><tbody></tbody></table></div>
"""


@dataclass(frozen=True)
class RunsPanel:
    """`runs`' value is `runs_value`."""

    runs: gr.HTML


def build_runs_panel() -> RunsPanel:
    runs = gr.HTML(
        value=runs_value(()),
        html_template=TEMPLATE,
        js_on_load="codegenUI.runs(element, props, watch)",
        apply_default_css=False,
        elem_id="cg-runs",
    )
    return RunsPanel(runs)


def runs_value(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Rows of plain text, newest first, and the CSV of all of them."""
    return {"rows": [to_row(record) for record in reversed(records)], "csv": to_csv(records) if records else ""}
