"""Example files: the good ones load in order, a bad one is named with its line and skipped."""

from __future__ import annotations

import ast
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_ui.errors import InvalidInput
from codegen_ui.gallery import MAX_FILE_BYTES, SETTINGS, Example, dump_example, grouped, load_gallery, parse_example
from codegen_ui.request import GenerationRequest, StopAt
from codegen_ui.stopping import truncate

SHIPPED = Path(__file__).parent.parent / "examples"
GOOD = 'title = "T"\ndescription = "D"\nprompt = "def f():"\n'


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- the shipped examples


def test_every_shipped_example_loads(caplog: pytest.LogCaptureFixture) -> None:
    examples = load_gallery(SHIPPED)
    assert not caplog.records
    assert len(examples) == len(list(SHIPPED.glob("*.toml"))) >= 12


def test_titles_and_prompts_are_unique_and_the_four_of_the_blog_post_come_first() -> None:
    examples = load_gallery(SHIPPED)
    assert [example.title for example in examples[:4]] == [
        "3Sum, in English",
        "Two Sum II, in English",
        "Implement the cross entropy loss function",
        "Implement binary search",
    ]
    assert len({example.title.lower() for example in examples}) == len(examples)
    assert len({example.prompt for example in examples}) == len(examples)


def test_the_posts_own_prompts_are_plain_english_greedy_and_as_long_as_there() -> None:
    post = grouped(load_gallery(SHIPPED))["The blog post"]
    assert [example.prompt for example in post[2:]] == [
        "Implement the cross entropy loss function\n",
        "Implement binary search\n",
    ]
    for example in post:
        assert example.settings == {"temperature": 0, "max_length": 1000, "stop_at": "function"}
        assert "def " not in example.prompt
        assert "class " not in example.prompt
    assert all("!=" in example.prompt and "[" in example.prompt for example in post[:2])


def test_every_shipped_example_stands_in_a_group() -> None:
    groups = grouped(load_gallery(SHIPPED))
    assert list(groups)[:3] == ["The blog post", "Functions", "Classes"]
    assert all(groups)


@pytest.mark.parametrize("example", load_gallery(SHIPPED), ids=lambda example: example.title)
def test_a_shipped_prompt_ends_where_a_completion_begins(example: Example) -> None:
    assert example.prompt.endswith("\n")
    assert not example.prompt.endswith("\n\n"), "a blank line at the end invites a new paragraph, not the body"
    assert not example.prompt.startswith("\n")
    assert all(line == line.rstrip() for line in example.prompt.split("\n"))
    assert "\t" not in example.prompt


@pytest.mark.parametrize("example", load_gallery(SHIPPED), ids=lambda example: example.title)
def test_a_shipped_example_stops_by_its_own_settings(example: Example) -> None:
    request = GenerationRequest(example.prompt, **example.settings)
    assert request.stop_at is StopAt.FUNCTION
    last = example.prompt.rstrip("\n").split("\n")[-1]
    indent = len(last) - len(last.lstrip())
    body = " " * (indent + 4 * last.endswith(":")) + "pass\n"
    if "def " not in example.prompt:
        body = "def f():\n    pass\n"
    english = example.group == "The blog post"
    if english:
        body = '"""\n\ndef f():\n    pass\n'
    if example.prompt.count('"""') % 2:
        body = '    """\n    pass\n'
    completion, reason = truncate(example.prompt, body + "\n\nprint('more')\n", StopAt.FUNCTION)
    assert completion == body
    assert reason is not None
    # The model takes English for the inside of a docstring that began before it.
    ast.parse('"""' * english + example.prompt + completion)


# --- loading


def test_examples_come_in_the_order_of_their_file_names(tmp_path: Path) -> None:
    for name in ("20_b.toml", "10_a.toml", "30_c.toml"):
        write(tmp_path, name, GOOD.replace('"T"', f'"{name}"'))
    write(tmp_path, "notes.txt", "no example")
    assert [example.title for example in load_gallery(tmp_path)] == ["10_a.toml", "20_b.toml", "30_c.toml"]


