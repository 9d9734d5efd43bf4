"""The bar chart of a run of the post's prompts: latency and throughput, here and as the post prints them; plain SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from textwrap import wrap

from codegen_ui.generation import ModelInfo
from codegen_ui.post import SOURCE, PostRun, what_ran

HERE, THERE, INK, SOFT = "#0d7a6f", "#b8c4d0", "#18222d", "#566573"
WIDTH, HEIGHT = 920, 330
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT, GAP = 20, 74, 420, 190, 40
BAR = 32
LABEL = 16
"""Characters of a line under the bars."""


def to_svg(runs: Sequence[PostRun], info: ModelInfo) -> str:
    """A chart that stands for itself: its own background, any system's fonts, nothing loaded from elsewhere."""
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
