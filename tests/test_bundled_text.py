"""The training text: tasks as files say them, written out in variations, and kept apart from what measures them."""

from __future__ import annotations

import ast
import random
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen_ui.bundled.common_code import common_code
from codegen_ui.bundled.compression import HELD_OUT
from codegen_ui.bundled.corpus import HELD_OUT_PACKAGES, Guard
from codegen_ui.bundled.drills import drill
from codegen_ui.bundled.evaluate import asserted
from codegen_ui.bundled.everyday import everyday_tasks
from codegen_ui.bundled.families import family_tasks
from codegen_ui.bundled.loose import loose_drill
from codegen_ui.bundled.naming import TAKEN, distinct, pieces, stitched
from codegen_ui.bundled.objects import class_parts
from codegen_ui.bundled.phrasing import request, sentence, third_person, wrap
from codegen_ui.bundled.realcode import WHEELS, describe_package, documents, fetch_packages
from codegen_ui.bundled.sandbox import network_namespace, run_program
from codegen_ui.bundled.scripts import script_parts
from codegen_ui.bundled.states import state_class
from codegen_ui.bundled.store import read_documents
from codegen_ui.bundled.suite import (
    Opening,
    SuiteTask,
    as_program,
    drop_overlapping,
    guarded,
    load_first_things,
    load_suite,
    loops,
    shared_runs,
    standing,
    words_in,
)
from codegen_ui.bundled.surroundings import plain_english
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
    # plain English is the inside of a docstring, or stands before code after a blank line
    code = re.compile(r"(def|class) \w+.*:$|import |from |#|@", flags=re.MULTILINE)
    as_code = [text for text in texts if code.match(text)]
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
    lines = [line for line in WHEELS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
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
    assert sum(task.held_out for task in tasks) >= 40
    assert sum(task.held_out and "class " in task.prompt for task in tasks) >= 5
    assert len({task.prompt for task in tasks}) == len(tasks)
    for task in tasks:
        column = 8 if task.prompt.startswith("class ") and "def " in task.prompt else 4
        ast.parse(task.program(" " * column + "pass\n"))
        assert task.defined.isidentifier()


def test_the_words_of_held_out_tasks_are_not_in_the_tasks() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path("codegen_ui/bundled/textbook").glob("*.txt")]
    sources += ["\n".join(task.names + task.wordings) for task in family_tasks() + everyday_tasks()]
    sources += [
        Path(f"codegen_ui/bundled/{name}").read_text(encoding="utf-8")
        for name in ("drills.py", "loose.py", "objects.py", "states.py", "scripts.py", "nouns.txt")
    ]
    held_out = [task for task in load_suite() if task.held_out]
    assert words_in(sources, [name for task in held_out for name in task.names_of_its_own]) == set()
    assert shared_runs(sources, [task.prompt for task in held_out], 5)[0] == 0


def test_what_measures_the_checkpoint_is_kept_out_of_its_training_text() -> None:
    guard = Guard({3: ["one two three four"]}, ["yodel"], [Opening("add", "def add(a, b):\n", ("True",))])
    clean = ["def plus(a, b):\n    return a + b\n", "one two and three", "x = def_add(a, b)"]
    dirty = ["One, two\nthree!", "class Yodel:\n    pass\n", "import os\n\n\ndef  add(a, b):\n    return 0\n"]
    assert guard.keep([*clean, *dirty]) == (clean, 3)


@pytest.mark.parametrize("text", ["Implement binary search.\n\ndef f(): pass", "import x\nimplement  Binary Search\n"])
def test_an_opening_is_found_on_lines_of_its_own(text: str) -> None:
    opening = Opening("search", "Implement binary search", ("True",))
    assert standing([opening], text) == [opening]
    assert not standing([opening], "Implement binary search in Python")


def test_the_names_of_a_held_out_task_are_what_it_defines_and_all_that_have_several_words() -> None:
    prompt = "class Kiln:\n    def __init__(self, clay_pots, heat):\n"
    assert SuiteTask("kiln", prompt, ("True",), True).names_of_its_own == ["Kiln", "clay_pots"]


def test_there_are_sixty_first_things_and_most_are_kept_out() -> None:
    openings = load_first_things()
    assert len(openings) == len({opening.prompt for opening in openings}) == 60
    assert sum(guarded(opening) for opening in openings) >= 55


def test_the_held_out_sample_is_small_and_of_what_is_not_trained_on() -> None:
    assert sum(path.stat().st_size for path in HELD_OUT.iterdir()) <= 300_000
    licences = (HELD_OUT / "LICENCES.txt").read_text(encoding="utf-8")
    assert all(name in licences for name in HELD_OUT_PACKAGES)
    assert len(list(read_documents(HELD_OUT / "real.jsonl"))) > 100
    assert len(list(read_documents(HELD_OUT / "textbook.jsonl"))) > 100


def test_drawn_names_are_new_and_not_pythons() -> None:
    draw = random.Random(1)
    names = distinct(draw, 300, {"anchor"})
    assert len(set(names)) == 300
    assert not {"anchor", *TAKEN} & set(names)
    assert all(name.isidentifier() for name in names)


