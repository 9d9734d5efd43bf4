"""When a completion ends: the same text must come out however it was cut into pieces."""

from __future__ import annotations

import ast
import itertools
import re
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen_ui.request import FinishReason, StopAt
from codegen_ui.stopping import Stopper, truncate


def stream(stopper: Stopper, pieces: list[str]) -> str:
    return "".join([*(stopper.push(piece) for piece in pieces), stopper.finish()])


def end_of_function(prompt: str, text: str) -> str:
    """The completion, streamed character by character, with the check that whole text gives the same."""
    stopper = Stopper(prompt, StopAt.FUNCTION)
    kept = stream(stopper, list(text))
    assert truncate(prompt, text, StopAt.FUNCTION) == (kept, stopper.reason)
    return kept


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(bounds)]


# --- stop strings


def test_a_stop_string_ends_the_text_before_itself() -> None:
    assert truncate("", "one; two", StopAt.EOS, [";"]) == ("one", FinishReason.STOP_STRING)


def test_a_partial_match_is_held_back_until_it_cannot_become_one() -> None:
    stopper = Stopper("", StopAt.EOS, ["\nEND"])
    assert stopper.push("a\nEN") == "a"
    assert stopper.push("X") == "\nENX"
    assert stopper.push("\nE") == ""
    assert stopper.push("ND tail") == ""
    assert stopper.reason is FinishReason.STOP_STRING
    assert stopper.finish() == ""


def test_what_was_held_back_is_released_when_the_model_ends() -> None:
    stopper = Stopper("", StopAt.LENGTH, ["END"])
    assert stopper.push("aEN") == "a"
    assert stopper.finish() == "EN"
    assert stopper.reason is None


def test_a_match_may_begin_inside_a_failed_one() -> None:
    assert truncate("", "xababac!", StopAt.EOS, ["abac"]) == ("xab", FinishReason.STOP_STRING)


def test_of_several_stop_strings_the_one_complete_first_wins() -> None:
    assert truncate("", "a b c d", StopAt.EOS, ["c d", "b"])[0] == "a "
    assert truncate("", "abcd", StopAt.EOS, ["bc", "abcd"])[0] == "a"
    assert truncate("", "abcd", StopAt.EOS, ["cd", "bcd"])[0] == "a"


def test_nothing_comes_after_the_end() -> None:
    stopper = Stopper("", StopAt.EOS, ["!"])
    assert stopper.push("a!b") == "a"
    assert stopper.push("c") == ""
    assert stopper.finish() == ""


def test_stop_strings_in_the_prompt_do_not_count() -> None:
    assert truncate("a;b", "c", StopAt.EOS, [";b", ";"]) == ("c", None)


def test_a_stop_string_works_beside_the_end_of_the_function_and_the_earlier_certain_one_wins() -> None:
    prompt, text = "def f():\n", "    a\n    b\n\nprint(1)\nEND"
    assert truncate(prompt, text, StopAt.FUNCTION, ["b"]) == ("    a\n    ", FinishReason.STOP_STRING)
    assert truncate(prompt, text, StopAt.FUNCTION, ["END"]) == ("    a\n    b\n", FinishReason.FUNCTION)
    assert truncate(prompt, text, StopAt.FUNCTION, ["\np"]) == ("    a\n    b\n", FinishReason.FUNCTION)


def reference_stop(text: str, stop: list[str]) -> str:
    for end in range(1, len(text) + 1):
        starts = [end - len(string) for string in stop if text[:end].endswith(string)]
        if starts:
            return text[: min(starts)]
    return text


@given(
    st.text("ab\n", max_size=30),
    st.lists(st.text("ab\n", min_size=1, max_size=5), min_size=1, max_size=4),
    st.lists(st.integers(0, 100), max_size=6),
)
def test_stop_strings_are_found_however_the_text_is_cut(text: str, stop: list[str], cuts: list[int]) -> None:
    stopper = Stopper("", StopAt.EOS, stop)
    kept = stream(stopper, pieces_of(text, cuts))
    assert kept == reference_stop(text, stop)
    assert (stopper.reason is FinishReason.STOP_STRING) == any(string in text for string in stop)


