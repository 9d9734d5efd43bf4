"""Figures as people read them: from snapshots to the short strings that the live panel and the runs table show.

Everything that leaves this module is plain text; the browser sets it as text, never as HTML.
"""

from __future__ import annotations

import math

from humanize import metric, naturalsize, ordinal

from codegen_ui.errors import InvalidInput
from codegen_ui.generation import Snapshot
from codegen_ui.metrics import GenerationMetrics, State
from codegen_ui.request import FinishReason
from codegen_ui.status import ModelStatus
from codegen_ui.ui.panels.advice import NOTHING

NONE = "–"
FIGURES = (
    "rate",
    "ttft",
    "latency",
    "output",
    "now",
    "mean",
    "decode",
    "itl50",
    "itl95",
    "prompt",
    "queue",
    "prefill",
    "lookup",
    "saved",
    "blog",
    "seed",
    "why",
)
PLOT_WIDTH, PLOT_HEIGHT = 240.0, 48.0
SMOOTH_SECONDS, STEADY_SECONDS = 1.0, 3.0

Live = dict[str, str]
"""The live panel's value: the name of a figure -> its text. `tone` is the state's colour, `busy` is "1" or ""."""


def idle() -> Live:
    """Before the first run."""
    return {**blank(), "state": "ready", "tone": "idle"}


def blank() -> Live:
    return {
        **dict.fromkeys(FIGURES, NONE),
        "rate_label": "tokens/s",
        "plot": "",
        "peak": "",
        "note": "",
        "busy": "",
        "field": "",
        "problem": "",
        **NOTHING,
    }


def waiting(state: str, note: str, latency_seconds: float) -> Live:
    """While the model is loading: nothing to measure yet but the time."""
    return {**blank(), "state": state, "tone": "wait", "note": note, "busy": "1", "latency": seconds(latency_seconds)}


def refused(message: str) -> Live:
    """A run that could not start."""
    return {**blank(), "state": "not started", "tone": "error", "note": message}


def invalid(problem: InvalidInput) -> Live:
    """A run that could not start because of one value: the browser shows the message at its field."""
    message = f"{problem.value} is not allowed; it must be {problem.limit}."
    if problem.field == "prompt" and problem.value == "''":
        message = "Please type a prompt first."
    return {**refused("Please look at the marked field."), "field": problem.field, "problem": message}


def live(snapshot: Snapshot, note: str = "") -> Live:
    """The panel of a generation now; `note` where it has no error to tell."""
    metrics = snapshot.metrics
    done = snapshot.finish_reason is not None
    plot, peak = polyline(metrics.history)
    return {
        "state": state_text(snapshot),
        "tone": tone(snapshot),
        "field": "",
        "problem": "",
        "busy": "" if done else "1",
        "note": str(snapshot.error) if snapshot.error is not None else note,
        "rate": rate(metrics.tokens_per_second if done else metrics.tokens_per_second_now),
        "rate_label": "tokens/s, mean" if done else "tokens/s, now",
        "ttft": seconds(metrics.ttft_seconds),
        "latency": seconds(metrics.latency_seconds),
        "output": f"{metrics.output_tokens:,}",
        "now": rate(metrics.tokens_per_second_now),
        "mean": rate(metrics.tokens_per_second),
        "decode": rate(metrics.decode_tokens_per_second),
        "itl50": seconds(metrics.itl_p50_seconds),
        "itl95": seconds(metrics.itl_p95_seconds),
        "prompt": prompt_text(metrics),
        "queue": seconds(metrics.queue_seconds),
        "prefill": seconds(metrics.prefill_seconds),
        "lookup": lookup_text(metrics),
        "why": NONE if snapshot.finish_reason is None else snapshot.finish_reason.words,
        "saved": saved_text(metrics) if done else NONE,
        "blog": rate(metrics.total_tokens_per_second),
        "seed": NONE if metrics.seed is None else str(metrics.seed),
        "plot": plot,
        "peak": peak,
        **NOTHING,
    }


