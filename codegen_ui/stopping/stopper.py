"""A request's stop rules together.

Every rule reads the text as it is decoded, holds back what it may yet cut, and says at which character it became
certain. That character decides between rules, so the result never depends on how the text was cut into pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from codegen_ui.request import FinishReason, StopAt
from codegen_ui.stopping.function_end import FunctionEnd
from codegen_ui.stopping.patterns import Pattern, PatternRule, paper_rule


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
