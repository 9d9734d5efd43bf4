"""The openings of first_things.txt: what a visitor without a gallery types, and whether the completion does it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FIRST_THINGS = Path(__file__).parent / "first_things.txt"
SHORTEST_GUARDED = 8  # characters; shorter openings (`for`, `x = [`) are Python itself, which training text must hold
REPEATS = 4  # the same line so many times in a row is a loop
HARNESS = """
import ast, builtins, contextlib, io, os
source = {source!r}
printing = io.StringIO()
table = "name,age,city\\nAnn,31,Rome\\nBob,25,Oslo\\n"
def opened(path, mode="r", *rest, **options):
    reading = "w" not in mode and "a" not in mode
    return io.StringIO(table) if reading and not os.path.exists(path) else builtins.open(path, mode, *rest, **options)
scope = {{"__name__": "__main__", "input": lambda *asked: "7", "open": opened}}
with contextlib.redirect_stdout(printing):
    exec(compile(source, "completion", "exec"), scope)
printed = printing.getvalue()
made = None
for node in ast.parse(source).body:
    if made is None and isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        made = scope[node.name]
        if node.name == "Solution":
            method = next(each for each in node.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_")
            made = getattr(made(), method.name)
parsed = True
late = io.StringIO()
def shown():
    return late.getvalue()
scope.update(printed=printed, made=made, parsed=parsed, shown=shown)
with contextlib.redirect_stdout(late):
    for check in {checks!r}:
        assert eval(check, scope), check
"""


@dataclass(frozen=True)
class Opening:
    """A prompt as it is typed and what must be true of the program that it becomes."""

    name: str
    prompt: str
    checks: tuple[str, ...]

    def program(self, completion: str) -> str:
        """One program that exits with 0 when every check holds."""
        return HARNESS.format(source=as_program(self.prompt, completion), checks=list(self.checks))


def load_first_things(path: Path = FIRST_THINGS) -> list[Opening]:
    """Every opening, in order. Raises ValueError where one has no prompt or no checks."""
    openings = []
    for chunk in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, *lines = chunk.splitlines()
        kind, _, name = head.partition(" ")
        checks = tuple(line.removeprefix("check: ") for line in lines if line.startswith("check: "))
        prompt = "\n".join(line[4:] for line in lines if not line.startswith("check: ")).strip("\n")
        if kind not in ("code", "english", "line") or not checks or not prompt:
            raise ValueError(f"{path.name}: {head}: needs a kind, a prompt and checks")
        openings.append(Opening(f"{kind} {name}", prompt + ("\n" if kind == "code" else ""), checks))
    return openings


def as_program(prompt: str, completion: str) -> str:
    """The code that a reader takes from it: all of it, or with the prompt inside a docstring, or what follows prose.

    Where nothing parses, prompt and completion as they are.
    """
    whole = prompt + completion
    lines = completion.splitlines()
    tails = ("\n".join(lines[first:]) for first in range(len(lines)))
    for text in (whole, '"""' + whole, *tails):
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError):
            continue
        if any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in body):
            return text
    return whole


def loops(text: str) -> bool:
    """Whether some line that is not blank stands four times in a row, the blank ones aside."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return any(len(set(lines[i : i + REPEATS])) == 1 for i in range(len(lines) - REPEATS + 1))


def standing(openings: Iterable[Opening], text: str) -> list[Opening]:
    """Those that a text has as lines of its own; letter case, spacing and a final full stop aside."""
    lines = _lines(text)
    present = set(lines)
    found = []
    for opening in openings:
        wanted = _lines(opening.prompt)
        if wanted[0] in present and any(lines[i : i + len(wanted)] == wanted for i in range(len(lines))):
            found.append(opening)
    return found


def guarded(opening: Opening) -> bool:
    """Whether training text must not hold it."""
    return len(opening.prompt.strip()) >= SHORTEST_GUARDED


@lru_cache(maxsize=256)
def _lines(text: str) -> list[str]:
    return [" ".join(line.lower().split()).rstrip(".:") for line in text.splitlines() if line.strip()]