def test_settings_are_optional_and_a_block_keeps_its_tabs_and_backslashes(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", "title='T'\ndescription='D'\nprompt = '''\ndef f():\n\treturn '\\n'\n'''\n")
    (example,) = load_gallery(tmp_path)
    assert example.prompt == "def f():\n\treturn '\\n'\n"
    assert example.settings == {}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(GOOD + "temperature = \n", 4, "Unexpected character", id="syntax"),
        pytest.param('title = "T"\ntitle = "U"\n', 2, "already exists", id="key twice"),
        pytest.param("title = '''never closed", 1, "Unexpected end of file", id="block never closed"),
        pytest.param('title = "T"\nprompt = "x"\n', 1, "'description' is missing", id="missing field"),
        pytest.param("", 1, "'title' is missing", id="empty file"),
        pytest.param(GOOD + 'author = "me"\n', 4, "'author' is no field", id="unknown field"),
        pytest.param(GOOD + "\n[extra]\nx = 1\n", 5, "'extra' is no field", id="unknown table"),
        pytest.param(GOOD.replace('"T"', "3"), 1, "title: 3 is not allowed", id="title of the wrong type"),
        pytest.param(GOOD.replace('"D"', '"a\\nb"'), 2, "description", id="description of two lines"),
        pytest.param(GOOD + "group = 3\n", 4, "group: 3 is not allowed", id="group of the wrong type"),
        pytest.param(GOOD + 'group = " "\n', 4, "group", id="blank group"),
        pytest.param(GOOD.replace('"def f():"', '" "'), 3, "prompt", id="blank prompt"),
        pytest.param(GOOD.replace('"def f():"', '"a\\u0000"'), 3, "NUL", id="NUL in the prompt"),
        pytest.param(GOOD + "settings = 3\n", 4, "settings", id="settings of the wrong type"),
        pytest.param(GOOD + "\n[settings]\ntop_k = 0\ntop_p = 1.5\n", 7, "top_p: 1.5", id="out of range"),
        pytest.param(GOOD + "\n[settings]\ntop_q = 1.5\n", 6, "'top_q'", id="unknown setting"),
        pytest.param(GOOD + '\n[settings]\nvisitor = "x"\n', 6, "'visitor'", id="a field that is no setting"),
        pytest.param(GOOD + '[settings]\nstop_at = "never"\n', 5, "one of function, paper", id="unknown choice"),
        pytest.param(GOOD + "[settings]\nstop = [1]\n", 5, "stop", id="stop strings of the wrong type"),
        pytest.param(GOOD + "settings = {top_p = 2}\n", 4, "top_p", id="inline table"),
        pytest.param(GOOD + "settings.top_p = 2\n", 4, "top_p", id="dotted key"),
        pytest.param(
            "title = 'T'\ndescription = 'D'\nprompt = '''\n[settings]\ntop_p = 2\n'''\n\n[settings]\ntop_p = 2\n",
            9,
            "top_p",
            id="the same words in the prompt",
        ),
        pytest.param(GOOD.encode() + b"# caf\xe9\n", 4, "UTF-8", id="not UTF-8"),
        pytest.param(GOOD + "x = " + "[" * 5000, 4, "", id="deeply nested"),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | bytes, line: int, says: str
) -> None:
    bad = write(tmp_path, "a_bad.toml", text)
    write(tmp_path, "b_good.toml", GOOD)
    with caplog.at_level(logging.ERROR):
        assert [example.title for example in load_gallery(tmp_path)] == ["T"]
    (record,) = caplog.records
    assert f"{bad}:{line}: " in record.getMessage() or not says
    assert says in record.getMessage()
    assert "\n" not in record.getMessage()


def test_what_is_no_readable_file_is_named_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a.toml", GOOD)
    (tmp_path / "b.toml").mkdir()
    (tmp_path / "c.toml").symlink_to(tmp_path / "nowhere")
    write(tmp_path, "d.toml", "#" * (MAX_FILE_BYTES + 1))
    os.mkfifo(tmp_path / "e.toml")
    assert len(load_gallery(tmp_path)) == 1
    messages = [record.getMessage() for record in caplog.records]
    assert [name for name in "bcde" if any(f"{name}.toml: " in message for message in messages)] == list("bcde")


def test_a_link_to_an_example_counts_for_that_is_how_containers_mount_files(tmp_path: Path) -> None:
    write(tmp_path, "real.txt", GOOD)
    (tmp_path / "a.toml").symlink_to(tmp_path / "real.txt")
    assert len(load_gallery(tmp_path)) == 1


def test_a_missing_folder_gives_no_examples_and_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_gallery(tmp_path / "nowhere") == ()
    assert "nowhere is no folder" in caplog.text


# --- writing


def test_a_dumped_example_is_readable() -> None:
    example = Example("T", "D", 'def f():\n\t"""Doc \\ string."""\n', {"temperature": 0.5, "stop": ["\n\n", "#"]})
    assert dump_example(example) == (
        'title = "T"\n'
        'description = "D"\n'
        "prompt = '''\n"
        'def f():\n\t"""Doc \\ string."""\n'
        "'''\n"
        "\n"
        "[settings]\n"
        "temperature = 0.5\n"
        'stop = ["\\n\\n", "#"]\n'
    )


prompts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60),
    st.text("'\"\\\n\r\tx ", max_size=20),
).filter(str.strip)
line = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda t: t.isprintable() and t.strip())
some_settings = st.fixed_dictionaries(
    {},
    optional={
        "max_length": st.integers(2, 2048),
        "temperature": st.floats(0, 5),
        "top_p": st.floats(0.01, 1),
        "top_k": st.integers(0, 100),
        "min_p": st.floats(0, 0.99),
        "repetition_penalty": st.floats(0.1, 2),
        "seed": st.integers(0, 2**63 - 1),
        "stop": st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=3),
        "stop_at": st.sampled_from([choice.value for choice in StopAt]),
    },
)


@given(line, line, prompts, some_settings, st.one_of(st.just(""), line.filter(lambda text: len(text) <= 40)))
def test_a_dumped_example_loads_as_the_same(
    title: str, description: str, prompt: str, chosen: dict[str, object], group: str
) -> None:
    assert set(chosen) <= set(SETTINGS)
    example = Example(title, description, prompt, chosen, group)
    assert parse_example(dump_example(example)) == example


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"prompt": ""}, "prompt"),
        ({"settings": {"top_p": 0}}, "top_p"),
        ({"settings": {"prompt": "x"}}, "settings"),
    ],
)
def test_an_example_that_could_not_be_loaded_cannot_be_made(change: dict[str, object], field: str) -> None:
    values = {"title": "T", "description": "D", "prompt": "x", **change}
    with pytest.raises(InvalidInput) as caught:
        Example(**values)  # type: ignore[arg-type]
    assert caught.value.field == field
