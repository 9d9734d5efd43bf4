"""A visitor's runs: one record each, as a table and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codegen_ui.generation import Snapshot
from codegen_ui.request import GenerationRequest
from codegen_ui.ui import figures

MAX_PROMPT = 2000
TITLE_WIDTH = 44


@dataclass(frozen=True)
class RunRecord:
    """One finished run: when, what was asked, what came of it."""

    number: int
    when: datetime
    model: str
    request: GenerationRequest
    snapshot: Snapshot


COLUMNS = (
    "run",
    "time",
    "model",
    "prompt",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "max_length",
    "stop_at",
    "stop",
    "seed",
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


def values(record: RunRecord) -> dict[str, Any]:
    """A record by `COLUMNS`, in full precision; None where a figure is not known."""
    request, sampling, metrics = record.request, record.request.sampling, record.snapshot.metrics
    reason = record.snapshot.finish_reason
    prompt = request.prompt if isinstance(request.prompt, str) else " ".join(map(str, request.prompt))
    return {
        "run": record.number,
        "time": record.when.isoformat(timespec="seconds"),
        "model": record.model,
        "prompt": prompt[:MAX_PROMPT],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "max_length": request.max_length,
        "stop_at": request.stop_at.value,
        "stop": repr(list(request.stop)) if request.stop else "",
        "seed": metrics.seed if metrics.seed is not None else sampling.seed,
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


def to_csv(records: Sequence[RunRecord]) -> str:
    """Every run, oldest first, with a header line; times in seconds."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: spreadsheet_safe(value) for name, value in values(record).items()})
    return out.getvalue()


def spreadsheet_safe(value: object) -> object:
    """Numbers shortened to six digits; a text that a spreadsheet would run as a formula gets an apostrophe first."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def to_row(record: RunRecord) -> list[str]:
    """The table's cells, as text: number, prompt, settings, figures."""
    request, metrics = record.request, record.snapshot.metrics
    reason = record.snapshot.finish_reason
    return [
        str(record.number),
        title_of(request.prompt if isinstance(request.prompt, str) else "token ids"),
        settings_text(request),
        "" if metrics.seed is None else str(metrics.seed),
        figures.seconds(metrics.ttft_seconds),
        figures.seconds(metrics.latency_seconds),
        figures.rate(metrics.tokens_per_second),
        f"{figures.seconds(metrics.itl_p50_seconds)} / {figures.seconds(metrics.itl_p95_seconds)}",
        f"{metrics.prompt_tokens:,}",
        f"{metrics.output_tokens:,}",
        "" if reason is None else figures.REASONS[reason],
        record.model,
    ]


def settings_text(request: GenerationRequest) -> str:
    """'greedy · 512' or 't 0.2 · p 0.95 · 512 · stop: paper'; what is off is not named."""
    sampling = request.sampling
    if sampling.temperature == 0:
        parts = ["greedy"]
    else:
        parts = [f"t {sampling.temperature:g}", f"p {sampling.top_p:g}"]
        if sampling.top_k:
            parts.append(f"k {sampling.top_k}")
        if sampling.min_p:
            parts.append(f"min-p {sampling.min_p:g}")
    if sampling.repetition_penalty != 1:
        parts.append(f"rep {sampling.repetition_penalty:g}")
    parts.append(f"{request.max_length}")
    parts.append(request.stop_at.value)
    return " · ".join(parts)


def title_of(prompt: str) -> str:
    """The first line of a prompt that says something, shortened: a name for a run or a saved example."""
    lines = [line.strip() for line in prompt.splitlines()]
    telling = [line.strip("#\"' ") for line in lines if line.strip("#\"' ")]
    named = [line for line in lines if line.startswith(("def ", "async def ", "class "))]
    title = (named or telling or ["untitled"])[-1 if named else 0]
    return title if len(title) <= TITLE_WIDTH else title[: TITLE_WIDTH - 1] + "…"
