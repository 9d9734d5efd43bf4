"""Which test files need torch: those that import it, or a module that does, wherever that is in the project."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
NEEDED = {"torch", "transformers"}


def needs_torch(path: Path) -> bool:
    """Whether importing the file imports torch. What functions import when they are called does not count."""
    seen, waiting = {path}, [path]
    while waiting:
        needed, found = met(waiting.pop())
        if needed:
            return True
        waiting.extend(found - seen)
        seen |= found
    return False


@cache
def met(path: Path) -> tuple[bool, frozenset[Path]]:
    """Whether a file imports torch itself, and which files of the project it imports."""
    names = set(imports(path))
    needed = any(name.partition(".")[0] in NEEDED for name in names)
    return needed, frozenset(file for name in names for file in files(name))


def files(name: str) -> Iterator[Path]:
    """A module of the tests or of the package, and the packages around it."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        for base in (TESTS.joinpath(*parts[:length]), TESTS.parent.joinpath(*parts[:length])):
            yield from (file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file())


def imports(path: Path) -> Iterator[str]:
    """Every name that a file imports while it is imported itself."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_for_types(node):
                waiting.append(node)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
