"""Highlighted text is the text: escaped, whole, and the same whether it grew or came at once."""

from __future__ import annotations

import html
import inspect
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen_ui import highlight as module
from codegen_ui.highlight import LIMIT, LINES, TAIL, IncrementalHighlighter
from codegen_ui.ui.theme import DARK, LIGHT, Palette, code_css

TAG = re.compile(r'</?span(?: class="[a-z]+")?>')


def highlight(prompt: str, completion: str = "") -> list[str]:
    """The lines of prompt + completion as HTML, in one pass."""
    return IncrementalHighlighter(prompt).final(completion)


def plain(lines: list[str]) -> str:
    return html.unescape(TAG.sub("", "\n".join(lines)))


def side(lines: list[str], wanted: str) -> str:
    """The text of one side alone."""
    shown, depth, current = "", 0, ""
    for part in re.split(r"(</?span[^>]*>)", "".join(lines)):
        if part.startswith("<span"):
            depth += 1
            current = part.split('"')[1] if depth == 1 else current
        elif part == "</span>":
            depth -= 1
        elif current == wanted and depth:
            shown += html.unescape(part)
    return shown


def test_lines_carry_classes_and_tell_prompt_from_completion() -> None:
    assert highlight("def f", "(x):\n    return 'a'\n") == [
        '<span class="prompt"><span class="k">def</span> <span class="f">f</span></span>'
        '<span class="completion">(x):</span>',
        '<span class="completion">    <span class="k">return</span> <span class="s">&#x27;a&#x27;</span></span>',
        "",
    ]


def test_a_token_across_the_border_is_split_at_it() -> None:
    assert highlight("x = 'a", "b'") == [
        '<span class="prompt">x = <span class="s">&#x27;a</span></span>'
        '<span class="completion"><span class="s">b&#x27;</span></span>'
    ]


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "'<script>'", '# </span> & "', "f'{<b>}'"])
def test_markup_in_the_text_is_inert(text: str) -> None:
    for lines in (highlight(text), highlight("", text), highlight("x\n", text)):
        assert "<" not in TAG.sub("", "".join(lines))
        assert plain(lines).endswith(text)


@pytest.mark.parametrize(
    "text", ["", "\n", "a\tb \t\n\t\n  \n", "a\r\nb\r\n\r", "i != j", "\x0c\x0b\u2028\x85x", "\ufeff#!", "é\U0001f600"]
)
def test_every_character_is_kept(text: str) -> None:
    assert plain(highlight(text)) == text
    assert plain(highlight("", text)) == text
    assert len(highlight(text)) == text.count("\n") + 1


PARTS = [
    "def ",
    "class ",
    "from ",
    "import ",
    "yield",
    "match",
    "case _:",
    "print",
    "x",
    "(",
    "\n",
    "\n\n",
    "    ",
    " ",
    '"""',
    "'''",
    '"',
    "'",
    "\\",
    "f'",
    "{",
    "}",
    "#",
    "<",
    "&",
    "@",
    "1.5",
    "r'",
    ":",
    "\r\n",
    "\t",
    "async ",
    "as ",
]
code = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=2)), max_size=40).map("".join)


@settings(max_examples=120, deadline=None)
@given(code, st.lists(code, max_size=8))
def test_growing_gives_the_lines_of_a_full_pass(prompt: str, pieces: list[str]) -> None:
    highlighter = IncrementalHighlighter(prompt)
    completion = ""
    for piece in pieces:
        completion += piece
        lines = highlighter.update(completion)
        assert lines == highlight(prompt, completion)
        assert plain(lines) == prompt + completion
        assert side(lines, "prompt") == prompt.replace("\n", "")
        assert side(lines, "completion") == completion.replace("\n", "")
    assert highlighter.final(completion) == highlighter.update(completion)


def test_real_code_growing_by_tokens_gives_the_lines_of_a_full_pass() -> None:
    source = inspect.getsource(textwrap)
    highlighter = IncrementalHighlighter(source[:1000])
    for end in range(1000, 5000, 37):
        assert highlighter.update(source[1000:end]) == highlight(source[:1000], source[1000:end])


def test_a_docstring_that_closes_late_recolours_its_earlier_lines() -> None:
    highlighter = IncrementalHighlighter("def f():\n")
    assert 'class="s"' in highlighter.update('    """One\n    two')[1]
    assert 'class="c"' in highlighter.update('    """One\n    two"""\n')[1]


def test_a_completion_that_is_replaced_is_shown_anew() -> None:
    highlighter = IncrementalHighlighter("a\n")
    highlighter.update("def f():\n    '''open")
    assert highlighter.update("b = 1\n") == highlight("a\n", "b = 1\n")


def test_earlier_results_do_not_change() -> None:
    highlighter = IncrementalHighlighter("a\n")
    first = highlighter.update("b")
    kept = list(first)
    highlighter.update("b\nc")
    assert first == kept


