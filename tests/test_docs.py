"""The READMEs stay true: tables are the code's, links lead somewhere, and every block of code has been run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import readme
from documents import READMES, ROOT, Block, blocks, run

from codegen_ui.bench.app_process import AppProcess
from codegen_ui.door.door import is_open

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for path in READMES for block in blocks(path)]


@pytest.mark.parametrize("path", READMES, ids=str)
def test_its_tables_are_those_of_the_code(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert readme.renew(text) == text, "python -m tests.readme writes the tables anew"


def test_every_table_of_the_code_is_in_a_readme() -> None:
    texts = [(ROOT / path).read_text(encoding="utf-8") for path in READMES]
    assert set(readme.TABLES) == {found["name"] for text in texts for found in readme.BLOCK.finditer(text)}


Table = list[list[str]]
"""Rows of cells, the head among them."""


def tables(path: str) -> list[Table]:
    """The tables of a README."""
    text = (ROOT / path).read_text(encoding="utf-8")
    found = [lines.splitlines() for lines in re.findall(r"(?m)(?:^\|.*\|\n)+", text)]
    split = [[[cell.strip() for cell in line[1:-1].split("|")] for line in lines] for lines in found]
    return [[table[0], *table[2:]] for table in split]


@pytest.mark.parametrize(("route", "operation"), readme.routes().items(), ids=readme.routes())
def test_every_route_passes_the_door_which_asks_there_for_what_its_table_says(
    route: str, operation: Mapping[str, Any]
) -> None:
    method, path = route.replace("{model}", "some/model").split()
    assert is_open(method, path)
    rows = next(table for table in tables("codegen_ui/door/README.md") if table[0][0] == "routes")
    (row,) = [
        row for row in rows if any(f"{path}/".startswith(f"{told}/") for told in re.findall(r"`(/[^`]*)`", row[0]))
    ]
    assert (row[2] == "key") is ("security" in operation)


def test_every_metric_that_a_readme_names_exists() -> None:
    told = {name for path in READMES for name in re.findall(r"codegen:\w+", (ROOT / path).read_text(encoding="utf-8"))}
    assert told == set(re.findall(r"codegen:\w+", readme.metrics_table()))


def test_ratios_between_two_contenders_are_those_of_their_medians() -> None:
    compared = 0
    measured, *others = tables("codegen_ui/bench/README.md")
    for table in others:
        if table[0][0].startswith("ratio") and len(measured) == 3:
            peers, ours = ([float(cell.split()[0]) for cell in row[1:]] for row in measured[1:])
            told = [float(row[1]) for row in table[1:]]
            assert told == pytest.approx([our / peer for our, peer in zip(ours, peers, strict=True)], rel=0.006)
            compared += len(told)
        measured = table
    assert compared


def test_shares_that_the_bundled_checkpoint_passes_are_those_of_its_card() -> None:
    told = (ROOT / "codegen_ui" / "bundled" / "README.md").read_text(encoding="utf-8").partition("\n<!--")[0]
    card = {row[1] for row in tables("codegen_ui/bundled/checkpoint/README.md")[0]}
    assert re.findall(r"\d+%", told)
    assert set(re.findall(r"\d+%", told)) <= card


def test_the_first_screen_has_the_picture_and_the_command_that_runs_it() -> None:
    first = README[: README.index("\n## ")]
    assert "examples/screenshots/playground.png" in first
    assert "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python app.py" in first


def test_the_front_page_is_short() -> None:
    assert len(README.splitlines()) <= 160


@pytest.mark.parametrize("path", READMES, ids=str)
def test_every_file_it_links_to_exists(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / path.parent / link).exists()] == []


@pytest.mark.parametrize("path", READMES, ids=str)
def test_every_heading_it_links_to_exists(path: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", (ROOT / path).read_text(encoding="utf-8")):
        if "://" not in target:
            text = (ROOT / path.parent / target if target else ROOT / path).read_text(encoding="utf-8")
            headings = {
                re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"(?m)^#+ (.*)", text)
            }
            assert heading in headings, f"{target}#{heading}"


def test_every_readme_is_reached_from_the_front_page() -> None:
    reached, todo = set(), [Path("README.md")]
    while todo:
        path = todo.pop()
        if path in reached:
            continue
        reached.add(path)
        text = (ROOT / path).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#\s]+README\.md)", text):
            todo.append((ROOT / path.parent / link).resolve().relative_to(ROOT))
    assert sorted(set(READMES) - reached) == []


@pytest.mark.parametrize("path", READMES, ids=str)
def test_every_module_it_runs_exists(path: Path) -> None:
    for module in set(re.findall(r"python -m (codegen_ui[\w.]*)", (ROOT / path).read_text(encoding="utf-8"))):
        file = ROOT / module.replace(".", "/")
        assert file.with_suffix(".py").exists() or (file / "__main__.py").exists(), module


def test_what_ci_runs_is_read_from_the_front_page() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- tested by: .ci\\/run -->" in script
    marked = [block for block in BLOCKS if block.marker == "tested by: .ci/run"]
    assert [block.commands[0].rpartition("/bin/python ")[2] for block in marked] == ["app.py", "-m pytest -n 3"]


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.marker.startswith("not run")], ids=str)
def test_a_block_that_no_test_runs_says_what_is_lacking(block: Block) -> None:
    allowed = (
        "a GPU|a password|a model hub|a container engine|hours|another server|an environment of its own|a quiet machine"
        "|a database of advisories"
    )
    assert re.fullmatch(rf"not run: needs ({allowed})", block.marker), block.marker


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.marker], ids=str)
@pytest.mark.model
def test_a_block_runs_as_it_is_written(block: Block, tmp_path: Path) -> None:
    done = run(block, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server with the bundled checkpoint."""
    with AppProcess("--model", "bundled") as server:
        yield int(server.url.rpartition(":")[2])


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.marker.startswith("run against")], ids=str)
@pytest.mark.model
def test_a_block_runs_against_a_server(block: Block, tmp_path: Path, port: int) -> None:
    assert block.marker == "run against: a server with the bundled checkpoint"
    done = run(block, tmp_path, port)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_test_that_a_readme_names_exists() -> None:
    named = {
        found
        for path in READMES
        for found in re.findall(r"`(?:tests/)?(test_\w+\.py)(?:::(\w+))?`", (ROOT / path).read_text(encoding="utf-8"))
    }
    assert named
    for file, name in named:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(class|def) {name}\b", text, re.MULTILINE) if name else text, (file, name)