def test_a_stitched_name_is_made_of_the_tokenizers_pieces() -> None:
    draw = random.Random(6)
    assert len(pieces()) > 1000
    for _ in range(50):
        name = stitched(draw)
        assert name.isidentifier()
        assert len(name) <= 16
        assert any(name.startswith(piece) for piece in pieces())


@pytest.mark.parametrize("write", [drill, loose_drill])
def test_a_drill_uses_only_its_own_parameters(write: Callable[[random.Random], str]) -> None:
    draw = random.Random(2)
    code = [text for text in (write(draw) for _ in range(200)) if text.startswith("def ")]
    assert len(code) > 100
    for text in code:
        for function in ast.parse(text).body:
            assert isinstance(function, ast.FunctionDef)
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            known = {argument.arg for argument in function.args.args} | {
                node.id for node in names if isinstance(node.ctx, ast.Store)
            }
            assert {node.id for node in names} <= known | TAKEN


def test_a_composed_class_keeps_its_attributes_under_their_names() -> None:
    draw = random.Random(3)
    for _ in range(100):
        _, code = class_parts(draw)
        made = ast.parse(code).body[0]
        assert isinstance(made, ast.ClassDef)
        init = next(node for node in made.body if isinstance(node, ast.FunctionDef))
        stored = [node.targets[0].attr for node in init.body if isinstance(node, ast.Assign)]  # type: ignore[attr-defined]
        assert set(stored) >= {argument.arg for argument in init.args.args} - {"self"}


def test_a_class_that_changes_what_it_keeps_has_every_attribute_that_its_methods_use() -> None:
    draw = random.Random(7)
    for _ in range(100):
        made = ast.parse(state_class(draw)).body[0]
        methods = [node for node in ast.walk(made) if isinstance(node, ast.FunctionDef)]
        kept = [
            {
                node.attr
                for node in ast.walk(method)
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
            }
            for method in methods
        ]
        assert methods[0].name == "__init__"
        assert len(methods) > 1
        assert all(used <= kept[0] for used in kept[1:])


def test_scripts_are_programs_and_say_what_they_do() -> None:
    draw = random.Random(4)
    for _ in range(100):
        said, code = script_parts(draw)
        assert said
        ast.parse(code)


def test_plain_english_is_the_inside_of_a_docstring_that_code_follows() -> None:
    draw = random.Random(5)
    for _ in range(50):
        text = plain_english("Don't fail", ["", "Example 1:", "n = [1"], ["import re"], "def f():\n    pass", draw)
        quotes = "'''" if "'''" in text else '"""'
        body = ast.parse(text if text.startswith(quotes) else quotes + text).body
        assert [type(node) for node in body] == [ast.Expr, ast.Import, ast.FunctionDef]


@pytest.mark.parametrize(
    ("prompt", "completion", "code"),
    [
        ("def f():\n", "    return 1\n", "def f():\n    return 1\n"),
        ("Say hi", '\n"""\nprint("hi")\n', '"""Say hi\n"""\nprint("hi")\n'),
        ("Say hi", ' to all.\n\nprint("hi")', '\nprint("hi")'),
        ("Say", " what (", "Say what ("),
    ],
)
def test_the_code_of_a_completion_is_what_a_reader_takes_from_it(prompt: str, completion: str, code: str) -> None:
    assert as_program(prompt, completion) == code


def test_a_check_of_the_gallery_must_end_in_what_is_true() -> None:
    assert asserted("s = Stack(); s.push(1); s.pop() == 1") == "s = Stack()\ns.push(1)\nassert s.pop() == 1"
    with pytest.raises(ValueError, match="no expression at the end"):
        asserted("x = 1")


def test_a_line_four_times_in_a_row_is_a_loop() -> None:
    assert loops("a\n" + "    x = 1\n\n" * 4)
    assert not loops("x = 1\n" * 3 + "y\n" + "x = 1\n" * 3)


RIGHT_ANSWERS = {
    "code add": "    return a + b\n",
    "code greet": '    print("Hi " + name)\n',
    "code csv comment": 'import csv\nwith open("t.csv") as f:\n    for row in csv.reader(f):\n        print(row)\n',
    "english binary search": '\n"""\nclass Solution:\n    def f(self, xs, x):\n        return {5: 2}.get(x, -1)\n',
    "english stack": '\n"""\nclass Pile(list):\n    push = list.append\n',
    "line list": "1, 2]",
}


@pytest.mark.parametrize("name", RIGHT_ANSWERS)
def test_a_first_thing_passes_when_it_is_done_and_only_then(name: str) -> None:
    prefix = network_namespace()
    opening = next(opening for opening in load_first_things() if opening.name == name)
    right = run_program(opening.program(RIGHT_ANSWERS[name]), prefix=prefix)
    assert right.passed, right.reason
    assert not run_program(opening.program("    return None\n"), prefix=prefix).passed
