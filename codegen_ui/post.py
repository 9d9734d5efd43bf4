"""The four prompts of the blog post 'Program Synthesis with CodeGen', and its figures beside those of a run here.

What the page's panel and `python -m codegen_ui.bench post` show comes from here: the requests, a row for each, a table
as CSV, and a chart as plain SVG. The post divides prompt and output together by the latency and calls that throughput;
here it stands under its own name, beside output alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from textwrap import wrap

from codegen_ui.escaping import csv_text
from codegen_ui.gallery import Example, grouped, load_gallery
from codegen_ui.generation import ModelInfo
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.options import shipped_examples
from codegen_ui.request import FinishReason, GenerationRequest, StopAt

GROUP = "The blog post"
SOURCE = "the post: AMD Instinct MI210, Salesforce/codegen-350M-mono"
MAX_LENGTH = 1000
HERE, THERE, INK, SOFT = "#0d7a6f", "#b8c4d0", "#18222d", "#566573"
WIDTH, HEIGHT = 920, 330
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT, GAP = 20, 74, 420, 190, 40
BAR = 32
LABEL = 16
"""Characters of a line under the bars."""


@dataclass(frozen=True)
class Printed:
    """What the post prints for a prompt; tokens are those of prompt and output."""

    latency_seconds: float
    total_tokens_per_second: float


PRINTED = (Printed(14.45, 36.12), Printed(13.03, 41.05), Printed(32.24, 31.02), Printed(4.60, 30.65))
"""In the order of the post and of the examples: 3Sum, Two Sum II, cross entropy loss, binary search."""


@dataclass(frozen=True)
class PostRun:
    """One prompt of the post, run here; `reason` is None while it runs."""

    title: str
    printed: Printed
    metrics: GenerationMetrics
    reason: FinishReason | None


HEADINGS = (
    "Prompt",
    "Latency",
    "(prompt + output) / latency",
    "Output / latency",
    "Output tokens",
    "Stopped by",
    "Saved tokens",
    "The post's latency",
    "The post's (prompt + output) / latency",
)
COLUMNS = (
    "prompt",
    "latency_seconds",
    "total_tokens_per_second",
    "output_tokens_per_second",
    "prompt_tokens",
    "output_tokens",
    "finish_reason",
    "saved_tokens",
    "cached_prompt_tokens",
    "drafted_tokens",
    "accepted_tokens",
    "post_latency_seconds",
    "post_total_tokens_per_second",
    "model",
    "dtype",
    "weights",
    "device",
)


@cache
def post_examples() -> tuple[Example, ...]:
    """The post's prompts, from the examples that come with the project."""
    return tuple(grouped(load_gallery(shipped_examples()))[GROUP])


def post_request(example: Example, context: int, *, as_the_post_did: bool, visitor: str = "") -> GenerationRequest:
    """Greedy and up to 1000 tokens, as in the post; there only the model's own end stopped it."""
    stop_at = StopAt.EOS if as_the_post_did else StopAt.FUNCTION
    length = min(MAX_LENGTH, context)
    return GenerationRequest(example.prompt, max_length=length, temperature=0, stop_at=stop_at, visitor=visitor)


def what_ran(info: ModelInfo) -> str:
    """'bundled, float32, int8 weights, AMD EPYC (CPU, 2 cores)'."""
    weights = "" if info.quantize == "none" else f"{info.quantize} weights"
    return ", ".join(part for part in (info.name, info.dtype, weights, info.device_name or info.device) if part)


def cells(run: PostRun) -> tuple[str, ...]:
    """A row of the table, by `HEADINGS`."""
    metrics, printed = run.metrics, run.printed
    return (
        run.title,
        f"{metrics.latency_seconds:.2f} s",
        f"{metrics.total_tokens_per_second:.2f} tokens/s",
        f"{metrics.tokens_per_second:.2f} tokens/s",
        f"{metrics.output_tokens:,}",
        "–" if run.reason is None else run.reason.words,
        f"{metrics.saved_tokens:,}",
        f"{printed.latency_seconds:.2f} s",
        f"{printed.total_tokens_per_second:.2f} tokens/s",
    )


