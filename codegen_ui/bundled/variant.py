"""One concrete function out of a task: names chosen, locals renamed, and proven by running it on the task's cases."""

from __future__ import annotations

import ast
import copy
import math
import random
import re
from dataclasses import dataclass
from typing import Any

from codegen_ui.bundled import naming
from codegen_ui.bundled.task import Task, indent

LOCAL_NAMES = {
    "result": ("res", "out", "output", "ans", "answer", "ret"),
    "total": ("s", "acc", "sum_", "running", "total_sum"),
    "count": ("counter", "cnt", "num", "matches"),
    "left": ("lo", "low", "start", "l", "first"),
    "right": ("hi", "high", "end", "r", "last"),
    "mid": ("middle", "m", "pivot"),
    "seen": ("visited", "found", "known", "previous"),
    "counts": ("freq", "frequency", "counter", "tally", "occurrences"),
    "best": ("largest", "max_value", "biggest", "record", "top"),
    "current": ("cur", "curr", "now"),
    "char": ("c", "ch", "letter", "symbol"),
    "word": ("w", "token", "item"),
    "num": ("n", "x", "value", "number", "v", "item"),
    "x": ("n", "num", "value", "item", "v", "element"),
    "item": ("x", "element", "value", "entry"),
    "row": ("r", "line"),
    "i": ("i", "idx", "index", "k"),
    "j": ("k", "col"),
    "stack": ("stack", "pending", "todo"),
    "queue": ("queue", "q", "frontier"),
    "words": ("parts", "tokens", "pieces"),
    "dp": ("table", "memo", "ways"),
    "index": ("i", "idx", "position", "pos"),
}

RANDOM_LOCALS = 0.12  # how often all locals of a body are called something new


@dataclass(frozen=True)
class Variant:
    """A function ready to be written down. `calls` are (argument text, repr of the result) of the cases that ran."""

    name: str
    params: tuple[str, ...]
    types: tuple[str, ...]
    returns: str
    imports: tuple[str, ...]
    body: str
    calls: tuple[tuple[str, str], ...]


def rename(code: str, names: dict[str, str]) -> str:
    """Replace whole identifiers, all at once, but no attributes (`x.count`)."""
    if not names:
        return code
    pattern = r"(?<![\w.])(" + "|".join(map(re.escape, names)) + r")(?!\w|=(?!=))"
    return re.sub(pattern, lambda found: names[found[1]], code)


def identifiers(code: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", code))


def in_strings(body: str) -> set[str]:
    """Words of the body's string literals, where `rename` would change them, too."""
    nodes = ast.walk(ast.parse("def f():\n" + indent(body)))
    return {w for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) for w in identifiers(n.value)}


def choose_locals(body: str, taken: set[str], draw: random.Random) -> dict[str, str]:
    """New names for some of the locals that the code assigns."""
    assigned = {
        node.id for node in ast.walk(ast.parse("def f():\n" + indent(body)))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }  # fmt: skip
    used = identifiers(body) | taken
    chosen: dict[str, str] = {}
    if draw.random() < RANDOM_LOCALS:
        for name in sorted(assigned - taken - in_strings(body)):
            chosen[name] = naming.identifier(draw, used)
            used.add(chosen[name])
        return chosen
    for name in sorted((assigned & LOCAL_NAMES.keys()) - taken):
        other = draw.choice(LOCAL_NAMES[name])
        if draw.random() < 0.4 and other not in used:
            chosen[name] = other
            used.add(other)
    return chosen