@given(st.text("ab", max_size=20), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_no_more_is_held_back_than_a_stop_string_could_take(text: str, stop: list[str]) -> None:
    stopper = Stopper("", StopAt.EOS, stop)
    released = ""
    for end, character in enumerate(text, 1):
        released += stopper.push(character)
        if stopper.reason:
            break
        held = text[len(released) : end]
        tails = {
            string[:size] for string in stop for size in range(1, len(string)) if text[:end].endswith(string[:size])
        }
        assert len(held) == max(map(len, tails), default=0)


# --- the paper's truncation


def reference_paper_truncation(completion: str) -> str:
    """The rule as the paper's sampling script applies it, after the text is finished."""
    prints = list(re.finditer("^print", completion, re.MULTILINE))
    if len(prints) > 1:
        completion = completion[: prints[1].start()]
    defs = list(re.finditer("^def", completion, re.MULTILINE))
    if len(defs) > 1:
        completion = completion[: defs[1].start()]
    terminals = ["^#", re.escape("<|endoftext|>"), "^'''", '^"""', "\n\n\n"]
    starts = [found.start() for terminal in terminals if (found := re.search(terminal, completion, re.MULTILINE))]
    return completion[: min(starts)] if starts else completion


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("    return 1\n\n\n\nx", "    return 1"),
        ("def f():\n  a\ndef g():\n  b\n", "def f():\n  a\n"),
        ("print(1)\nx\nprint(2)\n", "print(1)\nx\n"),
        ("x\n#y", "x\n"),
        ("# all of it", ""),
        ("x = 1  # kept\n  # kept\n'''\n", "x = 1  # kept\n  # kept\n"),
        ("a<|endoftext|>b", "a"),
        ("class A:\n  def f(self): ...\nclass B: ...", "class A:\n  def f(self): ...\nclass B: ..."),
        ("define = 1\ndefault = 2", "define = 1\n"),
    ],
)
def test_the_papers_truncation(text: str, kept: str) -> None:
    assert reference_paper_truncation(text) == kept
    assert truncate("def f():\n", text, StopAt.PAPER) == (kept, FinishReason.PAPER if kept != text else None)


PAPER_PARTS = [
    "\n",
    "\n\n",
    "def",
    "print",
    "de",
    "pri",
    "nt",
    "#",
    "'",
    "''",
    "'''",
    '"""',
    '"',
    "<|end",
    "oftext|>",
    " ",
    "x",
    "<|endoftext|>",
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PAPER_PARTS), max_size=24).map("".join), st.lists(st.integers(0, 200), max_size=8))
def test_the_papers_rule_while_decoding_equals_the_rule_on_the_finished_text(text: str, cuts: list[int]) -> None:
    assert stream(Stopper("", StopAt.PAPER), pieces_of(text, cuts)) == reference_paper_truncation(text)


# --- the end of the function

