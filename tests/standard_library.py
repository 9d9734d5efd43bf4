"""Every function and class of the standard library, as a model would write it after a prompt in plain English."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(sysconfig.get_path("stdlib"))
LEFT_OUT = {"site-packages", "lib2to3", "idlelib", "test", "tests", "__pycache__"}
FOLLOWING = 1500
"""Characters of the file that follow the unit, at least."""


@dataclass(frozen=True)
class Unit:
    """A function or class at column 0 with the code that follows it.

    Attributes:
        place: file and line, for messages.
        code: from its first decorator on to some way behind its end; methods are moved to column 0.
        end: characters up to the end of its last line, as `ast` says.
        doc: its docstring, or "".
    """

    place: str
    code: str
    end: int
    doc: str


def modules() -> list[Path]:
    return sorted(path for path in FOLDER.rglob("*.py") if not LEFT_OUT & set(path.relative_to(FOLDER).parts))


def units(path: Path) -> Iterator[Unit]:
    """The functions and classes of a module, and the methods of its classes."""
    try:
        source = path.read_text("utf-8")
        tree = ast.parse(source)
    except (SyntaxError, UnicodeDecodeError):
        return
    if "\f" in source or "\r" in source:
        return
    lines = source.splitlines(keepends=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            unit = _unit(path, lines, node)
            if unit is not None:
                yield unit


def _unit(path: Path, lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Unit | None:
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
    assert node.end_lineno is not None
    own, rest = lines[first : node.end_lineno], lines[node.end_lineno :]
    indent = node.col_offset
    if any(line.strip() and not line.startswith(" " * indent) for line in own[:1]):
        return None
    code = "".join(_moved(line, indent) for line in own)
    following, length = [], 0
    for line in rest:
        # A line that leaves the unit's block is at column 0 for the unit.
        following.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
        length += len(line)
        if length > FOLLOWING:
            break
    try:
        again = ast.parse(code).body
    except (SyntaxError, ValueError):
        return None
    if len(again) != 1 or type(again[0]) is not type(node):
        return None
    return Unit(f"{path}:{node.lineno}", code + "".join(following), len(code), ast.get_docstring(node) or "")


def _moved(line: str, indent: int) -> str:
    return line[indent:] if line[:indent].isspace() else line
