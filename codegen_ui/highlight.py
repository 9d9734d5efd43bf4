"""Python text to safe HTML lines, cheaply while it grows.

Every character of the text is kept and escaped: a line without its tags, unescaped, is the line. Lines are split at
`\\n` alone, so tabs, trailing blanks and `\\r` stay.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Iterator
from typing import Any

from pygments.lexer import ExtendedRegexLexer, LexerContext
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String

LIMIT, LINES = 20_000, 2_000
"""Characters and lines of the prompt that are highlighted; what comes before the last so many is shown plain. Each line
is sent, kept and compared by itself at every update: a prompt of nothing but lines would cost ten times what code does.
"""
TAIL = 4_000
"""Characters that an update lexes at most. A text in which the lexer finds no rest for longer, such as one line of that
length, is shown plain from there on until the full pass at its end: it would cost the square of its length."""

CLASSES = {
    Comment: "c",
    Keyword: "k",
    Keyword.Constant: "n",
    Operator.Word: "k",
    Name.Function: "f",
    Name.Class: "f",
    Name.Decorator: "d",
    Name.Builtin: "b",
    Name.Exception: "b",
    Number: "n",
    String: "s",
    String.Doc: "c",
    String.Interpol: "i",
    String.Escape: "i",
}
"""Token types -> CSS classes; a type without one takes its nearest ancestor's, whatever is left stays plain. What they
look like is the theme's."""


class IncrementalHighlighter:
    """Highlights a completion that grows behind a prompt. For one thread.

    Lines of the prompt are inside `<span class="prompt">`, of the completion inside `<span class="completion">`; the
    line where one goes over into the other has both. An empty line is an empty string.

    Only the tail is lexed again: from the last line before the change at which the lexer was at rest (in no string,
    bracketed f-string field or half-read statement), for there its past cannot matter.
    """

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._plain = plain_until(prompt)
        self._text = prompt
        self._lines: list[str] = []
        self._rests: list[tuple[int, int]] = []
        """Where the lexer was at rest: line, position in the text."""
        self._lex(0, 0, LIMIT)

    def update(self, completion: str) -> list[str]:
        """The HTML lines of prompt + `completion`, the whole completion so far. A new list at each call."""
        text = self._prompt + completion
        if not text.startswith(self._text):
            return self.final(completion)
        if text != self._text:
            changed = self._text.rfind("\n") + 1
            while self._rests and self._rests[-1][1] > changed:
                self._rests.pop()
            line, position = self._rests.pop() if self._rests else (0, 0)
            self._text = text
            self._lex(line, position, TAIL)
        return list(self._lines)

    def final(self, completion: str) -> list[str]:
        """The same in one full pass, for the finished text."""
        self._text = self._prompt + completion
        self._rests.clear()
        self._lex(0, 0, len(self._text))
        return list(self._lines)

    def _lex(self, line: int, position: int, most: int) -> None:
        """Make the lines from `line` on, which begins at `position`, anew. Lexes at most `most` characters."""
        del self._lines[line:]
        row = _Row(len(self._prompt) - position)
        if position < self._plain:
            head = list(row.add("", self._text[position : self._plain]))
            # One string however many lines it has: each costs whoever compares or draws them.
            self._lines += ["\n".join(head)] if head else []
            position = self._plain
        if len(self._text) - position > most:
            if row.empty:
                self._rests.append((len(self._lines), position))
            self._lines += [*row.add("", self._text[position:]), row.end()]
            return
        context = LexerContext(self._text, position, ["root"])
        for start, kind, text in _lexer().get_tokens_unprocessed(context=context):
            # A group of a longer match begins after the context's position: no place to start from.
            if row.empty and start == context.pos and context.stack == ["root"]:
                self._rests.append((len(self._lines), start))
            self._lines += row.add(_css_class(kind), text)
        self._lines.append(row.end())


def plain_until(prompt: str) -> int:
    """Where highlighting begins: at a line's begin, or in the midst of one that is longer than all of it."""
    begin = max(0, len(prompt) - LIMIT)
    if begin:
        begin = prompt.find("\n", begin) + 1 or begin
    lines = prompt[begin:].split("\n")
    return begin + sum(len(line) + 1 for line in lines[:-LINES])


class _Row:
    """Collects a line's tokens and writes it; `prompt` is how many of the coming characters are the prompt's."""

    def __init__(self, prompt: int) -> None:
        self._prompt = prompt
        self._html: list[str] = []
        self._side = ""
        self._class = ""
        self._run: list[str] = []

    @property
    def empty(self) -> bool:
        return not self._side

    def add(self, css_class: str, text: str) -> Iterator[str]:
        """Take a token; gives the lines that it completes."""
        ours, theirs = text[: max(0, self._prompt)], text[max(0, self._prompt) :]
        self._prompt -= len(text)
        for side, part in (("prompt", ours), ("completion", theirs)):
            for index, piece in enumerate(part.split("\n")):
                if index:
                    yield self.end()
                if piece:
                    self._put(side, "" if piece.isspace() else css_class, piece)

    def _put(self, side: str, css_class: str, piece: str) -> None:
        if side != self._side:
            self._close()
            self._html.append(f'<span class="{side}">')
            self._side = side
        if css_class != self._class:
            self._flush()
            self._class = css_class
        self._run.append(piece)

    def _flush(self) -> None:
        if self._run:
            text = html.escape("".join(self._run))
            self._html.append(f'<span class="{self._class}">{text}</span>' if self._class else text)
            self._run.clear()

    def _close(self) -> None:
        self._flush()
        if self._side:
            self._html.append("</span>")
        self._side = self._class = ""

    def end(self) -> str:
        """The line as HTML; begins the next one."""
        self._close()
        line = "".join(self._html)
        self._html.clear()
        return line


def _on_one_line(rule: Any) -> Any:
    many, one = r"^(\s*)", r"^([^\S\n]*)"
    return (one + rule[0].removeprefix(many), *rule[1:]) if rule[0].startswith(many) else rule


class _Lexer(ExtendedRegexLexer, PythonLexer):  # type: ignore[misc]
    """Python's lexer, able to start anywhere and to tell its state.

    Its docstring rules may skip any number of blank lines before the quotes, which costs the square of their number on
    a text of blank lines; here they stay on one line.
    """

    tokens = {"root": [_on_one_line(rule) for rule in PythonLexer.tokens["root"]]}  # noqa: RUF012  (pygments' own way)


@functools.cache
def _lexer() -> _Lexer:
    return _Lexer()


@functools.cache
def _css_class(kind: object) -> str:
    while kind is not None:
        if kind in CLASSES:
            return CLASSES[kind]
        kind = getattr(kind, "parent", None)
    return ""