def state_text(snapshot: Snapshot) -> str:
    if snapshot.finish_reason is FinishReason.ERROR:
        return "failed"
    if snapshot.finish_reason is FinishReason.CANCELLED:
        return "stopped"
    if snapshot.finish_reason is not None:
        return "done"
    if snapshot.metrics.state is State.QUEUED:
        position = snapshot.metrics.queue_position
        return f"queued {ordinal(position)}" if position else "queued"
    metrics = snapshot.metrics
    if metrics.state is State.PREFILL and metrics.prefilled_tokens:
        return f"prompt {metrics.prefilled_tokens:,} of {metrics.prompt_tokens:,}"
    return str(metrics.state.value)


def tone(snapshot: Snapshot) -> str:
    if snapshot.finish_reason is FinishReason.ERROR:
        return "error"
    if snapshot.finish_reason is not None:
        return "done"
    return "wait" if snapshot.metrics.state is State.QUEUED else "run"


def prompt_text(metrics: GenerationMetrics) -> str:
    """'312 (300 cached, 40 dropped)'."""
    asides = []
    if metrics.cached_prompt_tokens:
        asides.append(f"{metrics.cached_prompt_tokens:,} cached")
    if metrics.dropped_prompt_tokens:
        asides.append(f"{metrics.dropped_prompt_tokens:,} dropped")
    return f"{metrics.prompt_tokens:,}" + (f" ({', '.join(asides)})" if asides else "")


def lookup_text(metrics: GenerationMetrics) -> str:
    """'34 of 50 drafts, 68%': prompt-lookup drafts that the model confirmed."""
    if not metrics.drafted_tokens:
        return NONE
    share = metrics.accepted_tokens / metrics.drafted_tokens
    return f"{metrics.accepted_tokens:,} of {metrics.drafted_tokens:,} drafts, {share:.0%}"


def saved_text(metrics: GenerationMetrics) -> str:
    """'391 tokens, about 9.8 s': what ending before the maximum length saved."""
    if not metrics.saved_tokens:
        return NONE
    about = f", about {seconds(metrics.saved_seconds)}" if metrics.saved_seconds else ""
    return f"{metrics.saved_tokens:,} tokens{about}"


def progress(status: ModelStatus) -> str:
    """How far a model is loaded: 'downloading, 120 MB of 1.43 GB'."""
    stage = status.stage or "waiting to load"
    if status.total:
        return f"{stage}, {size(status.done)} of {size(status.total)}"
    return f"{stage}, {size(status.done)}" if status.done else stage


def seconds(value: float | None) -> str:
    """Three digits: '8.30 ms', '412 ms', '1.26 s', '84.2 s', '1,250 s'."""
    if value is None:
        return NONE
    return metric(value, "s", precision=3) if value < 999.5 else f"{value:,.0f} s"


def about(value: float) -> str:
    """A wait as people say it: '1 s', '12 s', '3 min'."""
    return f"{max(1, math.ceil(value)):,} s" if value < 90 else f"{math.ceil(value / 60):,} min"


def rate(value: float | None) -> str:
    """Tokens per second: '9.4', '38.2', '412'."""
    if value is None or value <= 0:
        return NONE
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def size(value: int | None) -> str:
    """Bytes as '412.0 MB' or '1.4 GB'."""
    return NONE if value is None else naturalsize(value)


def polyline(history: tuple[tuple[float, float], ...]) -> tuple[str, str]:
    """The plot of tokens/s over time: an SVG `points` attribute in a box of 240 x 48, and its peak as text.

    Each point is the mean of about a second, for a bucket of a quarter of one holds few tokens and would only jitter.
    Of a run of less than a few seconds every point is shown.
    """
    if len(history) < 2:
        return "", ""
    begin, end = history[0][0], history[-1][0]
    if end <= begin:
        return "", ""
    width = SMOOTH_SECONDS if end - begin > STEADY_SECONDS else 0
    around = int(width * (len(history) - 1) / (end - begin) / 2)
    rates = [value for _, value in history]
    smooth = [mean(rates[max(0, at - around) : at + around + 1]) for at in range(len(rates))]
    peak = max(smooth)
    if peak <= 0:
        return "", ""
    across, up = PLOT_WIDTH / (end - begin), PLOT_HEIGHT / peak
    points = ((time - begin, value) for (time, _), value in zip(history, smooth, strict=True))
    line = " ".join(f"{time * across:.0f},{PLOT_HEIGHT - value * up:.0f}" for time, value in points)
    return line, f"peak {rate(peak)} tokens/s"


def mean(values: list[float]) -> float:
    return sum(values) / len(values)
