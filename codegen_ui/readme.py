"""The tables of the READMEs that have a source in the code: `python -m codegen_ui.readme` writes them anew.

A README holds a table between two comments, and a test compares:

    <!-- table: options -->
    <!-- end of table -->
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from codegen_ui.kinds import Switch, Texts
from codegen_ui.options import ENVIRONMENT_PREFIX, GROUPS
from codegen_ui.request import GenerationRequest
from codegen_ui.table import Option, Setting, rows
from codegen_ui.texts import PROMPT

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?P<begin><!-- table: (?P<name>[\w ]+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL)


def markdown(head: Sequence[str], lines: Iterator[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    cells = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in cells)


def options_table(groups: Mapping[str, Sequence[type]] = GROUPS) -> str:
    """Every option of the command line with its variable, what is allowed, and what happens without it."""

    def line(option: Option) -> Sequence[str]:
        name = option.name.replace("_", "-")
        usage = f"--{name}`, `--no-{name}" if isinstance(option.kind, Switch) else f"--{name} {option.shown}"
        limit = "on or off" if isinstance(option.kind, Switch) else option.kind.limit
        limit = "one or more texts" if isinstance(option.kind, Texts) else limit
        variable = f"{ENVIRONMENT_PREFIX}{option.name.upper()}"
        return f"`{usage}`", f"`{variable}`", option.help, limit, option.default_text

    options = (one for tables in groups.values() for table in tables for one in rows(table, Option))
    return markdown(("option", "variable", "what", "allowed", "default"), (line(option) for option in options))


def settings_table(table: type = GenerationRequest) -> str:
    """Every setting of a request: what it does, what is allowed, the default, the API's, its name on the page."""

    def line(one: Setting) -> Sequence[str]:
        neutral = replace(one, default=one.neutral).default_text if one.origin else ""
        return f"`{one.name}`", one.help, one.kind.limit, one.default_text, neutral, one.label

    settings = (one for one in rows(table, Setting) if one.kind is not PROMPT)
    return markdown(
        ("setting", "what", "allowed", "default", "over the API", "on the page"), (line(one) for one in settings)
    )


TABLES: dict[str, Callable[[], str]] = {
    "options": options_table,
    "settings": settings_table,
}


def renew(text: str) -> str:
    """A README's text with its tables as they should be. Raises `KeyError` for a table that there is not."""
    return BLOCK.sub(lambda found: f"{found['begin']}{TABLES[found['name']]()}{found['end']}", text)


def tables_in(text: str) -> list[str]:
    """The names of a README's tables."""
    return [found["name"] for found in BLOCK.finditer(text)]


def readmes() -> list[Path]:
    """The project's READMEs, root first."""
    folders = (ROOT / "codegen_ui", ROOT / "examples", ROOT / "tests")
    return [ROOT / "README.md", *(path for folder in folders for path in sorted(folder.rglob("README.md")))]


if __name__ == "__main__":
    for path in readmes():
        path.write_text(renew(path.read_text(encoding="utf-8")), encoding="utf-8")