def make_variant(task: Task, draw: random.Random, camel: bool = False, invent: float = 0.0) -> Variant:
    """Choose solution and names; raises AssertionError where it disagrees with the task's cases.

    `invent` is how often the names of the parameters, and half as often the function's own, are drawn at random.
    """
    body = task.solutions[0] if draw.random() < 0.45 else draw.choice(task.solutions)
    name = draw.choice(task.names)
    if camel and "_" in name:
        head, *tail = name.split("_")
        name = head + "".join(part.capitalize() for part in tail)
    first = task.params[0]
    params = draw.choice(task.params) if draw.random() < 0.7 else first
    if draw.random() < invent:
        params = naming.distinct(draw, len(first), identifiers(body) | {name})
        if draw.random() < 0.5:
            name = naming.identifier(draw, identifiers(body) | {*params})
    clash = (identifiers(body) - set(first)) & set(params)
    if clash or name in params or name in identifiers(body):
        params, name = first, name if name not in identifiers(body) else task.names[0]
    mapping = dict(zip(first, params, strict=True))
    body = rename(body, mapping | {"NAME": name})
    body = rename(body, choose_locals(body, {*params, name}, draw))
    variant = Variant(name, params, task.types, task.returns, task.imports, body, ())
    expected = reference(task)
    calls = tuple(
        (arguments, run_call(definition(variant, typed=False), name, arguments, task.imports))
        for arguments in task.cases
    )
    for (arguments, (value, shown)), wanted in zip(calls, expected, strict=True):
        if not same(value, wanted):
            raise AssertionError(f"{task.key}: {name}({arguments}) gave {shown}, expected {wanted!r}:\n{body}")
    shown_calls = tuple((arguments, shown) for arguments, (_, shown) in calls)
    used = identifiers(body)
    needed = tuple(line for line in task.imports if line.split()[-1] in used)
    return Variant(name, params, task.types, task.returns, needed, body, shown_calls)


def definition(variant: Variant, *, typed: bool, inner: str = "", self_: bool = False) -> str:
    """`def name(params):` with an optional docstring block `inner` and the body, ending without a newline."""
    return (
        signature(variant, typed=typed, self_=self_)
        + "\n"
        + indent(f"{inner}\n{variant.body}" if inner else variant.body)
    )


def signature(variant: Variant, *, typed: bool, self_: bool = False) -> str:
    parts = ["self"] if self_ else []
    for name, kind in zip(variant.params, variant.types, strict=True):
        plain, _, default = kind.partition("=")
        annotated = f"{name}: {plain.strip()}" if typed and plain.strip() else name
        if default:
            annotated += f" = {default.strip()}" if typed and plain.strip() else f"={default.strip()}"
        parts.append(annotated)
    arrow = f" -> {variant.returns}" if typed and variant.returns else ""
    return f"def {variant.name}({', '.join(parts)}){arrow}:"


_REFERENCE: dict[str, list[Any]] = {}


def reference(task: Task) -> list[Any]:
    """Results of the first solution on every case."""
    if task.key not in _REFERENCE:
        plain = Variant(
            task.names[0], task.params[0], task.types, "", (), task.solutions[0].replace("NAME", task.names[0]), ()
        )
        code = definition(plain, typed=False)
        _REFERENCE[task.key] = [run_call(code, plain.name, arguments, task.imports)[0] for arguments in task.cases]
    return _REFERENCE[task.key]


def run_call(code: str, name: str, arguments: str, imports: tuple[str, ...]) -> tuple[Any, str]:
    """Execute our own text and call the function; generators and iterators come back as lists."""
    scope: dict[str, Any] = {"__name__": "textbook"}
    exec("\n".join([*imports, code]), scope)
    value = eval(f"{name}({arguments})", scope)
    if hasattr(value, "__next__"):
        value = list(value)
    return copy.deepcopy(value), repr(value)


def same(first: Any, second: Any) -> bool:
    """Equality, but close is enough for floats, alone or in arrays, lists and tuples."""
    if hasattr(first, "shape") and hasattr(second, "shape"):
        return bool(abs(first - second).max() < 1e-4) if first.shape == second.shape else False
    if hasattr(first, "shape") or hasattr(second, "shape"):
        return abs(float(first) - float(second)) < 1e-4
    if isinstance(first, float) and isinstance(second, float | int):
        return math.isclose(first, second, rel_tol=1e-5, abs_tol=1e-7)
    if isinstance(first, list | tuple) and type(first) is type(second):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)


def simple_calls(variant: Variant) -> list[tuple[str, str]]:
    """Calls whose result reads well in an example."""
    return [
        (a, v)
        for a, v in variant.calls
        if len(a) + len(v) < 90
        and "\n" not in v
        and v != "None"
        and "object at" not in v
        and "array(" not in v
        and "tensor(" not in v
    ]
