"""Where a Python function or class ends, judged from text that arrives in pieces.

A small lexer follows strings, brackets, comments and line continuations from the prompt's first character on, so that
it knows at any moment whether a new statement begins and how far it is indented. It looks at every character once.

Which function or class is meant (the *unit*) shows when the model writes its first code:

- within a `def` that the prompt left open: that function; of nested ones the outermost, of a class its method;
- else within a class that the prompt left open: that class, the outermost of nested ones;
- else (plain English, a comment, a finished function): the next `def` or `class` at column 0 that the model writes.

The unit ends before the first statement that is not indented deeper than it. Blank lines, and comments that are not
indented deeper, belong to it only where more of its code follows. When in doubt it goes on: a text whose strings
or brackets never close has no end, except that a statement's keyword in an open bracket shows that the bracket is
broken.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

_WORDS = re.compile(r"[\w \t]*")
_SPACES = re.compile(r" +")
_HEAD_LIMIT = 256
_HEADER = re.compile(r"(?:(?:async[ \t]+)?(?P<function>def)|class)[ \t]+\w+[ \t]*")
# Keywords that begin a statement and occur in no expression, so that no line within brackets can start with them.
_STATEMENT = re.compile(
    r"(?:(?:(?:async[ \t]+)?def|class|import|while|with|raise|del|global|nonlocal|assert|return)[ \t]+\w"
    r"|(?:return|raise|pass|break|continue|try|finally|except)[ \t]*$)"
)
_IN_CODE = re.compile(r"""[\n#"'()\[\]{}\\]""")
_IN_STRING = {quote: re.compile(rf"[\n\\{quote}]") for quote in "\"'"}
_IN_TRIPLE = {quote: re.compile(rf"[\\{quote}]") for quote in "\"'"}
_TOP_LEVEL = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]", re.MULTILINE)
_TAB = 8
PROMPT_LIMIT = 32_000
"""Characters of a longer prompt that are read, about four contexts of code."""
_CANNOT_BEGIN = ")]}\\"


class _Mode(enum.IntEnum):
    LINE = 0
    """Before the first character of a line that is neither blank nor comment."""
    HEAD = 1
    """In the first words of a line, which tell what kind of statement it is."""
    CODE = 2
    COMMENT = 3
    QUOTE = 4
    """After one or two quotation marks: a string's start, an empty string, or the start of a triple quote."""
    STRING = 5


class _Block(NamedTuple):
    is_function: bool
    indent: int


