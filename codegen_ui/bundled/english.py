"""The plain-English form: a request, perhaps examples and constraints, three quotes that close it, then code.

CodeGen takes a prompt in plain English for the inside of a docstring that began before it; documents of this form teach
the same.  After the first function or class the text ends.
"""

from __future__ import annotations

import random

from codegen_ui.bundled import phrasing
from codegen_ui.bundled.task import split_list
from codegen_ui.bundled.variant import Variant, simple_calls

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