def test_what_comes_long_before_the_end_of_a_huge_prompt_stays_plain_but_whole() -> None:
    prompt = "def f(): <b>\n" * 8000
    assert len(prompt) > 2 * LIMIT
    lines = highlight(prompt, "x")
    assert plain(lines) == prompt + "x"
    assert lines[0].startswith('<span class="prompt">def f(): &lt;b&gt;</span>\n<span class="prompt">')
    assert len(lines) < LIMIT, "the plain part is one string"
    assert 'class="k"' in lines[-2]


def test_of_a_prompt_of_many_short_lines_the_last_are_lines_by_themselves() -> None:
    prompt = "a\n" * (2 * LINES)
    assert len(prompt) < LIMIT
    lines = highlight(prompt, "x")
    assert plain(lines) == prompt + "x"
    assert len(lines) == LINES + 1
    assert lines[1] == '<span class="prompt">a</span>'


def lexed_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many characters the lexer has been given tokens of since the last call."""
    lexed = 0
    original = module._Lexer.get_tokens_unprocessed

    def counting(self: Any, text: Any = None, context: Any = None) -> Iterator[Any]:
        nonlocal lexed
        for token in original(self, text, context):
            lexed += len(token[2])
            yield token

    def since() -> int:
        nonlocal lexed
        count, lexed = lexed, 0
        return count

    monkeypatch.setattr(module._Lexer, "get_tokens_unprocessed", counting)
    return since


@pytest.mark.cost
@pytest.mark.parametrize("prompt", ["x+" * 90_000, "x+" * 90_000 + "\n", "\n" * 180_000, '"' * 3 + "\\\n" * 60_000])
def test_a_huge_prompt_costs_little_at_every_update_whatever_its_lines(
    monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    lexed = lexed_by(monkeypatch)
    highlighter = IncrementalHighlighter(prompt)
    assert lexed() <= LIMIT
    completion = ""
    for _ in range(20):
        completion += "pass; "
        lines = highlighter.update(completion)
        assert lexed() <= TAIL
        assert plain(lines) == prompt + completion
        assert len(lines) <= LIMIT + 2
    assert plain(highlighter.final(completion)) == prompt + completion
    assert lexed() <= LIMIT + len(completion)


@pytest.mark.cost
def test_a_line_too_long_to_lex_at_every_update_is_coloured_at_its_end() -> None:
    highlighter = IncrementalHighlighter("x = 1\n")
    completion = "z = 2\n"
    for _ in range(100):
        completion += "y = 'a'; " * 10
        lines = highlighter.update(completion)
    assert 'class="n"' in lines[0]
    assert 'class="n"' in lines[1]
    assert 'class="s"' not in lines[2]
    assert highlighter.final(completion) == highlight("x = 1\n", completion)
    assert 'class="s"' in highlighter.final(completion)[2]


def test_an_update_lexes_the_tail_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = inspect.getsource(textwrap)
    highlighter = IncrementalHighlighter(prompt + "\n\n")
    lexed = lexed_by(monkeypatch)
    completion = ""
    for _ in range(50):
        completion += "x = g(y)\n"
        highlighter.update(completion)
    assert lexed() < 50 * 40


@pytest.mark.cost
def test_an_update_at_300_lines_takes_a_few_milliseconds() -> None:
    prompt = "\n".join(inspect.getsource(textwrap).split("\n")[:300])
    highlighter = IncrementalHighlighter(prompt)
    completion, spent = "", []
    for _ in range(30):
        completion += "    total = sum(values)\n"
        start = time.thread_time()
        highlighter.update(completion)
        spent.append(time.thread_time() - start)
    assert sorted(spent)[len(spent) // 2] < 0.005


UNITS = [" \n", "\n", "(", '"', "\\", " ", "f'{", "'''\\", '"""x\n', "from ", "match ", "@", "x\n "]


@pytest.mark.cost
@pytest.mark.parametrize("unit", UNITS)
def test_no_text_costs_more_than_its_length(unit: str) -> None:
    def seconds(size: int) -> float:
        text, best = unit * (size // len(unit)), float("inf")
        for _ in range(3):
            start = time.thread_time()
            highlight(text)
            best = min(best, time.thread_time() - start)
        return best

    highlight("")
    assert seconds(8000) < 16 * seconds(2000) + 0.01


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of #rrggbb."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_is_legible_on_both_backgrounds(palette: Palette) -> None:
    assert set(palette.classes) == set(module.CLASSES.values())
    for colour in [palette.text, *palette.classes.values()]:
        for background in (palette.prompt_background, palette.completion_background):
            assert contrast(colour, background) >= 4.5, f"{colour} on {background}"


def test_the_style_sheet_stays_in_its_scope_and_has_both_themes() -> None:
    for rule in code_css(".x").splitlines():
        assert rule.startswith((".x ", ".dark .x "))
    assert LIGHT.classes["k"] in code_css(".x")
    assert DARK.classes["k"] in code_css(".x")
