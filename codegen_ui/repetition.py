"""Whether a model repeats itself, judged from the end of what it wrote so far."""

from __future__ import annotations

from dataclasses import dataclass

TAIL = 24
"""Characters at the end whose earlier occurrences tell which lengths a repeated part may have."""
CANDIDATES = 16
LONGEST = 2000
"""Characters of the longest part whose repetition is noticed."""
LONG = 80
"""From this many characters on, three times in a row are no accident of code; shorter ones need four."""
SHORT = 160
"""Within one line, numbers and rulers repeat rightly: there a repetition has to be this many characters long."""


@dataclass(frozen=True)
class Repetition:
    """A text's end that is one part again and again.

    Attributes:
        part: what is repeated; of several lines, from the least indented one on.
        times: how often it is there in full, in a row.
    """

    part: str
    times: int


def find_repetition(text: str) -> Repetition | None:
    """The repetition that a text ends in, or None. Numbers that count up do not hide it, but double what is needed."""
    if len(text) <= TAIL:
        return None
    return _find(text, 1) or _find("".join("0" if letter.isdecimal() else letter for letter in text[-8 * LONGEST :]), 2)


def _find(text: str, strictness: int) -> Repetition | None:
    tail = text[-TAIL:]
    at = len(text) - len(tail)
    for _ in range(CANDIDATES):
        # An earlier occurrence may overlap the tail: short parts do.
        at = text.rfind(tail, max(0, len(text) - TAIL - LONGEST), at + len(tail) - 1)
        if at < 0:
            return None
        period = len(text) - len(tail) - at
        repeated = _repeated(text, period)
        start = len(text) - repeated
        part = text[start : start + period]
        if any(letter.isalnum() for letter in part) and _enough(part, repeated, strictness):
            return Repetition(_from_line_start(part, start == 0 or text[start - 1] == "\n"), repeated // period)
    return None


def _repeated(text: str, period: int) -> int:
    """How many of the last characters repeat those one period before them, that first period included."""
    length = period
    while length + period <= len(text) and text[-length - period : len(text) - length] == text[-period:]:
        length += period
    at = len(text) - length
    while at > 0 and text[at - 1] == text[at - 1 + period] and len(text) - at < length + period:
        at -= 1
    return len(text) - at


def _enough(part: str, repeated: int, strictness: int) -> bool:
    times = (3 if len(part) >= LONG else 4) * strictness
    if "\n" not in part:
        return repeated >= max(SHORT * strictness, times * len(part))
    return repeated >= times * len(part)


def _from_line_start(part: str, begins_line: bool) -> str:
    """The same circle of characters, begun where a reader would begin it."""
    lines = (part * 2).splitlines(keepends=True)
    count = part.count("\n")
    # The second of the two copies begins like the first; in it the part's own beginning has a line before it.
    order_of_choice = [count, *range(1, count)] if begins_line else range(1, count + 1)
    starts = [index for index in order_of_choice if lines[index].strip()]
    if not starts:
        return part

    def order(index: int) -> tuple[int, bool]:
        return len(lines[index]) - len(lines[index].lstrip()), bool(lines[index - 1].strip())

    begin = sum(map(len, lines[: min(starts, key=order)]))
    return (part * 2)[begin : begin + len(part)]
