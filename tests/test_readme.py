"""The README stays true: its options are `--help`'s, its files exist, and it speaks of the project alone."""

from __future__ import annotations

import re
from pathlib import Path

from codegen_ui.settings import build_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_options_are_those_of_the_help() -> None:
    assert f"```text\n{build_parser().format_help()}```" in README


def test_the_first_screen_has_the_picture_and_the_command_that_runs_it() -> None:
    first = README[: README.index("\n## ")]
    assert "examples/screenshots/playground.png" in first
    assert "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python app.py" in first


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    command = ".venv/bin/pip install -r requirements.txt -r tests/requirements.txt && .venv/bin/python -m pytest"
    assert command in README
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "-r requirements.txt -r tests/requirements.txt" in script
    assert ".venv/bin/python -m pytest" in script


def test_every_file_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_module_it_runs_exists() -> None:
    modules = set(re.findall(r"python -m (codegen_ui[\w.]*)", README))
    assert modules
    for module in modules:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