def values(run: PostRun, info: ModelInfo) -> tuple[object, ...]:
    """A row of the CSV, by `COLUMNS`; seconds and tokens a second."""
    metrics, printed = run.metrics, run.printed
    return (
        run.title,
        round(metrics.latency_seconds, 4),
        round(metrics.total_tokens_per_second, 3),
        round(metrics.tokens_per_second, 3),
        metrics.prompt_tokens,
        metrics.output_tokens,
        "" if run.reason is None else run.reason.value,
        metrics.saved_tokens,
        metrics.cached_prompt_tokens,
        metrics.drafted_tokens,
        metrics.accepted_tokens,
        printed.latency_seconds,
        printed.total_tokens_per_second,
        info.name,
        info.dtype,
        info.quantize,
        info.device_name or info.device,
    )


def to_csv(runs: Sequence[PostRun], info: ModelInfo) -> str:
    return csv_text(COLUMNS, (values(run, info) for run in runs))


def remarks(runs: Sequence[PostRun]) -> tuple[str, ...]:
    """What has to be known to read the figures."""
    found = []
    if any(run.metrics.accepted_tokens for run in runs):
        accepted = sum(run.metrics.accepted_tokens for run in runs)
        output = sum(run.metrics.output_tokens for run in runs)
        found.append(
            f"{accepted:,} of {output:,} tokens were drafts found by prompt lookup, which a second run finds more of."
        )
    if any(run.metrics.cached_prompt_tokens for run in runs):
        found.append("Prompts were in the prefix cache from an earlier run.")
    return tuple(found)


def to_svg(runs: Sequence[PostRun], info: ModelInfo) -> str:
    """Bars of latency and throughput, here and as the post prints them, in a chart that stands for itself: its own
    background, any system's fonts, nothing loaded from elsewhere."""
    here = what_ran(info)
    panels = [
        panel(0, "Latency, seconds", runs, lambda run: (run.metrics.latency_seconds, run.printed.latency_seconds)),
        panel(
            1,
            "(prompt + output) / latency, tokens/s",
            runs,
            lambda run: (run.metrics.total_tokens_per_second, run.printed.total_tokens_per_second),
        ),
    ]
    legend = key(LEFT, 24, HERE, f"here: {here}") + key(LEFT, 44, THERE, SOURCE)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="12"><title>The blog post, reproduced</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{legend}{"".join(panels)}</svg>\n'
    )


def panel(place: int, title: str, runs: Sequence[PostRun], pair: Callable[[PostRun], tuple[float, float]]) -> str:
    """One plot: for each run a bar of here and one of the post, from zero, with their values on top."""
    left, floor = LEFT + place * (PLOT_WIDTH + GAP), TOP + PLOT_HEIGHT
    most = max((value for run in runs for value in pair(run)), default=0) or 1
    parts = [text(left, TOP - 8, title, INK, weight="600")]
    parts.append(f'<path d="M{left} {floor}H{left + PLOT_WIDTH}" stroke="{SOFT}" stroke-width="1"/>')
    for index, run in enumerate(runs):
        middle = left + (index + 0.5) * PLOT_WIDTH / len(runs)
        for value, at, colour in zip(pair(run), (middle - BAR, middle), (HERE, THERE), strict=True):
            height = (PLOT_HEIGHT - 20) * value / most
            parts.append(
                f'<rect x="{at:.1f}" y="{floor - height:.1f}" width="{BAR - 2}" height="{height:.1f}" fill="{colour}"/>'
            )
            parts.append(text(at + BAR / 2 - 1, floor - height - 4, number(value), INK, anchor="middle", size=11))
        for line, words in enumerate(wrap(run.title, LABEL)[:3]):
            parts.append(text(middle, floor + 16 + 14 * line, words, SOFT, anchor="middle"))
    return "".join(parts)


def key(x: float, y: float, colour: str, words: str) -> str:
    return f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>' + text(x + 18, y, words, INK)


def text(
    x: float, y: float, words: str, fill: str, *, anchor: str = "start", weight: str = "400", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}" '
        f'font-size="{size}">{escape(words)}</text>'
    )


def number(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
