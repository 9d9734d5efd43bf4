"""A small lexer of Python that reads text in pieces, each character once, and never fails, whatever the text.

It knows at any moment whether it stands in a string, a comment, a bracket or a continued line, and so which line begins
a statement and how far that is indented.
"""

from __future__ import annotations

import abc
import enum
import re

_WORDS = re.compile(r"[\w \t]*")
_SPACES = re.compile(r" +")
_HEAD_LIMIT = 256
_IN_CODE = re.compile(r"""[\n#"'()\[\]{}\\]""")
_IN_STRING = {quote: re.compile(rf"[\n\\{quote}]") for quote in "\"'"}
_IN_TRIPLE = {quote: re.compile(rf"[\\{quote}]") for quote in "\"'"}
_TAB = 8
_CANNOT_BEGIN = ")]}\\"


class Mode(enum.IntEnum):
    OUTSIDE = 0
    """In a line that is read as a whole, not as code."""
    LINE = 1
    """Before the first character of a line that is neither blank nor comment."""
    HEAD = 2
    """In the first words of a line, which tell what kind of statement it is."""
    CODE = 3
    COMMENT = 4
    QUOTE = 5
    """After one or two quotation marks: a string's start, an empty string, or the start of a triple quote."""
    STRING = 6


class Lexer(abc.ABC):
    """Calls its hooks, the abstract methods, as it reads. Positions count characters from wherever `_seen` starts."""

    def __init__(self, mode: Mode, seen: int) -> None:
        self._mode = mode
        self._seen = seen
        self._depth = 0
        self._column = 0
        self._head = ""
        self._whole_line = False
        self._quote = ""
        self._quotes = 0
        self._triple = False
        self._escaped = False
        # In the order of the modes.
        self._steps = (
            self._outside,
            self._line,
            self._in_head,
            self._code,
            self._comment,
            self._in_quote,
            self._string,
        )

    @property
    @abc.abstractmethod
    def _done(self) -> bool:
        """Whether nothing more is to be read."""

    @abc.abstractmethod
    def _outside(self, piece: str, at: int) -> int:
        """Read from `at` while the mode is `OUTSIDE`, and return where to go on."""

    @abc.abstractmethod
    def _begin_statement(self, position: int, head: str = "") -> None:
        """A statement begins in this line, of which `head` has been read besides the indentation."""

    @abc.abstractmethod
    def _end_head(self, following: str, position: int) -> None:
        """The first words of a line, `_head`, are complete."""

    @abc.abstractmethod
    def _end_line(self, position: int, *, comment: bool) -> None:
        """A line of code, or one that is only a comment, ends before `position`."""

    @abc.abstractmethod
    def _note_code(self, piece: str, at: int, end: int) -> None:
        """A part of the piece is code, strings included."""

    def _read(self, piece: str) -> None:
        at = 0
        while at < len(piece) and not self._done:
            at = self._steps[self._mode](piece, at)

    # Each step reads from `at`, returns where to go on, and either moves or changes the mode.

    def _line(self, piece: str, at: int) -> int:
        spaces = _SPACES.match(piece, at)
        if spaces:
            self._column += spaces.end() - at
            return spaces.end()
        character = piece[at]
        if character == "\t":
            self._column += _TAB - self._column % _TAB
        elif character in "\n\f":
            self._column = 0
        elif character == "#":
            self._mode, self._whole_line = Mode.COMMENT, True
        elif character not in "\r\ufeff":
            self._mode, self._head = Mode.HEAD, ""
            if not self._depth and character not in _CANNOT_BEGIN:
                self._begin_statement(self._seen + at)
            return at
        return at + 1

    def _in_head(self, piece: str, at: int) -> int:
        words = _WORDS.match(piece, at, at + _HEAD_LIMIT - len(self._head))
        end = words.end() if words else at
        self._head += piece[at:end]
        self._note_code(piece, at, end)
        if len(self._head) == _HEAD_LIMIT:
            self._mode = Mode.CODE
        elif end < len(piece):
            self._mode = Mode.CODE
            self._end_head(piece[end], self._seen + end)
        return end

    def _code(self, piece: str, at: int) -> int:
        if self._escaped:
            return self._skip_escaped(piece, at)
        found = _IN_CODE.search(piece, at)
        end = found.start() if found else len(piece)
        self._note_code(piece, at, end)
        if not found:
            return end
        character = found.group()
        if character == "\n":
            self._mode, self._column = Mode.LINE, 0
            self._end_line(self._seen + end + 1, comment=False)
            return end + 1
        if character == "#":
            self._mode, self._whole_line = Mode.COMMENT, False
            return end + 1
        self._note_code(piece, end, end + 1)
        if character == "\\":
            self._escaped = True
        elif character in "([{":
            self._depth += 1
        elif character in ")]}":
            self._depth = max(0, self._depth - 1)
        else:
            self._mode, self._quote, self._quotes = Mode.QUOTE, character, 1
        return end + 1

    def _comment(self, piece: str, at: int) -> int:
        end = piece.find("\n", at)
        if end < 0:
            return len(piece)
        if not self._whole_line:
            self._mode = Mode.CODE
            return end
        self._end_line(self._seen + end + 1, comment=True)
        self._mode, self._column = Mode.LINE, 0
        return end + 1

    def _in_quote(self, piece: str, at: int) -> int:
        if piece[at] == self._quote:
            self._quotes += 1
            if self._quotes == 3:
                self._mode, self._triple, self._quotes = Mode.STRING, True, 0
            return at + 1
        if self._quotes == 2:
            self._mode = Mode.CODE
        else:
            self._mode, self._triple, self._quotes = Mode.STRING, False, 0
        return at

    def _string(self, piece: str, at: int) -> int:
        if self._escaped:
            return self._skip_escaped(piece, at)
        found = (_IN_TRIPLE if self._triple else _IN_STRING)[self._quote].search(piece, at)
        end = found.start() if found else len(piece)
        self._note_code(piece, at, end)
        if end > at:
            self._quotes = 0
        if not found:
            return end
        character = found.group()
        if character == "\n":
            # A string that its line leaves open: an apostrophe in prose, or a slip of the model.
            self._mode = Mode.CODE
            return end
        self._note_code(piece, end, end + 1)
        if character == "\\":
            self._escaped, self._quotes = True, 0
        else:
            self._quotes += 1
            if self._quotes == (3 if self._triple else 1):
                self._mode = Mode.CODE
        return end + 1

    def _skip_escaped(self, piece: str, at: int) -> int:
        # In "\\\r\n" it is the line break that is escaped.
        self._escaped = piece[at] == "\r"
        return at + 1
