"""The table of this visitor's runs, and its CSV. Of a run they need no more than a row: its texts are not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr

from codegen_ui.escaping import csv_text
from codegen_ui.generation import Snapshot
from codegen_ui.request import GenerationRequest, StopAt, page_settings
from codegen_ui.table import Setting
from codegen_ui.ui import figures
from codegen_ui.ui.widgets import QUIET, drawn, offers_file, session_of

MAX_PROMPT = 500
"""Characters of the prompt in the CSV."""
NEAR = 8_000
"""Characters of the prompt in which its title is looked for, at either end."""
TITLE_WIDTH = 44

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

COLUMNS = (
    "run",
    "time",
    "model",
    "prompt",
    *(one.name for one in page_settings()),
    "prompt_tokens",
    "dropped_prompt_tokens",
    "cached_prompt_tokens",
    "output_tokens",
    "finish_reason",
    "saved_tokens",
    "queue_seconds",
    "prefill_seconds",
    "ttft_seconds",
    "latency_seconds",
    "output_tokens_per_second",
    "decode_tokens_per_second",
    "itl_p50_seconds",
    "itl_p95_seconds",
    "drafted_tokens",
    "accepted_tokens",
    "blog_post_tokens_per_second",
)

ALWAYS = ("temperature", "top_p")
"""Named in the table whatever they are, where the text was sampled."""
MOOT_IF_GREEDY = ("temperature", "top_p", "top_k", "min_p")


@dataclass(frozen=True)
class Record:
    """One finished run: the table's cells as text, and its values in the order of `COLUMNS`."""

    row: tuple[str, ...]
    values: tuple[Any, ...]


class RecordsPanel:
    """`table` shows rows of plain text, newest first, and fires `csv`."""

    def __init__(self, records: Callable[[str], Sequence[Record]]) -> None:
        """`records` gives a tab's runs, oldest first."""
        self._records = records
        self.table = drawn({"rows": []}, TEMPLATE, "runs", "cg-runs", ("csv",))
        offers_file(self.table.csv, self.download, [])

    def shows(self, run: Any) -> None:
        """Draw the table anew after an event."""
        run.then(self.rows, None, self.table, **QUIET)

    async def rows(self, request: gr.Request) -> dict[str, list[list[str]]]:
        return {"rows": [list(record.row) for record in reversed(self._records(session_of(request)))]}

    async def download(self, request: gr.Request) -> dict[str, str]:
        """Every run of this tab, as far as it is remembered."""
        return {"name": "codegen_runs.csv", "text": to_csv(self._records(session_of(request)))}


def make_record(number: int, when: datetime, model: str, request: GenerationRequest, last: Snapshot) -> Record:
    """What is kept of a run.

    Args:
        number: counts a tab's runs from 1.
        last: its last snapshot.
    """
    found = values(number, when, model, request, last)
    return Record(row(number, model, request, last), tuple(found[name] for name in COLUMNS))


def values(number: int, when: datetime, model: str, request: GenerationRequest, last: Snapshot) -> dict[str, Any]:
    """A run by `COLUMNS`, in full precision; None where a figure is not known."""
    metrics, reason = last.metrics, last.finish_reason
    prompt = request.prompt if isinstance(request.prompt, str) else " ".join(map(str, request.prompt[:MAX_PROMPT]))
    return {
        "run": number,
        "time": when.isoformat(timespec="seconds"),
        "model": model,
        "prompt": prompt[:MAX_PROMPT],
        **{one.name: cell(one, getattr(request, one.name)) for one in page_settings(type(request))},
        "seed": metrics.seed if metrics.seed is not None else request.seed,
        "prompt_tokens": metrics.prompt_tokens,
        "dropped_prompt_tokens": metrics.dropped_prompt_tokens,
        "cached_prompt_tokens": metrics.cached_prompt_tokens,
        "output_tokens": metrics.output_tokens,
        "finish_reason": "" if reason is None else reason.value,
        "saved_tokens": metrics.saved_tokens,
        "queue_seconds": metrics.queue_seconds,
        "prefill_seconds": metrics.prefill_seconds,
        "ttft_seconds": metrics.ttft_seconds,
        "latency_seconds": metrics.latency_seconds,
        "output_tokens_per_second": metrics.tokens_per_second,
        "decode_tokens_per_second": metrics.decode_tokens_per_second,
        "itl_p50_seconds": metrics.itl_p50_seconds,
        "itl_p95_seconds": metrics.itl_p95_seconds,
        "drafted_tokens": metrics.drafted_tokens,
        "accepted_tokens": metrics.accepted_tokens,
        "blog_post_tokens_per_second": metrics.total_tokens_per_second,
    }


def cell(one: Setting, value: Any) -> Any:
    """A setting in the CSV: numbers as they are, the rest as text."""
    return value if value is None or isinstance(value, int | float) else one.kind.show(value)


def to_csv(records: Sequence[Record]) -> str:
    """Every run, oldest first, with a header line; times in seconds."""
    return csv_text(COLUMNS, (record.values for record in records))


def row(number: int, model: str, request: GenerationRequest, last: Snapshot) -> tuple[str, ...]:
    """The table's cells: number, prompt, settings, figures."""
    metrics, reason = last.metrics, last.finish_reason
    return (
        str(number),
        title_of(request.prompt if isinstance(request.prompt, str) else "token ids"),
        settings_text(request),
        "" if metrics.seed is None else str(metrics.seed),
        figures.seconds(metrics.ttft_seconds),
        figures.seconds(metrics.latency_seconds),
        figures.rate(metrics.tokens_per_second),
        f"{figures.seconds(metrics.itl_p50_seconds)} / {figures.seconds(metrics.itl_p95_seconds)}",
        f"{metrics.prompt_tokens:,}",
        f"{metrics.output_tokens:,}",
        "" if reason is None else reason.words,
        model,
    )


def settings_text(request: GenerationRequest) -> str:
    """'greedy · 512' or 't 0.2 · p 0.95 · 512 · stop: paper'; what is off is not named."""
    greedy = request.temperature == 0
    parts = ["greedy"] if greedy else []
    for one in page_settings(type(request)):
        value = getattr(request, one.name)
        off = value == one.neutral and one.name not in ALWAYS
        if one.short and not off and not (greedy and one.name in MOOT_IF_GREEDY):
            parts.append(f"{one.short} {one.kind.show(value)}")
    return " · ".join([*parts, f"{request.max_length}", StopAt(request.stop_at).value])


def title_of(prompt: str) -> str:
    """A name for a run or a saved example, shortened: the last function or class, else the first line that says
    something. Of a long prompt, which may have 200,000 lines, only what is near either end is read.
    """
    end = prompt if len(prompt) <= NEAR else prompt[-NEAR:].partition("\n")[2]
    lines = [line.strip() for line in end.splitlines()]
    named = [line for line in lines if line.startswith(("def ", "async def ", "class "))]
    telling = (words for line in prompt[:NEAR].splitlines() if (words := line.strip().strip("#\"' ")))
    title = named[-1] if named else next(telling, "untitled")
    return title if len(title) <= TITLE_WIDTH else title[: TITLE_WIDTH - 1] + "…"
