"""The code of `textbook/*.txt`, read without the recipe: what is served needs it, to look drafts up in.

The files' form is told in `task`, which reads everything in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "textbook"


def common_code(folder: Path = FOLDER) -> list[str]:
    """Every entry's code as a text of its own: each function once for each of its algorithms, without a description."""
    texts = []
    for _, entry in entries(folder):
        head, _, rest = entry.partition("\n")
        fields = list(fields_of(rest))
        name = split_list(next(value for field, value in fields if field == "names"))[0]
        params = next((value for field, value in fields if field == "params"), "").partition("|")[0]
        signature = f"def {name}({', '.join(part.partition(':')[0].strip() for part in split_list(params))}):\n"
        for solution in (value for field, value in fields if field == "code"):
            code = solution.replace("NAME", name)
            texts.append((code if head.startswith("class ") else signature + indent(code)) + "\n")
    return texts


def entries(folder: Path) -> Iterator[tuple[Path, str]]:
    """The text of every entry, from after its `== `, and the file that it is in; in order."""
    for path in sorted(folder.glob("*.txt")):
        for entry in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            yield path, entry


def fields_of(text: str) -> Iterator[tuple[str, str]]:
    """The fields of an entry, from after its first line, in their order. Raises ValueError."""
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