NEXT = "\n\ndef other():\n    pass\n"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        pytest.param("def f(x):\n", "    return x\n", id="after the signature's line"),
        pytest.param("def f(x):", "\n    return x\n", id="after the colon"),
        pytest.param("def f(x", ", y):\n    return x\n", id="in the signature"),
        pytest.param("de", "f f(x, y):\n    return x\n", id="in the keyword"),
        pytest.param("def f(\n    x,\n", "    y,\n):\n    return x\n", id="in a signature of several lines"),
        pytest.param("def f(x):\n    ", "return x\n", id="after the indentation"),
        pytest.param('def f(x):\n    """Add', ' one.\n\nEven here:\n"""\n    return x + 1\n', id="in the docstring"),
        pytest.param('def f(x):\n    """Add one."""\n', "    return x + 1\n", id="after the docstring"),
        pytest.param("def f(x):\n    # add one", " to x\n    return x + 1\n", id="in a comment"),
        pytest.param("def f(x):\n    if x:\n        return", " x\n    return 0\n", id="in the body"),
        pytest.param("async def f(x):\n", "    return await x\n", id="async"),
        pytest.param("async ", "def f(x):\n    return await x\n", id="after async"),
        pytest.param("@cache\ndef f(x):\n", "    return x\n", id="decorated"),
        pytest.param("@cache\n", "def f(x):\n    return x\n", id="after a decorator"),
        pytest.param("def f(x):\n", "\treturn x\n", id="tabs"),
        pytest.param("def f(x):\n", "    def g(y):\n        return y\n\n    return g\n", id="nested function"),
        pytest.param(
            "def f(x):\n    def g(y):\n", "        return y\n    return g\n", id="in the nested function: the outer one"
        ),
        pytest.param("def f(x):\n", "    t = '''\nat column 0\n'''\n    return t\n", id="string of several lines"),
        pytest.param("def f(x):\n", "    return [\n1,\n2,\n]\n", id="brackets at column 0"),
        pytest.param("def f(x):\n", "    y = x + \\\n1\n    return y\n", id="line continuation"),
        pytest.param("def f(x):\n", "    y = 'a\\\nb'\n    return y\n", id="string continued on the next line"),
        pytest.param("def f(x):\n", "# a comment at column 0\n    return x\n", id="comment at column 0 first"),
        pytest.param("def f(x):\n", "    y = x\n\n# at column 0\n\n    return y\n", id="comment at column 0 within"),
        pytest.param("def f(x):\n", "    return x\n    # the last word\n", id="indented comment at the end"),
        pytest.param("def f(x):\n", "\n\n    y = 1\n\n\n\n    return x\n", id="blank lines"),
        pytest.param("def f(x):\n", '    y = \'#\' + "\'" + """\'"""\n    return \'\'\n', id="quotes in quotes"),
        pytest.param("def f(x):\n", "    return '\\'' + r'\\\\' + '(' + \"\"\n    # it's\n", id="escaped quotes"),
        pytest.param("def f(x):\n", '    return f"{x["a"]}" + f"{"\'"}"\n', id="nested f-string quotes"),
        pytest.param("def f(x):\n", '    """a\\"""b"""\n    return x\n', id="escaped quote in a docstring"),
        pytest.param("def f(x):\n", '    """a""b" ""\n\n"""\n    return x\n', id="quotes in a docstring"),
        pytest.param("def f(x): ", "return x\n", id="function of one line"),
        pytest.param("def f(x):\r\n", "    return '''\r\na'''\r\n\r\n# c\r\n    \\\r\n\r\n    pass\r\n", id="CRLF"),
        pytest.param("def f[T](x: T)", " -> T:\n    return x\n", id="type parameters"),
        pytest.param("if True:\n    def f(x):\n", "        return x\n", id="function within if"),
        pytest.param("class A:\n", "    x = 1\n\n    def f(self):\n        return 1\n\n    y = 2\n", id="class body"),
        pytest.param("class A", "(B):\n    def f(self):\n        return 1\n\n    y = 2\n", id="class header"),
        pytest.param(
            "class A:\n    @prop", "erty\n    def f(self):\n        return 1\n\n    y = 2\n", id="in a decorator"
        ),
        pytest.param(
            "class A:\n    def f(self):\n        return 1\n\n",
            "    def g(self):\n        return 2\n\n    def h(self):\n        return 3\n",
            id="after a finished method: the class",
        ),
        pytest.param(
            "class A:\n    class B:\n        x = 1\n",
            "        y = 2\n    z = 3\n",
            id="in a nested class: the outer one",
        ),
        pytest.param("# Add two numbers.\n", "def f(x, y):\n    return x + y\n", id="comment, then a function"),
        pytest.param("# Add two", " numbers\nimport os\n\n\ndef f(x):\n    return x\n", id="inside a comment"),
        pytest.param("Add two numbers (don't panic.\n", "def f(x):\n    return x\n", id="English, then a function"),
        pytest.param("class schedule sor", "ter\n\ndef f(x):\n    return x\n", id="English that starts with class"),
        pytest.param("A stack:\n", "@dataclass\nclass A:\n    x: int\n\n    y: int\n", id="English, then a class"),
        pytest.param("Memo.\n", "@cache\n@wraps(\n    a)\ndef f(x):\n    return x\n", id="English, then a decorator"),
        pytest.param('"""Tools for', ' adding."""\n\nX = 1\n\ndef f(x):\n    return x\n', id="module docstring"),
        pytest.param("def f(x):\n    return 1\n\n# Test it.\n", "def g():\n    f(1)\n", id="after a finished function"),
        pytest.param(
            "def f(x):\n    return 1", "\n\n\ndef g():\n    f(1)\n", id="after a finished function's last letter"
        ),
        pytest.param("def f(x):\n", "    y = (1,\n         2\n    return y\n", id="a bracket never closed"),
        pytest.param("def f(x):\n", "    y = 'it\n    return y\n", id="a quote never closed"),
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        NEXT,
        "\nprint(f(1))\n",
        "\n# comment\n\n@decorator\nclass B:\n    pass\n",
        "'''text'''\n",
        "\r\n\r\nx = 1",
        "if __name__ == '__main__':\n    main()\n",
        "The function above",
    ],
)
def test_the_text_ends_where_the_function_or_class_does(prompt: str, text: str, after: str) -> None:
    assert end_of_function(prompt, text + after) == text
    assert truncate(prompt, text + after, StopAt.FUNCTION)[1] is FinishReason.FUNCTION


