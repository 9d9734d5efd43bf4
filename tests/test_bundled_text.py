"""The training text: tasks as files say them, written out in variations, and kept apart from what measures them."""

from __future__ import annotations

import ast
import random
import subprocess
import zipfile
from pathlib import Path

import pytest

from codegen_ui.bundled.common_code import common_code
from codegen_ui.bundled.corpus import HELD_OUT_PACKAGES
from codegen_ui.bundled.everyday import everyday_tasks
from codegen_ui.bundled.families import family_tasks
from codegen_ui.bundled.overlap import drop_overlapping, shared_runs, words_in
from codegen_ui.bundled.packages import REQUIREMENTS, fetch_packages
from codegen_ui.bundled.phrasing import request, sentence, third_person, wrap
from codegen_ui.bundled.realcode import describe_package, documents
from codegen_ui.bundled.suite import load_suite
from codegen_ui.bundled.task import Task, load_tasks, parse_task
from codegen_ui.bundled.variant import make_variant, rename
from codegen_ui.bundled.writer import write_textbook

DOUBLE = """double
names: double, twice
params: n: int, times: int=1 | x, count
returns: int
do: double {n} {times} times
args: 3
args: 1, 4
code:
    for _ in range(times):
        n *= 2
    return n
"""


def test_an_entry_says_names_parameters_types_and_solutions() -> None:
    task = parse_task(DOUBLE)
    assert task.names == ("double", "twice")
    assert task.params == (("n", "times"), ("x", "count"))
    assert task.types == ("int", "int=1")
    assert task.solutions == ("for _ in range(times):\n    n *= 2\nreturn n",)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (DOUBLE.replace("names:", "nmaes:"), "unknown fields"),
        (DOUBLE.replace("| x, count", "| x"), "different lengths"),
        (DOUBLE.replace("returns: int", "returns int"), "not a field"),
    ],
)
def test_a_malformed_entry_is_named_with_its_reason(broken: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("== " + broken, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"some\.txt: double: .*{reason}"):
        load_tasks(tmp_path)


def test_a_variant_shows_results_that_its_own_code_gave() -> None:
    for seed in range(20):
        variant = make_variant(parse_task(DOUBLE), random.Random(seed))
        assert variant.calls == (("3", "6"), ("1, 4", "16"))


def choice_of(task: Task, seed: int) -> int:
    """Which solution `make_variant` takes under a seed, as it draws."""
    draw = random.Random(seed)
    return 0 if draw.random() < 0.45 else task.solutions.index(draw.choice(task.solutions))


def test_a_solution_that_disagrees_with_the_first_is_refused() -> None:
    wrong = parse_task(DOUBLE + "code:\n    return n\n")
    chooses_the_second = next(n for n in range(99) if choice_of(wrong, n) == 1)
    with pytest.raises(AssertionError, match="expected 6"):
        make_variant(wrong, random.Random(chooses_the_second))


def test_renaming_leaves_attributes_and_keywords_alone() -> None:
    code = "count = text.count(x, count=count) + recount"
    assert rename(code, {"count": "n", "x": "count"}) == "n = text.count(count, count=n) + recount"


@pytest.mark.parametrize(
    ("command", "third"),
    [
        ("return the sum", "returns the sum"),
        ("search a list and return the index", "searches a list and returns the index"),
        ("multiply two numbers", "multiplies two numbers"),
    ],
)
def test_commands_become_descriptions(command: str, third: str) -> None:
    assert third_person(command) == third


def test_wrapping_keeps_every_word_and_the_width() -> None:
    text = " ".join("word" * (n % 3 + 1) for n in range(50))
    assert " ".join(wrap(text, 30)).split() == text.split()
    assert max(map(len, wrap(text, 30))) <= 30


def test_there_are_enough_tasks_and_their_keys_differ() -> None:
    tasks = load_tasks() + family_tasks() + everyday_tasks()
    assert len(load_tasks()) >= 300
    functions = [task.key for task in tasks if not task.is_class]
    assert len(functions) == len(set(functions))


def test_common_code_is_python_that_defines_what_the_tasks_are_called() -> None:
    texts = common_code()
    assert len(texts) > len(load_tasks())
    for text in texts:
        ast.parse(text)
    assert any(text.startswith("def sum_list(nums):\n    total = 0\n") for text in texts)


def every_function() -> list[Task]:
    quick = [task for task in load_tasks() if not any("torch" in line for line in task.imports)]
    return [task for task in quick if not task.is_class]


def test_every_task_of_the_files_runs_under_changed_names() -> None:
    draw = random.Random(5)
    for task in every_function():
        variant = make_variant(task, draw)
        assert len(variant.calls) == len(task.cases), task.key


def test_every_everyday_operation_runs_with_its_nouns_in_names_and_wordings() -> None:
    draw = random.Random(5)
    for task in everyday_tasks():
        variant = make_variant(task, draw)
        assert len(variant.calls) == len(task.cases), task.key
    prices = next(task for task in everyday_tasks() if task.params == (("prices",),))
    assert prices.names[0] == "total_prices"
    assert "what is the sum of the prices?" in prices.wordings


def test_a_question_is_asked_as_it_is() -> None:
    draw = random.Random(0)
    for _ in range(20):
        assert request("which age is the lowest?", "f", "a list", draw) == "Which age is the lowest?"
        assert sentence("which age is the lowest?", draw) == "Which age is the lowest?"


def test_documents_are_the_same_for_a_seed_and_whole_programs_unless_they_open_in_english() -> None:
    texts = write_textbook(seed=3, count=80)
    assert texts == write_textbook(seed=3, count=80)
    assert texts != write_textbook(seed=4, count=80)
    as_code = [text for text in texts if text.startswith(("def ", "import ", "from ", "#", "class ", "@", '"""'))]
    assert len(as_code) > 40
    for text in as_code:
        ast.parse(text)


def make_package(folder: Path, licence: str) -> Path:
    info = folder / "some-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: some\nVersion: 1.0\nLicense-Expression: {licence}\n", encoding="utf-8")
    return folder


