"""Names drawn at random, so that the only way to know what a body calls its parameter is to read the signature.

A model that always sees `nums` after `def sum_list(` learns to write `nums`, whatever it was given.  Here a name is a
word or two of a large vocabulary, or invented out of syllables, which the tokenizer cuts into several pieces.
"""

from __future__ import annotations

import builtins
import keyword
import random
from pathlib import Path

ONSETS = (
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "ch", "cl", "cr",
    "dr", "fl", "fr", "gl", "gr", "kn", "pl", "pr", "qu", "sc", "sh", "sk", "sl", "sm", "sn", "sp", "st", "str", "sw",
    "th", "tr", "tw", "wh", "y",
)  # fmt: skip
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ie", "oa", "oo", "ou", "y")
CODAS = (
    "", "", "", "b", "ck", "d", "ft", "g", "k", "l", "ll", "lt", "m", "mp", "n", "nd", "ng", "nk", "nt", "p", "r",
    "rd", "rk", "rn", "s", "sk", "ss", "st", "t", "x", "zz",
)  # fmt: skip
NOUNS = Path(__file__).with_name("nouns.txt").read_text(encoding="utf-8").split()
SHORT = [*"abcdefghjkmnpqrstuvwxyz", "aa", "bb", "n1", "n2", "x1", "x2", "y1", "v1", "v2", "w1", "p1", "p2", "a1", "b2"]
QUALIFIERS = (
    "all", "new", "old", "my", "first", "second", "max", "min", "raw", "big", "small", "left", "right", "red", "blue",
    "green", "daily", "weekly", "total", "extra", "spare", "given", "known", "local", "main", "other", "the",
)  # fmt: skip
SUFFIXES = ("list", "count", "value", "size", "name", "data", "map", "set", "number", "index", "total", "rate", "in")
TAKEN = set(dir(builtins)) | set(keyword.kwlist) | set(keyword.softkwlist) | {"self", "cls"}


def plural(noun: str) -> str:
    """More of it: `box` -> `boxes`, `berry` -> `berries`."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def invented(draw: random.Random) -> str:
    """A word that nobody knows, of one to three syllables."""
    syllables = draw.choice((1, 2, 2, 2, 3))
    word = "".join(draw.choice(ONSETS) + draw.choice(VOWELS) for _ in range(syllables - 1))
    return word + draw.choice(ONSETS) + draw.choice(VOWELS) + draw.choice(CODAS)


def word(draw: random.Random) -> str:
    """One lower-case word, more often than not a real one."""
    return draw.choice(NOUNS) if draw.random() < 0.55 else invented(draw)


def identifier(draw: random.Random, taken: set[str], many: bool = False) -> str:
    """A variable name that is neither Python's nor in `taken`; `many` makes it a plural now and then."""
    while True:
        kind = draw.random()
        name: str
        if kind < 0.12:
            name = draw.choice(SHORT)
        elif kind < 0.62:
            name = plural(word(draw)) if many and draw.random() < 0.7 else word(draw)
        elif kind < 0.78:
            name = f"{draw.choice(QUALIFIERS)}_{plural(word(draw)) if many else word(draw)}"
        elif kind < 0.90:
            name = f"{word(draw)}_{draw.choice(SUFFIXES)}"
        else:
            name = f"{word(draw)}_{plural(word(draw)) if many else word(draw)}"
        if name not in taken and name not in TAKEN:
            return name


def distinct(draw: random.Random, count: int, taken: set[str]) -> tuple[str, ...]:
    """`count` different identifiers."""
    names: list[str] = []
    while len(names) < count:
        names.append(identifier(draw, taken | set(names)))
    return tuple(names)


def class_name(draw: random.Random) -> str:
    """`Lantern`, `RedLantern` or `Morvak`."""
    first = word(draw).capitalize()
    return first if draw.random() < 0.75 else draw.choice(QUALIFIERS).capitalize() + first