def test_a_method_ends_at_the_next_method_and_not_before() -> None:
    prompt = "class A:\n    def f(self):\n"
    text = "        for x in self:\n            yield x\n\n        return\n"
    assert end_of_function(prompt, text + "\n    @property\n    def g(self):\n        pass\n") == text
    assert end_of_function(prompt, text + "\n    x = 1\n") == text
    assert end_of_function(prompt, text + "\nA()\n") == text


def test_nothing_is_cut_while_the_function_may_go_on() -> None:
    for text in ("    return x\n\n\n# maybe", "    y = '''\ndef g():\n", "    y = (\n1 +\n2", "    y = {\n}", ""):
        assert truncate("def f(x):\n", text, StopAt.FUNCTION) == (text, None)


def test_a_closing_bracket_out_of_step_does_not_end_the_function() -> None:
    text = "    y = [1]]\n]\n)\n    return y\n"
    assert end_of_function("def f(x):\n", text + NEXT) == text


def test_lines_that_may_come_after_the_function_are_held_back_and_deeper_ones_are_not() -> None:
    stopper = Stopper("def f(x):\n", StopAt.FUNCTION)
    assert stopper.push("    y") == "    y"
    assert stopper.push(" = x\n") == " = x\n"
    assert stopper.push("\n# note\n") == ""
    assert stopper.push("    ") == ""
    assert stopper.push("r") == "\n# note\n    r"
    assert stopper.push("eturn y\n") == "eturn y\n"
    assert stopper.push("\n    # in") == "\n    # in"
    assert stopper.push("side\n\n") == "side\n"
    assert stopper.push("d") == ""
    assert stopper.reason is FinishReason.FUNCTION


def test_before_any_function_has_begun_nothing_is_held_back() -> None:
    stopper = Stopper("# Sort a list.\n", StopAt.FUNCTION)
    assert stopper.push("\n# in place\n\n") == "\n# in place\n\n"


def test_a_prompt_that_is_cut_inside_a_bracket_still_finds_its_function() -> None:
    assert end_of_function("def f(x):\n    return g(x,\n", "             1)\n" + NEXT) == "             1)\n"


def test_of_a_huge_prompt_the_end_is_read_from_a_function_on() -> None:
    filler = "x = 1\n" * 8000 + "'''\nsome (text\n"
    assert truncate(filler + "def f(x):\n", "    return x\n" + NEXT, StopAt.FUNCTION)[0] == "    return x\n"
    within = filler + "'''\n" + "def g():\n    pass\n" * 3000 + "class A:\n    def f(self):\n"
    kept, _ = truncate(within, "        return 1\n\n    def g(self): ...\n", StopAt.FUNCTION)
    assert kept == "        return 1\n"


def test_text_without_any_function_is_left_alone() -> None:
    assert truncate("SELECT name", " FROM users\nWHERE id = 1;\n", StopAt.FUNCTION) == (
        " FROM users\nWHERE id = 1;\n",
        None,
    )


CODE_PARTS = [
    "def f(x):",
    "class A:",
    "async def ",
    "\n",
    "\n    ",
    "\n\t",
    "    ",
    " ",
    "(",
    ")",
    "[",
    "}",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "\r\n",
    "#",
    "x",
    " = 1",
    "return x",
    "@d\n",
    "\f",
    "é",
    "\n\n",
]
code = st.lists(st.one_of(st.sampled_from(CODE_PARTS), st.text(max_size=3)), max_size=40).map("".join)


@settings(max_examples=200)
@given(
    code,
    code,
    st.lists(st.integers(0, 500), max_size=8),
    st.sampled_from(StopAt),
    st.lists(st.sampled_from(["x)", "\n\n", "= 1"]), max_size=2),
)
def test_any_text_cut_anywhere_gives_the_same_prefix(
    prompt: str, text: str, cuts: list[int], stop_at: StopAt, stop: list[str]
) -> None:
    stopper = Stopper(prompt, stop_at, stop)
    released = ""
    for piece in pieces_of(text, cuts):
        released += stopper.push(piece)
        assert text.startswith(released)
    released += stopper.finish()
    assert (released, stopper.reason) == truncate(prompt, text, stop_at, stop)
    assert text.startswith(released)
    if stopper.reason is None:
        assert released == text


