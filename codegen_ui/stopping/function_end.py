"""Where a Python function or class ends, judged from text that arrives in pieces.

Outside of every function and class, `Preamble` reads the lines and says which one begins a function or class. From
there the lexer follows strings, brackets, comments and line continuations.

Which function or class is meant (the *unit*) shows when the model writes its first code:

- within a `def` that the prompt left open: that function; of nested ones the outermost, of a class its method;
- else within a class that the prompt left open: that class, the outermost of nested ones;
- else (plain English, a comment, a finished function): the next `def` or `class` at column 0 that the model writes.

The unit ends before the first statement that is not indented deeper than it. Blank lines, and comments that are not
indented deeper, belong to it only where more of its code follows. When in doubt it goes on: a unit whose strings
or brackets never close has no end, except that a statement's keyword in an open bracket shows that the bracket is
broken.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from codegen_ui.stopping.lexer import Lexer, Mode
from codegen_ui.stopping.preamble import Preamble

_HEADER = re.compile(r"(?:(?:async[ \t]+)?(?P<function>def)|class)[ \t]+\w+[ \t]*")
# Keywords that begin a statement and occur in no expression, so that no line within brackets can start with them.
_STATEMENT = re.compile(
    r"(?:(?:(?:async[ \t]+)?def|class|import|while|with|raise|del|global|nonlocal|assert|return)[ \t]+\w"
    r"|(?:return|raise|pass|break|continue|try|finally|except)[ \t]*$)"
)
_TOP_LEVEL = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]", re.MULTILINE)
PROMPT_LIMIT = 32_000
"""Characters of a longer prompt that are read, about four contexts of code."""


class _Block(NamedTuple):
    is_function: bool
    indent: int


class FunctionEnd(Lexer):
    """Finds the end of the unit in a completion that is fed piece by piece. Never raises, whatever the text.

    Positions count characters of the completion; the prompt's are negative.

    Attributes:
        end: length of the completion up to the unit's end, its last line break included; None while it goes on.
        decided: the position after the character that showed it.
    """

    def __init__(self, prompt: str) -> None:
        self.end: int | None = None
        self.decided = 0
        self._preamble = Preamble()
        self._line_parts: list[str] = []
        self._line_length = 0
        self._code_end = 0
        self._blocks: list[_Block] = []
        self._unit: _Block | None = None
        self._wrote_code = False
        super().__init__(Mode.OUTSIDE, -len(prompt))
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
        self._read(piece)
        self._seen += len(piece)

    @property
    def _done(self) -> bool:
        return self.end is not None

    @property
    def safe(self) -> int:
        """How much of the completion certainly belongs to it: all but lines that may come after the unit."""
        if self.end is not None:
            return self.end
        if self._unit is None:
            return self._seen
        if self._mode is Mode.LINE:
            return self._code_end
        shallow = self._column <= self._unit.indent
        if shallow and self._mode is Mode.COMMENT and self._whole_line:
            return self._code_end
        if shallow and self._mode is Mode.HEAD and self._depth:
            return self._code_end
        return self._seen

    def _outside(self, piece: str, at: int) -> int:
        end = piece.find("\n", at) + 1 or len(piece)
        self._line_parts.append(piece[at:end])
        self._line_length += end - at
        if piece[end - 1] == "\n":
            line, start = "".join(self._line_parts), self._seen + end - self._line_length
            self._line_parts, self._line_length = [], 0
            # Of a function in a block that the model itself began, an `if` or `try`, no end is looked for.
            if self._preamble.begins(line[:-1], indented=start < 0):
                self._begin_block(line, start)
        return end

    def _begin_block(self, line: str, start: int) -> None:
        """Read the complete line at position `start` again, as code."""
        seen, self._seen = self._seen, start
        self._mode, self._column, self._depth, self._wrote_code = Mode.LINE, 0, 0, False
        self._read(line)
        self._seen = seen
        if not self._blocks:
            self._mode = Mode.OUTSIDE

    def _leave_blocks(self, text: str) -> None:
        """Every block has ended, with a line that so far is `text`."""
        self._mode = Mode.OUTSIDE
        self._line_parts, self._line_length = [text], len(text)

    def _note_code(self, piece: str, at: int, end: int) -> None:
        """Remember that the model, not the prompt, wrote code."""
        if self._unit is None and self._seen + end > 0 and piece[max(at, -self._seen) : end].strip():
            self._wrote_code = True

    def _end_line(self, position: int, *, comment: bool) -> None:
        if not comment or self._unit is None or self._column > self._unit.indent:
            self._code_end = position
        if not comment and self._wrote_code and self._unit is None:
            self._choose_unit()

    def _begin_statement(self, position: int, head: str = "") -> None:
        if self._unit is not None and self._column <= self._unit.indent:
            self.end, self.decided = self._code_end, position + 1
            return
        inside = bool(self._blocks)
        while self._blocks and self._blocks[-1].indent >= self._column:
            self._blocks.pop()
        if inside and not self._blocks:
            self._leave_blocks(" " * self._column + head)
        elif position >= 0 and self._unit is None:
            self._choose_unit()

    def _end_head(self, following: str, position: int) -> None:
        """See whether the line's first words break a bracket, and open a `def` or `class`."""
        if self._depth:
            if not _STATEMENT.match(self._head):
                return
            self._depth = 0
            self._begin_statement(position, self._head)
            if self.end is not None or self._mode is Mode.OUTSIDE:
                return
        header = _HEADER.fullmatch(self._head)
        if header is not None and following in "([:\\":
            self._blocks.append(_Block(header["function"] is not None, self._column))

    def _choose_unit(self) -> None:
        functions = (block for block in self._blocks if block.is_function)
        self._unit = next(functions, self._blocks[0] if self._blocks else None)
