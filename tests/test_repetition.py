"""A model that repeats itself is noticed, and code that repeats rightly is not taken for it."""

from __future__ import annotations

import pytest
from standard_library import modules

from codegen_ui.repetition import LONGEST, Repetition, find_repetition

START = "class Node:\n    def __init__(self, value):\n"


@pytest.mark.parametrize(
    ("part", "times"),
    [
        ("        self.value = value\n", 4),
        ("    return x\n\n", 5),
        ("def f(x):\n    y = x + 1\n    return y * y if y else None\n\n\ndef g(x):\n    return x\n\n\n", 3),
        ("word ", 40),
        ("1, ", 60),
        ("a" * (LONGEST - 1) + "\n", 3),
    ],
)
def test_a_part_again_and_again_is_found_whole_and_counted(part: str, times: int) -> None:
    found = find_repetition(START + part * times)
    assert found == Repetition(part, times)


def test_it_is_found_at_any_moment_while_it_goes_on() -> None:
    line = "        self.value = value\n"
    text = START + line * 8
    for length in range(len(START) + 4 * len(line), len(text) + 1):
        found = find_repetition(text[:length])
        assert found is not None, length
        assert found.part == line


def test_numbers_that_count_up_do_not_hide_it() -> None:
    text = "".join(f"    self.value{n} = value{n}\n" for n in range(10, 20))
    assert find_repetition(START + text) == Repetition("    self.value00 = value00\n", 10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        START + "        self.value = value\n" * 3,
        "# " + "-" * 110 + "\n",
        "\n" * 100,
        " " * 500,
        "x = [0, 0, 0, 0, 0, 0, 0, 0, 0]\n",
        "grid = [\n" + "    [0, 0, 0],\n" * 3 + "]\n",
        "if a == 1:\n    return 1\nif a == 2:\n    return 2\nif a == 3:\n    return 3\n",
        "self.value = value\n" * 10 + "self.other = None\n",
    ],
)
def test_what_does_not_end_in_a_repetition_is_left_alone(text: str) -> None:
    assert find_repetition(text) is None


def test_people_hardly_ever_write_what_is_taken_for_a_repetition() -> None:
    found, looked = [], 0
    for path in modules()[::25]:
        source = path.read_text("utf-8", errors="replace")
        for end in range(2000, len(source), 500):
            looked += 1
            if find_repetition(source[end - 2000 : end]):
                found.append((path, end))
    assert looked > 300
    assert len(found) <= looked / 200, found
