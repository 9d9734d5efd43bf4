"""Strings looked for in a completion: stop strings, and the truncation of the CodeGen paper."""

from __future__ import annotations

from collections.abc import Sequence

END_OF_TEXT = "<|endoftext|>"


class Pattern:
    """One string looked for, by Knuth, Morris and Pratt: a character costs constant time on average.

    Args:
        text: what to look for.
        at_line_start: only at the start of a line, the completion's first included.
        occurrence: which occurrence ends the text, from 1.
    """

    def __init__(self, text: str, *, at_line_start: bool = False, occurrence: int = 1) -> None:
        self._text = "\n" + text if at_line_start else text
        self._lead = 1 if at_line_start else 0
        self._missing = occurrence
        self._fallback = _fallbacks(self._text)
        self._matched = self._lead

    @property
    def held(self) -> int:
        """How many of the last characters may yet be part of the occurrence that ends the text."""
        return max(0, self._matched - self._lead) if self._missing == 1 else 0

    @property
    def length(self) -> int:
        return len(self._text) - self._lead

    def feed(self, character: str) -> bool:
        """True if this character completes the occurrence that ends the text."""
        while self._matched and self._text[self._matched] != character:
            self._matched = self._fallback[self._matched - 1]
        if self._text[self._matched] == character:
            self._matched += 1
        if self._matched < len(self._text):
            return False
        self._matched = self._fallback[-1]
        self._missing -= 1
        return self._missing == 0


def _fallbacks(text: str) -> list[int]:
    """For every prefix of the text, the length of its longest proper prefix that is also its suffix."""
    table = [0] * len(text)
    matched = 0
    for index in range(1, len(text)):
        while matched and text[index] != text[matched]:
            matched = table[matched - 1]
        if text[index] == text[matched]:
            matched += 1
        table[index] = matched
    return table


class PatternRule:
    """Ends the text before the first pattern that is complete; see `_Rule`."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.end: int | None = None
        self.decided = 0
        self._patterns = patterns
        self._seen = 0

    def feed(self, piece: str) -> None:
        for character in piece:
            self._seen += 1
            lengths = [pattern.length for pattern in self._patterns if pattern.feed(character)]
            if lengths:
                self.end, self.decided = self._seen - max(lengths), self._seen
                return

    @property
    def safe(self) -> int:
        if self.end is not None:
            return self.end
        return self._seen - max((pattern.held for pattern in self._patterns), default=0)


def paper_rule() -> PatternRule:
    """The truncation of the CodeGen paper's sampling script (`truncate` in jaxformer/hf/sample.py), while decoding.

    On the completion alone: before the second line that starts with `print`, the second that starts with `def`, and
    the first of: a line that starts with `#` or a triple quote, the end-of-text mark, two empty lines.
    """
    return PatternRule(
        [
            Pattern("print", at_line_start=True, occurrence=2),
            Pattern("def", at_line_start=True, occurrence=2),
            Pattern("#", at_line_start=True),
            Pattern("'''", at_line_start=True),
            Pattern('"""', at_line_start=True),
            Pattern(END_OF_TEXT),
            Pattern("\n\n\n"),
        ]
    )