class FunctionEnd:
    """Finds the end of the unit in a completion that is fed piece by piece. Never raises, whatever the text.

    Positions count characters of the completion; the prompt's are negative.

    Attributes:
        end: length of the completion up to the unit's end, its last line break included; None while it goes on.
        decided: the position after the character that showed it.
    """

    def __init__(self, prompt: str) -> None:
        self.end: int | None = None
        self.decided = 0
        self._seen = -len(prompt)
        self._mode = _Mode.LINE
        self._depth = 0
        self._column = 0
        self._head = ""
        self._quote = ""
        self._quotes = 0
        self._triple = False
        self._escaped = False
        self._whole_line = False
        self._code_end = 0
        self._blocks: list[_Block] = []
        self._unit: _Block | None = None
        self._unit_known = False
        self._wrote_code = False
        # In the order of the modes.
        self._steps = (self._line, self._in_head, self._code, self._comment, self._in_quote, self._string)
        self._read_prompt(prompt)

    def _read_prompt(self, prompt: str) -> None:
        if len(prompt) > PROMPT_LIMIT:
            # Begin at a function or class, which is hardly ever the text of a string.
            found = _TOP_LEVEL.search(prompt, len(prompt) - PROMPT_LIMIT)
            start = found.start() if found else len(prompt) - PROMPT_LIMIT
            self._seen += start
            prompt = prompt[start:]
        self.feed(prompt)

    def feed(self, piece: str) -> None:
        """Read on. Does nothing once the end is known."""
        at = 0
        while at < len(piece) and self.end is None:
            at = self._steps[self._mode](piece, at)
        self._seen += len(piece)

    @property
    def safe(self) -> int:
        """How much of the completion certainly belongs to it: all but lines that may come after the unit."""
        if self.end is not None:
            return self.end
        if self._unit is None:
            return self._seen
        if self._mode is _Mode.LINE:
            return self._code_end
        shallow = self._column <= self._unit.indent
        if shallow and self._mode is _Mode.COMMENT and self._whole_line:
            return self._code_end
        if shallow and self._mode is _Mode.HEAD and self._depth:
            return self._code_end
        return self._seen

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
            self._mode, self._whole_line = _Mode.COMMENT, True
        elif character not in "\r\ufeff":
            self._mode, self._head = _Mode.HEAD, ""
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
            self._mode = _Mode.CODE
        elif end < len(piece):
            self._mode = _Mode.CODE
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
            self._end_line(self._seen + end + 1)
            return end + 1
        if character == "#":
            self._mode, self._whole_line = _Mode.COMMENT, False
            return end + 1
        self._note_code(piece, end, end + 1)
        if character == "\\":
            self._escaped = True
        elif character in "([{":
            self._depth += 1
        elif character in ")]}":
            self._depth = max(0, self._depth - 1)
        else:
            self._mode, self._quote, self._quotes = _Mode.QUOTE, character, 1
        return end + 1

    def _comment(self, piece: str, at: int) -> int:
        end = piece.find("\n", at)
        if end < 0:
            return len(piece)
        if not self._whole_line:
            self._mode = _Mode.CODE
            return end
        if self._unit is None or self._column > self._unit.indent:
            self._code_end = self._seen + end + 1
        self._mode, self._column = _Mode.LINE, 0
        return end + 1

    def _in_quote(self, piece: str, at: int) -> int:
        if piece[at] == self._quote:
            self._quotes += 1
            if self._quotes == 3:
                self._mode, self._triple, self._quotes = _Mode.STRING, True, 0
            return at + 1
        if self._quotes == 2:
            self._mode = _Mode.CODE
        else:
            self._mode, self._triple, self._quotes = _Mode.STRING, False, 0
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
            self._mode = _Mode.CODE
            return end
        self._note_code(piece, end, end + 1)
        if character == "\\":
            self._escaped, self._quotes = True, 0
        else:
            self._quotes += 1
            if self._quotes == (3 if self._triple else 1):
                self._mode = _Mode.CODE
        return end + 1

    def _skip_escaped(self, piece: str, at: int) -> int:
        # In "\\\r\n" it is the line break that is escaped.
        self._escaped = piece[at] == "\r"
        return at + 1

    def _note_code(self, piece: str, at: int, end: int) -> None:
        """Remember that the model, not the prompt, wrote code."""
        if not self._unit_known and self._seen >= 0 and piece[at:end].strip():
            self._wrote_code = True

    def _end_line(self, position: int) -> None:
        self._code_end = position
        self._mode, self._column = _Mode.LINE, 0
        if self._wrote_code and not self._unit_known:
            self._choose_unit()

    def _begin_statement(self, position: int) -> None:
        if self._unit is not None and self._column <= self._unit.indent:
            self.end, self.decided = self._code_end, position + 1
            return
        while self._blocks and self._blocks[-1].indent >= self._column:
            self._blocks.pop()
        if position >= 0 and not self._unit_known:
            self._choose_unit()

    def _end_head(self, following: str, position: int) -> None:
        """The line's first words are complete: see whether they break a bracket, and open a `def` or `class`."""
        if self._depth:
            if not _STATEMENT.match(self._head):
                return
            self._depth = 0
            self._begin_statement(position)
            if self.end is not None:
                return
        header = _HEADER.fullmatch(self._head)
        if header is None or following not in "([:\\":
            return
        block = _Block(header["function"] is not None, self._column)
        self._blocks.append(block)
        if self._unit_known and self._unit is None and block.indent == 0:
            self._unit = block

    def _choose_unit(self) -> None:
        self._unit_known = True
        functions = (block for block in self._blocks if block.is_function)
        self._unit = next(functions, self._blocks[0] if self._blocks else None)
