"""Textbook tasks: what `textbook/*.txt` says, as objects.

A file is a series of entries.  `== key` opens a function, `== class key` a class or a whole snippet.  Fields:

    names:   function names to choose from
    params:  parameter lists to choose from, `|` between them; the first is the one the code uses and carries types
    returns: the annotation of the result
    imports: lines the code needs
    do:      what it does, as a command ("return the sum of {nums}"), or a question or a phrase that ends in its mark;
             one wording a line
    weight:  how often to write it down beside the others; 0.6 when left out
    story:   a longer statement of the problem, several sentences
    args:    one call's arguments, or for a class statements that must run, one case a line
    code:    a body, indented; one algorithm each; NAME stands for the function's or class's own name

In a class or snippet, `params` are the names in the code that change together, and DOC stands for one of its wordings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "textbook"


@dataclass(frozen=True)
class Task:
    """One entry. `params` holds alternatives, each a tuple of names; `types` annotates the first alternative."""

    key: str
    names: tuple[str, ...]
    params: tuple[tuple[str, ...], ...]
    types: tuple[str, ...]
    returns: str
    imports: tuple[str, ...]
    wordings: tuple[str, ...]
    stories: tuple[str, ...]
    cases: tuple[str, ...]
    solutions: tuple[str, ...]
    is_class: bool = False
    weight: float = 1.0


def load_tasks(folder: Path = FOLDER) -> list[Task]:
    """Every entry of every file, in order. Raises ValueError naming file and entry where one is malformed."""
    tasks = []
    for path in sorted(folder.glob("*.txt")):
        for chunk in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            try:
                tasks.append(parse_task(chunk))
            except (ValueError, SyntaxError) as error:
                raise ValueError(f"{path.name}: {chunk.splitlines()[0]}: {error}") from error
    return tasks


def common_code(folder: Path = FOLDER) -> list[str]:
    """Every entry's code as a text of its own: each function once for each of its algorithms, without a description."""
    texts = []
    for task in load_tasks(folder):
        head = f"def {task.names[0]}({', '.join(task.params[0])}):\n"
        for solution in task.solutions:
            code = solution.replace("NAME", task.names[0])
            texts.append((code if task.is_class else head + indent(code)) + "\n")
    return texts


def parse_task(chunk: str) -> Task:
    """One entry, from after its `== `. Raises ValueError."""
    head, _, rest = chunk.partition("\n")
    is_class = head.startswith("class ")
    fields: dict[str, list[str]] = {}
    for name, value in _fields(rest):
        fields.setdefault(name, []).append(value)
    unknown = set(fields) - {"names", "params", "returns", "imports", "do", "story", "args", "code", "weight"}
    if unknown or "code" not in fields or "names" not in fields:
        raise ValueError(f"unknown fields {sorted(unknown)}, or no code or names")
    alternatives = [split_list(part) for part in " | ".join(fields.get("params", [""])).split("|")]
    typed = [piece.partition(":") for piece in alternatives[0]]
    params = [tuple(name.strip() for name, _, _ in typed)]
    params += [tuple(piece.partition(":")[0].strip() for piece in other) for other in alternatives[1:]]
    if any(len(other) != len(params[0]) for other in params):
        raise ValueError(f"parameter lists of different lengths: {params}")
    for code in fields["code"]:
        ast.parse(code if is_class else "def f():\n" + indent(code))
    return Task(
        key=head.removeprefix("class ").strip(),
        names=tuple(split_list(", ".join(fields["names"]))),
        params=tuple(params),
        types=tuple(kind.strip() for _, _, kind in typed),
        returns=fields.get("returns", [""])[0],
        imports=tuple(fields.get("imports", [])),
        wordings=tuple(fields.get("do", [])),
        stories=tuple(fields.get("story", [])),
        cases=tuple(fields.get("args", [])),
        solutions=tuple(fields["code"]),
        is_class=is_class,
        weight=float(fields.get("weight", ["0.6"])[0]),
    )


def _fields(text: str) -> Iterator[tuple[str, str]]:
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"not a field: {line!r}")
        if name == "code":
            body = []
            while index < len(lines) and (lines[index].startswith("    ") or not lines[index].strip()):
                body.append(lines[index][4:].rstrip())
                index += 1
            value = "\n".join(body).strip("\n")
        yield name, value.strip()


def split_list(text: str) -> list[str]:
    """Split at commas outside brackets."""
    parts, depth, current = [], 0, ""
    for char in text:
        depth += (char in "[({") - (char in "])}")
        if char == "," and not depth:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [part for part in [*parts, current.strip()] if part]


def indent(code: str, by: int = 4) -> str:
    """Indent every non-empty line."""
    return "\n".join(" " * by + line if line else line for line in code.splitlines())
