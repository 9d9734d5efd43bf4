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
from dataclasses import dataclass
from pathlib import Path

from codegen_ui.bundled.common_code import FOLDER, entries, fields_of, indent, split_list

__all__ = ["Task", "indent", "load_tasks", "parse_task", "split_list"]


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
    for path, entry in entries(folder):
        try:
            tasks.append(parse_task(entry))
        except (ValueError, SyntaxError) as error:
            raise ValueError(f"{path.name}: {entry.splitlines()[0]}: {error}") from error
    return tasks


def parse_task(chunk: str) -> Task:
    """One entry, from after its `== `. Raises ValueError."""
    head, _, rest = chunk.partition("\n")
    is_class = head.startswith("class ")
    fields: dict[str, list[str]] = {}
    for name, value in fields_of(rest):
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
