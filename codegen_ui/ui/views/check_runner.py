"""Runs checks on a completion. The visitor's browser runs this very file, in Brython, in a sandbox.

The server serves it as text and never imports it: generated code runs nowhere but with the visitor. Tests run it in
a process of its own, to prove the checks of the examples.

A check is one line: an expression that must be true, such as `area(2, 3) == 6`; statements before it, each ended by a
semicolon, prepare it: `stack = Stack(); stack.push(1); stack.pop() == 1`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # Brython compiles what it imports: these would take it longer than all of the rest.
    from collections.abc import Callable, Sequence

    Tell = Callable[[int, str, str], object]

PROGRAM = -1
"""The index that stands for the program itself in what `tell` is told."""
PASSED, FAILED, ERROR, UNAVAILABLE = "passed", "failed", "error", "unavailable"
SOURCE = "<string>"
"""What Python and Brython call a text that `exec` was given: the program."""
CHECK, NAME = "<check>", "completion"
MAX_SHOWN = 200
OPERATORS = ("==", "!=", "<=", ">=", "<", ">")
WORDS = ("and", "or", "not", "if", "else", "lambda", "in", "is", ":=")


class Nowhere:
    """Takes what the program prints."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def run(program: str, checks: Sequence[str], tell: Tell) -> None:
    """Run the program, then every check in its namespace, in order. Raises nothing.

    `tell` is told of each step: the check's index (or `PROGRAM`), its state, and what it gave or what went wrong.
    """
    names: dict[str, object] = {"__name__": NAME}
    # Where a dataclass looks for the module that it is in.
    sys.modules.setdefault(NAME, type(sys)(NAME))
    sys.stdout = sys.stderr = Nowhere()
    try:
        exec(program, names)
    except BaseException as error:  # noqa: BLE001 - whatever the program does is its result
        tell(PROGRAM, *describe(error))
        return
    tell(PROGRAM, PASSED, "")
    for index, check in enumerate(checks):
        tell(index, *judge(check, names))


def judge(check: str, names: dict[str, object]) -> tuple[str, str]:
    """(state, text) of one check. For a comparison the text shows what its left side gave."""
    prepare, expression = split(check)
    try:
        if prepare:
            exec(compile(prepare, CHECK, "exec"), names)
        found = sides(expression)
        if found is None:
            value = eval(compile(expression, CHECK, "eval"), names)
            good = bool(value)
        else:
            left, operator, right = found
            value = eval(compile(left, CHECK, "eval"), names)
            names["__value__"] = value
            good = bool(eval(compile(f"__value__ {operator} ({right})", CHECK, "eval"), names))
    except BaseException as error:  # noqa: BLE001 - as above
        return describe(error)
    return (PASSED, "") if good else (FAILED, f"gave {shown(value)}")


def describe(error: BaseException) -> tuple[str, str]:
    """(state, text) of an error: its type, its message, and the line of the program where it happened."""
    kind = type(error).__name__
    if isinstance(error, ImportError):
        return UNAVAILABLE, f"{kind}: {shorten(str(error))}"
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == SOURCE else line_of(error)
    message = shorten(str(error.msg if isinstance(error, SyntaxError) else error))
    return ERROR, kind + (f", line {line}" if line else "") + (f": {message}" if message else "")


def line_of(error: BaseException) -> int | None:
    """The innermost line of the program, from 1; None where the error is the check's own."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == SOURCE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def split(check: str) -> tuple[str, str]:
    """Statements that prepare, and the expression."""
    at = outline(check).rfind(";")
    return check[: max(at, 0)].strip(), check[at + 1 :].strip()


def sides(expression: str) -> tuple[str, str, str] | None:
    """(left, operator, right) where the expression is one comparison and nothing else, else None."""
    top = outline(expression)
    if any(word in WORDS for word in top.replace("(", " ").split()) or ":=" in top:
        return None
    found = []
    at = 0
    while at < len(top):
        operator = next((operator for operator in OPERATORS if top.startswith(operator, at)), "")
        if operator:
            found.append((at, operator))
        at += max(1, len(operator))
    if len(found) != 1 or "<<" in top or ">>" in top:
        return None
    at, operator = found[0]
    return expression[:at].strip(), operator, expression[at + len(operator) :].strip()


def outline(text: str) -> str:
    """The text with everything inside brackets and strings blanked, at its length: what is left is at the top."""
    out = []
    depth, quote, at = 0, "", 0
    while at < len(text):
        character = text[at]
        step = 1
        if quote:
            if character == "\\":
                step = 2
            elif text.startswith(quote, at):
                step, quote = len(quote), ""
            out.append(" " * step)
        elif character in "\"'":
            quote = character * 3 if text.startswith(character * 3, at) else character
            step = len(quote)
            out.append(" " * step)
        else:
            depth -= character in ")]}"
            out.append(character if depth <= 0 else " ")
            depth += character in "([{"
        at += step
    return "".join(out)[: len(text)]


def shown(value: object) -> str:
    try:
        return shorten(repr(value))
    except BaseException as error:  # noqa: BLE001 - a repr of the program's own
        return f"a value whose repr raises {type(error).__name__}"


def shorten(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
