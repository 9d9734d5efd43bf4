"""Self-contained functions and classes cut from Python packages under permissive licences.

Those of `packages.txt` are fetched with pip as wheels and unpacked, never installed and never imported.
"""

from __future__ import annotations

import ast
import email
import hashlib
import random
import re
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIN_CHARACTERS, MAX_CHARACTERS, MAX_DOCSTRING = 100, 2400, 700
SKIPPED_FOLDERS = {
    "test", "tests", "testing", "idlelib", "lib2to3", "encodings", "turtledemo", "site-packages", "ensurepip",
    "pydoc_data", "__pycache__", "_vendor", "_pyrepl", "dist-packages",
}  # fmt: skip
PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC)\b", re.IGNORECASE)
COPYLEFT = re.compile(r"\b(L?GPL|AGPL|MPL|Mozilla|EUPL)", re.IGNORECASE)


WHEELS = Path(__file__).with_name("packages.txt")


@dataclass(frozen=True)
class Package:
    """A folder of Python files with the name, version and licence to cite."""

    name: str
    version: str
    licence: str
    folder: Path


def fetch_packages(folder: Path, requirements: Path = WHEELS) -> None:
    """Unpack each wheel under FOLDER/NAME-VERSION; what is there already is not fetched again.

    Raises:
        subprocess.CalledProcessError: pip could not download one of them; its own message is on stderr.
    """
    pins = [line for line in requirements.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    for pin in pins:
        target = folder / pin.replace("==", "-")
        if target.is_dir():
            continue
        print(f"fetching {pin}", flush=True)
        with tempfile.TemporaryDirectory() as wheels:
            options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels]
            subprocess.run([sys.executable, "-m", "pip", "download", *options, pin], check=True)
            unpack(next(Path(wheels).glob("*.whl")), target)


def unpack(wheel: Path, folder: Path) -> None:
    """Whole or not at all, so that an interrupted run fetches it again."""
    partial = folder.with_name(folder.name + ".partial")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(partial)  # zipfile keeps members inside the folder
    partial.rename(folder)


def describe_package(folder: Path) -> Package:
    """Read `*.dist-info` under an unpacked wheel. Raises ValueError unless its licence is permissive."""
    info = next(folder.glob("*.dist-info"), None)
    if info is None:
        raise ValueError(f"{folder}: no *.dist-info folder; unpack a wheel here")
    found = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    classifiers = [c.rpartition(" :: ")[2] for c in found.get_all("Classifier") or [] if c.startswith("License")]
    declared = found.get("License-Expression") or (found.get("License") or "").strip().splitlines()[:1]
    licence = declared if isinstance(declared, str) else "".join(declared)
    if not PERMISSIVE.search(licence):
        licence = ", ".join([*classifiers, licence]).strip(", ")
    if not PERMISSIVE.search(licence) or COPYLEFT.search(licence):
        raise ValueError(f"{found['Name']} {found['Version']}: {licence!r} is not a permissive licence known here")
    return Package(found["Name"], found["Version"], licence, folder)


def documents(package: Package, seed: int, seen: set[str]) -> Iterator[str]:
    """Texts of one to a few neighbouring functions or classes with the imports they use; `seen` deduplicates."""
    draw = random.Random(f"{seed} {package.name}")
    for path in sorted(package.folder.rglob("*.py")):
        if SKIPPED_FOLDERS.isdisjoint(path.relative_to(package.folder).parts[:-1]):
            yield from _file_documents(path, draw, seen)


def _file_documents(path: Path, draw: random.Random, seen: set[str]) -> Iterator[str]:
    try:
        source = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in old code concern its authors
            module = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # another language version, or a deliberately broken file
    imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = source.expandtabs(4).splitlines()
    group: list[ast.stmt] = []
    size = 0
    for node in module.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or not _worth(node, lines, seen):
            continue
        length = len(_text(node, lines))
        if group and (size + length > MAX_CHARACTERS or draw.random() < 0.6):
            yield _document(group, imports, lines)
            group, size = [], 0
        group.append(node)
        size += length
    if group:
        yield _document(group, imports, lines)


def _text(node: ast.stmt, lines: list[str]) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(line.rstrip() for line in lines[first - 1 : node.end_lineno])


def _worth(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, lines: list[str], seen: set[str]) -> bool:
    text = _text(node, lines)
    docstring = ast.get_docstring(node, clean=False) or ""
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS or len(docstring) > MAX_DOCSTRING or not text.isascii():
        return False
    if max(map(len, text.splitlines())) > 120 or text.count("\n") < 2:
        return False
    digest = hashlib.sha256(re.sub(r"\s+", "", text).encode()).hexdigest()
    if digest in seen:
        return False
    seen.add(digest)
    return True


def _document(group: list[ast.stmt], imports: list[ast.Import | ast.ImportFrom], lines: list[str]) -> str:
    used = {n.id for node in group for n in ast.walk(node) if isinstance(n, ast.Name)}
    wanted = [
        ast.unparse(line)
        for line in imports
        if any((alias.asname or alias.name).partition(".")[0] in used for alias in line.names) and len(line.names) < 6
    ]
    parts = ["\n".join(wanted)] if wanted else []
    return "\n\n\n".join([*parts, *(_text(node, lines) for node in group)]) + "\n"
