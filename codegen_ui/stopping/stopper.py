"""A request's stop rules together.

Every rule reads the text as it is decoded, holds back what it may yet cut, and says at which character it became
certain. That character decides between rules, so the result never depends on how the text was cut into pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from codegen_ui.request import FinishReason, StopAt
from codegen_ui.stopping.function_end import FunctionEnd

END_OF_TEXT = "<|endoftext|>"


class Stopper:
    """Applies a request's stop rules to one completion.

    `push` every piece of text in order and show what it returns; when `reason` is set, the returned texts together are
    the whole completion and generation can stop. Call `finish` when the model ended by itself, by length or by
    cancellation. The returned texts together are always a prefix of the pushed ones: the whole of them unless a rule
    ended it. Never raises, whatever the text.

    Args:
        prompt_text: what the model continues; only the end-of-function rule reads it.
        stop_at: `EOS` and `LENGTH` leave only the stop strings.
        stop: of several stop strings the one that is complete first ends the text, before its first character; of two
            that are complete at the same character, the longer one. They are looked for in the completion alone.
    """

    def __init__(self, prompt_text: str, stop_at: StopAt, stop: Sequence[str] = ()) -> None:
        self.reason: FinishReason | None = None
        self._held = ""
        self._released = 0
        self._rules: list[tuple[FinishReason, _Rule]] = []
        if stop:
            self._rules.append((FinishReason.STOP_STRING, PatternRule([Pattern(text) for text in stop])))
        if stop_at is StopAt.FUNCTION:
            self._rules.append((FinishReason.FUNCTION, FunctionEnd(prompt_text)))
        elif stop_at is StopAt.PAPER:
            self._rules.append((FinishReason.PAPER, paper_rule()))

    def push(self, piece: str) -> str:
        """Text that now certainly belongs to the completion; the rest is held back. Empty once a rule ended it."""
        if self.reason is not None:
            return ""
        self._held += piece
        ends = []
        for reason, rule in self._rules:
            rule.feed(piece)
            if rule.end is not None:
                ends.append((rule.decided, rule.end, reason))
        if ends:
            _, end, self.reason = min(ends)
            text = self._release(end)
            self._held = ""
            return text
        return self._release(min((rule.safe for _, rule in self._rules), default=self._released + len(self._held)))

    def finish(self) -> str:
        """The model ended: what was held back belongs to the completion after all. Empty once a rule ended it."""
        return self._release(self._released + len(self._held))

    def _release(self, end: int) -> str:
        count = max(0, end - self._released)
        text, self._held = self._held[:count], self._held[count:]
        self._released += len(text)
        return text


def truncate(prompt_text: str, text: str, stop_at: StopAt, stop: Sequence[str] = ()) -> tuple[str, FinishReason | None]:
    """Apply the rules to a finished text: the part of it that is the completion, and the rule that ended it, if any."""
    stopper = Stopper(prompt_text, stop_at, stop)
    return stopper.push(text) + stopper.finish(), stopper.reason


class _Rule(Protocol):
    """A stop rule. Positions are lengths of the completion, in characters.

    `end` is where it ends the completion, None until `decided`, the position after the character that made it certain;
    `safe` is how much of the text so far no future character can make it cut.
    """

    end: int | None
    decided: int

    @property
    def safe(self) -> int: ...

    def feed(self, piece: str) -> None: ...


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
