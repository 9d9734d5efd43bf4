"""The checks of the shipped examples: a right completion passes them all, a wrong one does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import new_page
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from references import NOTHING, RIGHT, WRONG
from web import Headers, running

from codegen_ui.errors import InvalidInput
from codegen_ui.gallery import MAX_CHECKS, Example, dump_example, load_gallery, parse_example
from codegen_ui.ui.assets import add_assets

ROOT = Path(__file__).parent.parent
RUNNER = ROOT / "codegen_ui" / "ui" / "views" / "check_runner.py"
EXAMPLES = load_gallery(ROOT / "examples")
CHECKED = [example for example in EXAMPLES if example.checks]
NOT_IN_BRYTHON = ("numpy", "sqlite3")
RUN = """
import json, runpy, sys
run = runpy.run_path(sys.argv[1])["run"]
told, out = [], sys.stdout
run(*json.loads(sys.stdin.read()), lambda *step: told.append(step))
print(json.dumps(told), file=out)
"""


def run_checks(program: str, checks: list[str]) -> list[tuple[int, str, str]]:
    """What the browser's runner says of one of our own programs, in CPython and in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(RUNNER)],
        input=json.dumps([program, checks]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [(index, state, text) for index, state, text in json.loads(done.stdout)]


def states(program: str, checks: list[str]) -> list[str]:
    return [state for _, state, _ in run_checks(program, checks)]


def test_every_example_that_names_a_function_or_class_has_checks() -> None:
    names = [example.title for example in EXAMPLES if re.search(r"\b(def|class) \w+|\w+\(\w*\) that", example.prompt)]
    assert len(names) >= 12
    assert set(names) <= {example.title for example in CHECKED}
    assert {example.title for example in CHECKED} == set(RIGHT)


@pytest.mark.parametrize("example", CHECKED, ids=lambda example: example.title)
def test_a_right_completion_passes_and_a_wrong_one_does_not(example: Example) -> None:
    right = run_checks(example.prompt + RIGHT[example.title], list(example.checks))
    assert [state for _, state, _ in right] == ["passed"] * (1 + len(example.checks)), right
    wrong = WRONG.get(example.title, NOTHING)
    assert set(states(example.prompt + wrong, list(example.checks))) != {"passed"}


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """A page that can load the runner, in a real browser."""
    app = FastAPI()
    app.add_middleware(Headers)
    add_assets(app)

    @app.get("/", response_class=HTMLResponse)
    async def empty() -> str:
        return "<!doctype html><title>checks</title>"

    with running(app) as address, new_page(browser) as page:
        page.goto(address)
        yield page


@pytest.mark.browser
@pytest.mark.parametrize("example", CHECKED, ids=lambda example: example.title)
def test_the_browser_agrees_or_says_which_module_it_lacks(page: Any, example: Example) -> None:
    results = page.evaluate(
        "async (given) => (await (await import('/own/checks.js')).run(...given)).checks",
        [example.prompt + RIGHT[example.title], list(example.checks)],
    )
    missing = [name for name in NOT_IN_BRYTHON if f"import {name}" in example.prompt]
    assert [result["state"] for result in results] == ["unavailable" if missing else "passed"] * len(example.checks), (
        results
    )
    if missing:
        assert all(missing[0] in result["text"] for result in results)


def test_checks_are_written_and_read_back() -> None:
    example = Example("T", "D", "def f():\n", checks=["f() == 'a\"b'", "f() == '\\n'"])
    again = parse_example(dump_example(example))
    assert list(again.checks) == list(example.checks)
    assert "checks = [\n    " in dump_example(example)


@pytest.mark.parametrize("checks", ["f()", [""], ["a\nb"], ["x"] * (MAX_CHECKS + 1), [1], None])
def test_checks_that_are_no_lines_are_refused(checks: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        Example("T", "D", "def f():\n", checks=checks)
    assert refused.value.field == "checks"
