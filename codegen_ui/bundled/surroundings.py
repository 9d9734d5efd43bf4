"""What stands around a textbook function in a document: a docstring, a plain-English request, its tests, a main block.

CodeGen takes a prompt in plain English for the inside of a docstring that began before it; documents of that form teach
the same: a request, perhaps examples and constraints, three quotes that close it, then code. After the first function
or class such a text ends.
"""

from __future__ import annotations

import random

from codegen_ui.bundled import phrasing
from codegen_ui.bundled.task import Task, indent, split_list
from codegen_ui.bundled.variant import Variant, rename, simple_calls

TITLES = (
    "Implement {}", "Implement {}", "Implement {} in Python", "{}", "Python {}", "Write {} in Python", "{} in Python",
    "Code for {}", "{} algorithm", "Implement the {} algorithm", "The {} function", "Write a function for {}",
    "Implement the {} function", "Function: {}", "{} implementation", "Python code for {}", "A simple {}",
)  # fmt: skip
REMARKS = (
    "You may assume that the input is valid.", "Don't use any library for it.", "It should be fast for large inputs.",
    "The input isn't changed.", "Do not print anything; return the result.", "Return the result.", "Keep it simple.",
    "The function shouldn't modify its arguments.", "You can't use built-in functions that do it all.",
    "If there's more than one answer, return any of them.", "It's fine to use extra memory.",
    "Hint: one loop is enough.", "The answer doesn't need to be unique.", "Use Python 3.",
)  # fmt: skip
CONSTRAINTS = (
    "1 <= len({}) <= {}", "0 <= {} <= {}", "-{1} <= {0} <= {1}", "{} != None", "len({}) > 0",
    "{}[i] != {}[j] for i != j",
    "`{}` isn't empty", "{} holds at most {} entries",
)  # fmt: skip


def docstring(task: Task, variant: Variant, command: str, draw: random.Random) -> str:
    """A docstring block, unindented: one line, or with arguments, examples, or a story."""
    quotes = '"""' if draw.random() < 0.93 else "'''"
    first = phrasing.sentence(command, draw)
    if task.stories and draw.random() < 0.25:
        story = rename(draw.choice(task.stories), dict(zip(task.params[0], variant.params, strict=True)))
        first = "\n".join(phrasing.wrap(story, 85))
    kind = draw.random()
    examples = simple_calls(variant)
    if kind < 0.45 or not (variant.params or examples):
        return f"{quotes}{first}{quotes}" if "\n" not in first else f"{quotes}{first}\n{quotes}"
    lines = [first]
    if kind < 0.62 and variant.params:
        helps = [
            phrasing.capital(draw.choice(phrasing.TYPES.get(t.partition("=")[0].strip(), ("the " + n,))))
            for n, t in zip(variant.params, variant.types, strict=True)
        ]
        if draw.random() < 0.7:
            lines += ["", "Args:", *(f"    {n}: {h}." for n, h in zip(variant.params, helps, strict=True))]
            if variant.returns not in ("", "None"):
                lines += ["", "Returns:", "    " + result_help(command, variant, draw)]
        else:
            lines += ["", *(f":param {n}: {h.lower()}" for n, h in zip(variant.params, helps, strict=True))]
            lines += [":return: " + result_help(command, variant, draw).rstrip(".").lower()]
    elif examples:
        shown = draw.sample(examples, min(len(examples), draw.choice((1, 2, 2, 3))))
        if draw.random() < 0.75:
            lines += [""] if draw.random() < 0.6 else []
            for arguments, value in shown:
                lines += [f">>> {variant.name}({arguments})", value]
        else:
            form = draw.choice(("{}({}) -> {}", "{}({}) == {}", "{}({}) returns {}", "{}({}) => {}", "{}({}) gives {}"))
            lines += [
                "",
                *draw.choice((["Example:"], ["Examples:"], ["For example:"])),
                *("    " + form.format(variant.name, a, v) for a, v in shown),
            ]
    if draw.random() < 0.25:
        return f"{quotes}\n" + "\n".join(lines) + f"\n{quotes}"
    return quotes + "\n".join(lines) + f"\n{quotes}"


def result_help(command: str, variant: Variant, draw: random.Random) -> str:
    if phrasing.is_sentence(command):
        return "True or False." if variant.returns == "bool" else "The result."
    verb, _, rest = command.partition(" ")
    if variant.returns == "bool":
        return (
            f"True if {rest.removeprefix('whether ').removeprefix('if ')}, False otherwise."
            if verb != "return"
            else "True or False."
        )
    if verb in ("return", "compute", "find", "calculate", "get", "count") and draw.random() < 0.7:
        return phrasing.capital(rest).partition(", or")[0] + "."
    return "The result."


