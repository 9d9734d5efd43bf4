"""Plain English in, one function or class out: where the completion ends, however the docstrings around it are cut."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standard_library import Unit, modules, units

from codegen_ui.request import FinishReason, StopAt
from codegen_ui.stopping import Stopper, truncate
from codegen_ui.stopping.function_end import FunctionEnd

SAMPLE = 40
"""The fast test takes every so-manieth module."""
IMPORTS = "import os\nfrom typing import List, Optional\n\n\n"
ENGLISH = """
Example 1:

Input: nums = [-1, 0, 1, 2, -1, -4]
Output: [[-1, -1, 2], [-1, 0, 1]]
Explanation: -1 and 0 aren't the array's only (distinct elements, so don't stop at "them.

Constraints:

1 <= nums.length <= 10^4
i != j, and nums[i] is at the class's [end
"""
CONSTANTS = '''import os

# it's a comment with """ quotes
SIZE = 10
NAMES = ["don't", '"""',
    "def f(x):"]
TEXT = """
def nothing(x):
    The text of a string (isn't code
"""


'''


def forms(unit: Unit) -> Iterator[tuple[str, str, str]]:
    """(name, prompt, what the model writes before the unit)."""
    statement = "Given an array nums which doesn't (contain [-1, find the user's"
    yield "closed at once", "Implement binary search", f'\n"""\n\n{IMPORTS}'
    yield "closed by single quotes", "Implement binary search\n", "'''\n"
    yield "closed after paragraphs", statement, f' i != j.\n{ENGLISH}"""\n\n{IMPORTS}'
    yield "single quotes after paragraphs", "Given an array nums of 3'", f"\n{ENGLISH}'''\n\n"
    yield "closed at a line's end", "Implement binary search", f' in the list of the user."""\n\n{IMPORTS}'
    yield "opened by the model", "Implement X.\n", f'\n"""\nSolve it (don\'t panic\n{ENGLISH}"""\n{IMPORTS}'
    yield "a line of its own", "Implement X.", '\n"""Don\'t return the wrong (sum."""\n\n'
    yield "no docstring", "Implement the cross entropy loss function", "\n\n"
    yield "no docstring, imports", "Don't (implement", f"\n\n{IMPORTS}"
    yield "closed by the prompt", 'Implement binary search\n"""\n', ""
    yield "single quotes in the prompt", "It's the array's [first\n'''\n\n", IMPORTS
    yield "opened by the prompt", '"""\nImplement binary search\n', f'"""\n\n{IMPORTS}'
    yield "opened by the prompt, paragraphs", '"""Implement binary search', f' in a list.\n{ENGLISH}"""\n\n{IMPORTS}'
    yield "constants", "Implement binary search", f'\n"""\n\n{CONSTANTS}'
    yield "opened, constants", "Implement binary search", f'\n"""\nThis is the text\n"""\n\n{CONSTANTS}'
    own = [
        line for line in unit.doc.splitlines() if line.startswith(("def ", "class ")) or '"""' in line or "'''" in line
    ]
    if unit.doc and not own:
        first, _, rest = unit.doc.partition("\n")
        yield "its own docstring as the prompt", first, f'\n{rest}\n"""\n\n{IMPORTS}'
        yield "its own docstring first", "Implement X", f'\n"""{unit.doc}\n"""\n\n{IMPORTS}'


def judge(unit: Unit, prompt: str, before: str) -> str:
    """ "" where the rule ends the completion where `ast` ends the unit, else what is wrong."""
    text = before + unit.code
    rule = FunctionEnd(prompt)
    rule.feed(text)
    right = len(before) + unit.end
    if rule.end is None:
        rest = unit.code[unit.end :].splitlines()
        goes_on = any(line.strip() and not line.lstrip().startswith("#") for line in rest)
        return "no end" if goes_on else ""
    if rule.end < right:
        return "a cut inside"
    # A comment indented like the unit's code belongs to it, which ast does not tell.
    extra = [line.strip() for line in text[right : rule.end].splitlines()]
    return "too late" if any(line and not line.startswith("#") for line in extra) else ""


def judge_module(path: Path) -> tuple[int, list[str]]:
    """How many completions were judged, and the wrong ones."""
    judged, wrong = 0, []
    for unit in units(path):
        for name, prompt, before in forms(unit):
            judged += 1
            fault = judge(unit, prompt, before)
            if fault:
                wrong.append(f"{unit.place}, {name}: {fault}")
    return judged, wrong


def test_after_english_the_units_of_the_standard_library_end_where_the_parser_says(
    request: pytest.FixtureRequest,
) -> None:
    """All of them with --whole-standard-library, which also prints the figures."""
    whole = request.config.getoption("--whole-standard-library")
    paths = modules()
    if whole:
        with ProcessPoolExecutor(os.cpu_count()) as workers:
            results = list(workers.map(judge_module, paths, chunksize=8))
    else:
        results = [judge_module(path) for path in paths[::SAMPLE]]
    judged = sum(count for count, _ in results)
    wrong = list(itertools.chain.from_iterable(faults for _, faults in results))
    if whole:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{judged - len(wrong):,} of {judged:,} completions end where ast says")
    assert judged > (100_000 if whole else 1000)
    assert not [fault for fault in wrong if fault.endswith("a cut inside")]
    assert len(wrong) <= judged / 1000, "\n".join(wrong[:20])


def end(prompt: str, text: str) -> str:
    """The completion, character by character, with the check that the whole text at once gives the same."""
    stopper = Stopper(prompt, StopAt.FUNCTION)
    kept = "".join([*(stopper.push(character) for character in text), stopper.finish()])
    assert truncate(prompt, text, StopAt.FUNCTION) == (kept, stopper.reason)
    return kept


SOLUTION = "class Solution:\n    def search(self, nums, target):\n        '''Don't.'''\n        return -1\n"


@pytest.mark.parametrize(
    ("prompt", "before"),
    [
        pytest.param("Implement binary search", '\n"""\n\nimport os\n\n\n', id="quotes at once"),
        pytest.param("Implement binary search", f'.\n{ENGLISH}\n"""\n\n', id="quotes after paragraphs"),
        pytest.param("Implement binary search", f"\n{ENGLISH}\n\n\n", id="paragraphs and no quotes"),
        pytest.param("Implement it\n\ndef f(x) should be\n", '"""\n\n', id="a signature in English"),
        pytest.param(
            "Implement it", '\n"""\nUsage of it:\n\ndef f(x):\n    pass\n"""\n\n', id="a function in a docstring"
        ),
        pytest.param("Implement it", '\n"""\n"""\n"""\n\n', id="quotes again and again"),
        pytest.param("def f(x):\n    return x\n\n\nNow a class:", '\n"""\n\n', id="after a finished function"),
        pytest.param("Write def f(x) as a class", "\n'''\n\n# it's here\n", id="def within English"),
        pytest.param(
            "Implement it", '\n"""\n\nQUERY = """\nSELECT\nclass A:\n"""\n\n', id="a text that opens after code"
        ),
        pytest.param("Implement it", "\n\nprint('a')\nfor x in [1,\n2]:\n    print(x)\n\n", id="a script before it"),
        pytest.param("Implement it", '\r\n"""\r\n\r\nimport os\r\n\r\n', id="CRLF"),
        pytest.param("实现二分查找", '\n"""\n\n', id="Chinese"),
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        "\n\nnums = [1, 2]\nprint(Solution().search(nums, 1))\n",
        "\n\nclass Solution2:\n    pass\n",
        "\n\n# Time: O(n)\n\ndef other():\n    pass\n",
        '\n"""\nImplement another one\n"""\n',
        "\nif __name__ == '__main__':\n    main()\n",
    ],
)
def test_the_first_class_or_function_ends_it_with_all_that_comes_before(prompt: str, before: str, after: str) -> None:
    assert end(prompt, before + SOLUTION + after) == before + SOLUTION


def test_a_signature_that_the_prompt_brings_after_its_english_and_quotes_is_the_unit() -> None:
    prompt = 'Don\'t use (brackets\n"""\n\nfrom typing import List\n\n\ndef f(x: List[int]) -> int:\n'
    assert end(prompt, "    return x\n\n\ndef g():\n    pass\n") == "    return x\n"


def test_english_alone_has_no_end() -> None:
    assert truncate("Tell me", f" more.\n{ENGLISH}", StopAt.FUNCTION) == (f" more.\n{ENGLISH}", None)


def test_what_comes_before_the_unit_is_shown_at_once() -> None:
    stopper = Stopper("Implement binary search", StopAt.FUNCTION)
    for piece in ["\n", '"', '""\n', "\nimport", " os\n\n\n", "# it's\n", "class A", ":\n", "    x = 1", "\n"]:
        assert stopper.push(piece) == piece
    assert stopper.push("\n\n# more") == ""
    assert stopper.push("\nc") == ""
    assert stopper.reason is FinishReason.FUNCTION


PARTS = [
    '"""',
    "'''",
    "\n",
    "\n\n",
    "Implement the search",
    "don't (",
    "import os\n",
    "X = ",
    "def f(x):",
    "class A:",
    "\n    ",
    "return x",
    "# it's",
    " ",
    "'",
    "[",
    ")",
    "\\",
    "\r\n",
    "@d\n",
]
words = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)


@settings(max_examples=400)
@given(words, words, st.lists(st.integers(0, 500), max_size=8))
def test_every_way_of_cutting_english_and_code_into_pieces_gives_the_same(
    prompt: str, text: str, cuts: list[int]
) -> None:
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    stopper = Stopper(prompt, StopAt.FUNCTION)
    kept = "".join(stopper.push(text[start:stop]) for start, stop in itertools.pairwise(bounds)) + stopper.finish()
    assert (kept, stopper.reason) == truncate(prompt, text, StopAt.FUNCTION)
    assert text.startswith(kept)
    assert end(prompt, text) == kept
