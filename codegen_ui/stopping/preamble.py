"""What stands outside of every function and class: English, docstrings, imports, constants, scripts.

Such text is read line by line, for one question: does this line begin a function or class? Python's grammar cannot
answer it. A CodeGen model takes a prompt in plain English for the inside of a docstring that began before it, so that a
line of three quotes may close what was never opened, or open a new docstring; and apostrophes and brackets in English
mean nothing. Hence:

- A `def` or `class` line at column 0 that reads like Python begins one, whatever quotes came before it...
- ...unless it stands in a string that certainly goes on: one that opens after code (`TEXT = '''`), with text right
  behind its quotes, or whose quotes are followed by a line of English. Such a string lasts until its quotes come again.

A line is English where two words follow each other that no Python statement has side by side.
"""

from __future__ import annotations

import itertools
import keyword
import re

_TOKEN = re.compile(
    r"""(?P<comment>(?<!\w)\#.*)"""
    r"""|(?P<triple>\"{3}|'{3})"""
    r"""|(?P<apostrophe>(?<=\w)(?<!\b[rbfuRBFU])(?<!\b[rbfRBF]{2})'(?=\w))"""
    r"""|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""",
    re.DOTALL,
)
_WORDS = re.compile(r"[^\W\d]\w*(?:[ \t]+[^\W\d]\w*)+")
# Words that may stand beside another one in Python of any version.
_KEYWORDS = {*keyword.kwlist, "match", "case", "type", "print", "exec", "nonlocal", "async", "await"}
_HEADER = re.compile(
    r"\ufeff?(?P<indent>[ \t\f]*)(?:(?:async[ \t]+)?def|class)[ \t]+\w+[ \t]*(?P<rest>[\[(:\\].*)", re.DOTALL
)
_CODE = re.compile(r"(?:import|from)[ \t]+[\w.]+|@\w|[^\W\d][\w.]*[ \t]*(?:[^\w\s=!<>]?=[^=]|:[^:]*=)|if[ \t]+__name__")
_OPENS_STRING = re.compile(r"(?:[=(\[{,+%\\]|\b(?:return|in|and|or|not|[rbfuRBFU]|[rbfRBF]{2}))[ \t]*$")
LINE_LIMIT = 2000
"""Characters of a longer line that are looked at."""


class Preamble:
    """Reads the lines outside of functions and classes, in order."""

    def __init__(self) -> None:
        self._open = ""
        self._doubtful = ""

    def begins(self, line: str, *, indented: bool = False) -> bool:
        """Whether this line begins a function or class: at column 0, or anywhere with `indented`."""
        line = line[:LINE_LIMIT]
        start = 0
        if self._open:
            start = self._closing(line, 0)
            if start < 0:
                return False
        header = None if start else _HEADER.match(line)
        plain, quotes, after = _read(line, start)
        english = is_english(plain)
        if header and not english and (indented or not header["indent"]) and _complete(plain):
            self._doubtful = ""
            return True
        if english and self._doubtful:
            self._open, self._doubtful = self._doubtful, ""
            start = self._closing(line, 0)
            if start < 0:
                return False
            plain, quotes, after = _read(line, start)
        elif not english and _CODE.match(plain):
            self._doubtful = ""
        self._note(plain, quotes, after)
        return False

    def _closing(self, line: str, start: int) -> int:
        """Where the open string's quotes end in the line, or -1. Closes it there."""
        found = re.compile(rf"(?:\\.|[^\\])*?{self._open}", re.DOTALL).match(line, start)
        if not found:
            return -1
        self._open = ""
        return found.end()

    def _note(self, plain: str, quotes: str, after: str) -> None:
        """Three quotes that their line does not close: a string that goes on, or who knows."""
        if not quotes:
            return
        before = plain.strip()
        if before:
            certain = bool(_OPENS_STRING.search(plain)) and not is_english(plain)
        else:
            certain = bool(after) and not after.startswith("#")
        self._open, self._doubtful = (quotes, "") if certain else ("", quotes)


def _read(line: str, start: int) -> tuple[str, str, str]:
    """The line without comments and strings; three quotes that it leaves open, else ""; and what is behind those."""
    kept = [" " * bool(start)]
    at = start
    while found := _TOKEN.search(line, at):
        kept.append(line[at : found.start()])
        if found["comment"]:
            return "".join(kept), "", ""
        at = found.end()
        if quotes := found["triple"]:
            closing = line.find(quotes, at)
            if closing < 0:
                return "".join(kept), quotes, line[at:].strip()
            at = closing + len(quotes)
        kept.append("''" if not found["apostrophe"] else "'")
    kept.append(line[at:])
    return "".join(kept), "", ""


def is_english(plain: str) -> bool:
    """Whether two words stand side by side that no Python statement has so. Strings and comments must be out."""
    for run in _WORDS.finditer(plain):
        words = run.group().split()
        if any(one not in _KEYWORDS and two not in _KEYWORDS for one, two in itertools.pairwise(words)):
            return True
    return False


def _complete(plain: str) -> bool:
    """Whether a header's own line has its colon, or leaves it to the next line."""
    header = _HEADER.match(plain)
    if header is None:
        return False
    rest = header["rest"].rstrip()
    depth = 0
    for character in rest:
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == ":" and not depth:
            return True
    return depth > 0 or rest.endswith("\\")
