"""Docstrings for textbook functions: one line, arguments and result, or examples that were run."""

from __future__ import annotations

import random

from codegen_ui.bundled import phrasing
from codegen_ui.bundled.task import Task
from codegen_ui.bundled.variant import Variant, rename, simple_calls


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