LONG_FUNCTION = (
    "def f{0}(path):\n    '''Join the path to the root.'''\n    joined = os.path.join('{0}', path)\n"
    "    if not joined:\n        raise ValueError(path)\n    return joined\n"
)


def test_real_code_comes_with_the_imports_it_uses_and_never_twice(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "p", "MIT")
    source = "import os\nimport sys\n\n\n" + LONG_FUNCTION.format(1)
    (folder / "one.py").write_text(source, encoding="utf-8")
    (folder / "copy.py").write_text(source, encoding="utf-8")
    texts = list(documents(describe_package(folder), 0, set()))
    assert len(texts) == 1
    assert texts[0].startswith("import os\n\n\ndef f1(path):")


def test_packages_are_unpacked_once_and_every_one_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(command: list[str], check: bool) -> None:
        calls.append(command[-1])
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "some-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some/__init__.py", "x = 1\n")

    monkeypatch.setattr(subprocess, "run", download)
    requirements = tmp_path / "packages.txt"
    requirements.write_text("# a comment\nsome==1.0\n", encoding="utf-8")
    for _ in range(2):
        fetch_packages(tmp_path, requirements)
    assert calls == ["some==1.0"]
    assert (tmp_path / "some-1.0" / "some" / "__init__.py").read_text(encoding="utf-8") == "x = 1\n"
    lines = [line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 for line in lines)
    assert {line.partition("==")[0] for line in lines} >= HELD_OUT_PACKAGES


@pytest.mark.parametrize("licence", ["GPL-3.0-or-later", "LGPL", "Proprietary", "MIT AND MPL-2.0"])
def test_a_package_without_a_permissive_licence_is_refused(licence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a permissive licence"):
        describe_package(make_package(tmp_path / "p", licence))


def test_overlap_is_found_whatever_the_punctuation_and_layout() -> None:
    guarded = ["One two, three four (five) six."]
    kept, dropped = drop_overlapping(["zero ONE two\n three  four-five six", "one two three"], {6: guarded})
    assert (kept, dropped) == (["one two three"], 1)
    assert shared_runs(["two three four"], guarded, 3) == (1, 4)
    assert words_in(["a Five b"], ["five", "six"]) == {"five"}


def test_the_suite_is_large_enough_and_its_prompts_are_python_up_to_the_body() -> None:
    tasks = load_suite()
    assert sum(not task.held_out for task in tasks) >= 40
    assert sum(task.held_out for task in tasks) >= 12
    assert len({task.prompt for task in tasks}) == len(tasks)
    for task in tasks:
        ast.parse(task.program("    pass\n"))


def test_the_words_of_held_out_tasks_are_not_in_the_tasks() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path("codegen_ui/bundled/textbook").glob("*.txt")]
    sources += ["\n".join(task.names + task.wordings) for task in family_tasks() + everyday_tasks()]
    held_out = [task.prompt for task in load_suite() if task.held_out]
    names = [prompt.partition("(")[0].split()[-1] for prompt in held_out]
    assert words_in(sources, names) == set()
    assert shared_runs(sources, held_out, 5)[0] == 0
