"""What two completions differ in: their texts, by line or by token, and their figures."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from codegen_ui.generation import Snapshot
from codegen_ui.ui import figures
from codegen_ui.ui.figures import NONE

SAME, GONE, NEW = "same", "gone", "new"
THOROUGH = 400 * 400
"""Up to so many pairs every piece is compared; beyond, difflib passes over those that are everywhere, to stay quick."""

Part = tuple[str, str]
"""What became of a stretch of text, and the text: plain, for the browser to set as text."""
Row = list[str]
"""A figure's name, its value in the first and in the second, and the difference in words."""


def by_line(first: str, second: str) -> list[Part]:
    """A part a line, without its line end."""
    return parts(first.split("\n"), second.split("\n"), lambda lines: list(lines))


def by_token(first: Sequence[str], second: Sequence[str]) -> list[Part]:
    """A part for each stretch of tokens."""
    return parts([text for text in first if text], [text for text in second if text], lambda texts: ["".join(texts)])


def parts(first: Sequence[str], second: Sequence[str], told: Callable[[Sequence[str]], Sequence[str]]) -> list[Part]:
    """The second from the first: what is the same, what is gone, what is new. `told` gives a stretch's texts."""
    thorough = len(first) * len(second) <= THOROUGH
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=not thorough)
    found: list[Part] = []
    for kind, begin, end, second_begin, second_end in matcher.get_opcodes():
        if kind == "equal":
            found += [(SAME, text) for text in told(first[begin:end])]
            continue
        found += [(GONE, text) for text in told(first[begin:end]) if end > begin]
        found += [(NEW, text) for text in told(second[second_begin:second_end]) if second_end > second_begin]
    return found


def table(first: Snapshot, second: Snapshot) -> list[Row]:
    """The figures of both and what the second's are against the first's."""
    one, two = first.metrics, second.metrics
    return [
        times("Time to first token", one.ttft_seconds, two.ttft_seconds),
        times("Latency", one.latency_seconds, two.latency_seconds),
        rates("Output tokens/s", one.tokens_per_second, two.tokens_per_second),
        rates("Decode tokens/s", one.decode_tokens_per_second, two.decode_tokens_per_second),
        counts("Output tokens", one.output_tokens, two.output_tokens),
        words("Prompt tokens", *(figures.prompt_text(metrics) for metrics in (one, two))),
        words("Prompt lookup", *(figures.lookup_text(metrics) for metrics in (one, two))),
        words("Stopped by", why(first), why(second)),
    ]


def why(snapshot: Snapshot) -> str:
    return NONE if snapshot.finish_reason is None else snapshot.finish_reason.words


def times(name: str, one: float | None, two: float | None) -> Row:
    if one is None or two is None:
        return [name, figures.seconds(one), figures.seconds(two), NONE]
    apart = f"{'+' if two >= one else '−'}{figures.seconds(abs(two - one))}{ratio(one, two)}"
    return [name, figures.seconds(one), figures.seconds(two), apart]


def rates(name: str, one: float | None, two: float | None) -> Row:
    return [name, figures.rate(one), figures.rate(two), ratio(one, two).strip(" ()") or NONE]


def counts(name: str, one: int, two: int) -> Row:
    return [name, f"{one:,}", f"{two:,}", "the same" if one == two else f"{two - one:+,}".replace("-", "−")]


def words(name: str, one: str, two: str) -> Row:
    return [name, one, two, "the same" if one == two else "another"]


def ratio(one: float | None, two: float | None) -> str:
    """' (1.32×)': the second over the first; empty where that has no meaning."""
    return f" ({two / one:.2f}×)" if one and two else ""