def title(name: str, draw: random.Random) -> str:
    """`bubble_sort` as a request: "Implement bubble sort"."""
    spoken = name.replace("_", " ")
    text = draw.choice(TITLES).format(spoken)
    return phrasing.capital(text) if draw.random() < 0.85 else text


def examples(variant: Variant, draw: random.Random) -> list[str]:
    """Paragraphs as in programming contests: calls with their results, then what holds for the input."""
    lines: list[str] = []
    for number, (arguments, value) in enumerate(simple_calls(variant)[: draw.choice((0, 1, 1, 2))], 1):
        pairs = split_list(arguments)
        if len(pairs) == len(variant.params) and pairs:
            told = ", ".join(f"{n} = {a}" for n, a in zip(variant.params, pairs, strict=True))
            lines += ["", f"Example {number}:"] if draw.random() < 0.8 else ["", "For example:"]
            lines += [f"Input: {told}", f"Output: {value}"]
    if variant.params and draw.random() < 0.3:
        lines += ["", "Constraints:"]
        for _ in range(draw.choice((1, 2))):
            name = draw.choice(variant.params)
            lines.append(draw.choice(CONSTRAINTS).format(name, draw.choice(("10", "100", "10^4", name))))
    return lines


def plain_english(request: str, paragraphs: list[str], imports: list[str], code: str, draw: random.Random) -> str:
    """The document: request, paragraphs, closing quotes, imports, code."""
    lines = phrasing.wrap(request, draw.choice((80, 90, 100, 120)))
    if draw.random() < 0.25:
        lines += ["", draw.choice(REMARKS)] if draw.random() < 0.6 else [draw.choice(REMARKS)]
    lines += paragraphs
    quotes = '"""' if draw.random() < 0.92 else "'''"
    opened = quotes + draw.choice(("\n", "")) if draw.random() < 0.12 else ""
    if len(lines) == 1 and draw.random() < 0.1:
        head = f"{opened}{lines[0]}{quotes}\n"
    else:
        head = opened + "\n".join(lines) + draw.choice(("\n", "\n", "\n\n")) + quotes + "\n"
    block = "\n".join(sorted(imports, key=lambda line: (not line.startswith("import"), line)))
    gap = draw.choice(("", "\n", "\n", "\n\n"))
    return head + gap + (block + "\n\n\n" if block else "") + code.rstrip() + "\n"


def tests(variant: Variant, draw: random.Random) -> tuple[str, list[str]]:
    """Assertions in one of the usual forms, and the imports they need."""
    calls = simple_calls(variant) or list(variant.calls[:0])
    calls = [call for call in calls if "e-" not in call[1] and not ("." in call[1] and len(call[1]) > 12)]
    draw.shuffle(calls)
    calls = calls[: draw.choice((2, 3, 4))]
    if not calls:
        return main_block(variant, draw), []
    checks = [
        f"{variant.name}({a}) is {v}"
        if v in ("True", "False") and draw.random() < 0.5
        else f"{variant.name}({a}) == {v}"
        for a, v in calls
    ]
    style = draw.random()
    if style < 0.5:
        head = draw.choice(("", "", '"""Test {}."""', '"""Tests for {}."""')).format(variant.name)
        lines = ([head] if head else []) + [f"assert {check}" for check in checks]
        title = draw.choice(
            ("", "", "", "# Unit tests for {}\n", "# Write unit tests for {}\n", "# Tests for {}\n")
        ).format(variant.name)
        return title + f"def test_{variant.name}():\n" + indent("\n".join(lines)), []
    if style < 0.7:
        name = "Test" + "".join(part.capitalize() for part in variant.name.split("_"))
        cases = [
            f"def test_case_{i}(self):\n    self.assertEqual({variant.name}({a}), {v})"
            for i, (a, v) in enumerate(calls, 1)
        ]
        body = indent("\n\n".join(cases))
        runner = 'if __name__ == "__main__":\n    unittest.main()'
        return f"class {name}(unittest.TestCase):\n{body}\n\n\n{runner}", ["import unittest"]
    if style < 0.82 and len(variant.params) > 0:
        names = ", ".join([*variant.params, "expected"])
        rows = "\n".join(f"        ({a}, {v})," for a, v in calls)
        table = f'@pytest.mark.parametrize(\n    "{names}",\n    [\n{rows}\n    ],\n)'
        call = f"{variant.name}({', '.join(variant.params)})"
        text = f"{table}\ndef test_{variant.name}({names}):\n    assert {call} == expected"
        return text, ["import pytest"]
    return "\n".join(f"assert {check}" for check in checks), []


def main_block(variant: Variant, draw: random.Random) -> str:
    calls = [a for a, _ in variant.calls]
    lines = [f"print({variant.name}({a}))" for a in draw.sample(calls, min(len(calls), draw.choice((1, 2))))]
    return 'if __name__ == "__main__":\n' + indent("\n".join(lines))
