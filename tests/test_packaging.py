"""Installed, the playground is a command and a library that work anywhere."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import tomlkit

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package, unpacked into a folder of its own as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*pip, "install", *options, str(ROOT)], check=True, timeout=240)
    return folder


def anywhere(site: Path, folder: Path, *command: str) -> str:
    """Run a command in `folder` with the installed package alone on the path."""
    environ = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_is_there(site: Path, tmp_path: Path) -> None:
    assert "--model" in anywhere(site, tmp_path, sys.executable, str(site / "bin" / "codegen-playground"), "--help")


@pytest.mark.model
def test_the_library_generates_with_the_checkpoint_that_came_with_it(site: Path, tmp_path: Path) -> None:
    code = (
        "import codegen_ui; print(codegen_ui.__file__)\n"
        "with codegen_ui.load('bundled') as engine:\n"
        "    request = codegen_ui.GenerationRequest('def add(a, b):\\n', max_length=64, temperature=0)\n"
        "    print(engine.submit(request).result().text)\n"
    )
    out = anywhere(site, tmp_path, sys.executable, "-c", code)
    assert out.startswith(str(site))
    assert "return" in out


def test_the_examples_came_with_it_too(site: Path, tmp_path: Path) -> None:
    code = "import codegen_ui.gallery as g, codegen_ui.options as o; print(len(g.load_gallery(o.shipped_examples())))"
    shipped = len(list((ROOT / "examples").glob("*.toml")))
    assert int(anywhere(site, tmp_path, sys.executable, "-c", code)) == shipped


@cache
def required(path: str) -> dict[str, set[str]]:
    """Names to install -> what is said about their versions, which may differ between Pythons."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        wanted = re.match(r"([A-Za-z][\w.-]*)(?:\[[\w,]+\])?([^;#\s]*)", line)
        if wanted:
            found.setdefault(wanted[1].lower().replace("_", "-"), set()).add(wanted[2])
    return found


REQUIREMENTS = {
    "bench": required("codegen_ui/bench/requirements.txt") | required("codegen_ui/bench/requirements-openvino.txt"),
    "bundled": required("codegen_ui/bundled/requirements.txt"),
}


@pytest.mark.parametrize(
    "path", ["requirements.txt", "tests/requirements.txt", *(f"codegen_ui/{n}/requirements.txt" for n in REQUIREMENTS)]
)
def test_every_requirement_has_one_version(path: str) -> None:
    assert required(path)
    loose = {name for name, versions in required(path).items() if not all(v.startswith("==") for v in versions)}
    assert loose == set()


PACKAGES = {"argon2": "argon2-cffi"}
"""Packages that are imported by another name than they are required by."""


def test_every_package_that_is_imported_is_required_by_name() -> None:
    missing = set()
    for path in (ROOT / "codegen_ui").rglob("*.py"):
        known = required("requirements.txt") | REQUIREMENTS.get(path.relative_to(ROOT).parts[1], {})
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and node.level == 0 else []
            for name in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"codegen_ui"}:
                if PACKAGES.get(name, name.lower().replace("_", "-")) not in known:
                    missing.add((path.name, name))
    assert missing == set()


@pytest.mark.parametrize("path", ["requirements.txt", "tests/requirements.txt"])
def test_the_constraints_hold_every_required_version(path: str) -> None:
    held = required("codegen_ui/constraints.txt")
    missing = {name: versions for name, versions in required(path).items() if held.get(name) != versions}
    assert missing == {}, "run .ci/constraints"


def test_the_project_says_which_pythons_it_is_for() -> None:
    project = tomlkit.parse((ROOT / "pyproject.toml").read_text(encoding="utf-8")).unwrap()["project"]
    assert project["requires-python"] == ">=3.10,<3.13"
