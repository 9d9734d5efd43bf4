"""What a file holds after a function: its tests in one of the usual forms, or a main block."""

from __future__ import annotations

import random

from codegen_ui.bundled.task import indent
from codegen_ui.bundled.variant import Variant, simple_calls


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