@settings(max_examples=100)
@given(code)
def test_a_function_cut_elsewhere_ends_at_the_same_place(text: str) -> None:
    """The prompt's share of a function's own text does not matter once both cuts lie inside its body."""
    body = "def f(x):\n    a = 1\n    b = 2\n" + "".join(
        f"    {line}\n" for line in text.splitlines() if line.strip()[:1] not in tuple("#\"'\\([{)]}")
    )
    whole = body + "    return 1\n" + NEXT
    first = len("def f(x):\n    a")
    second = len("def f(x):\n    a = 1\n    b")
    ends = {
        first + len(truncate(whole[:first], whole[first:], StopAt.FUNCTION)[0]),
        second + len(truncate(whole[:second], whole[second:], StopAt.FUNCTION)[0]),
    }
    assert len(ends) == 1


# --- real code

MODULES = ["argparse", "ast", "dataclasses", "difflib", "heapq", "inspect", "logging/__init__", "textwrap", "typing"]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions that are not inside another function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        else:
            yield from functions(node)


def offset(lines: list[str], line: int, column: int) -> int:
    """Position in characters of a place that ast gives as line and column in UTF-8 bytes."""
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


@pytest.mark.parametrize("module", MODULES)
def test_functions_of_the_standard_library_end_where_the_parser_says(module: str) -> None:
    path = Path(sysconfig.get_path("stdlib"), *module.split("/")).with_suffix(".py")
    if not path.exists():
        pytest.skip(f"this Python has no {path.name}")
    source = path.read_text("utf-8")
    lines = source.splitlines(keepends=True)
    checked = 0
    for node in list(functions(ast.parse(source)))[:15]:
        assert node.end_lineno is not None
        end = offset(lines, node.end_lineno + 1, 0) if node.end_lineno < len(lines) else len(source)
        code_end = offset(lines, node.end_lineno, node.end_col_offset or 0)
        signature = offset(lines, node.lineno, node.col_offset) + len("def") + 1
        body = offset(lines, node.body[0].lineno, node.body[0].col_offset)
        last = offset(lines, node.body[-1].lineno, node.body[-1].col_offset)
        for cut in {signature, body, body + 5, (body + end) // 2, last}:
            if not signature <= cut < code_end:
                continue
            prompt, rest = source[:cut], source[cut : end + 3000]
            kept, reason = truncate(prompt, rest, StopAt.FUNCTION)
            extra = kept[end - cut :]
            assert kept.startswith(source[cut:end]), f"{path}:{node.lineno} is cut inside"
            comments = all(not line.strip() or line.lstrip().startswith("#") for line in extra.splitlines())
            assert comments, f"{path}:{node.lineno} goes on after its end, with {extra[:80]!r}"
            if reason is None:
                assert kept == rest, f"{path}:{node.lineno}"
            checked += 1
    assert checked


def test_classes_of_the_standard_library_end_where_the_parser_says() -> None:
    source = Path(sysconfig.get_path("stdlib"), "argparse.py").read_text("utf-8")
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.end_lineno and len(node.body) > 1 and node.end_lineno < len(lines):
            cut = offset(lines, node.body[1].lineno, 0)
            end = offset(lines, node.end_lineno + 1, 0)
            if isinstance(node.body[0], ast.FunctionDef):
                continue
            kept, _ = truncate(source[:cut], source[cut:], StopAt.FUNCTION)
            assert kept == source[cut:end], f"class {node.name}"


@pytest.mark.cost
def test_reading_is_linear_in_the_text() -> None:
    """Ten times the text must not cost much more than ten times as much, for one long line and for many short ones."""

    def seconds(text: str) -> float:
        best = float("inf")
        for _ in range(3):
            stopper = Stopper("def f():\n", StopAt.FUNCTION, ["STOP"])
            start = time.thread_time()
            for at in range(0, len(text), 4):
                stopper.push(text[at : at + 4])
            best = min(best, time.thread_time() - start)
        return best

    for text in ("    x = " + "a b c(" * 500, "    pass\n" * 400, "    # " + "\n" * 3000, "    '''" + '""' * 1500):
        assert seconds(text * 6) < 30 * seconds(text)
