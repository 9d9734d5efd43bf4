"""Names drawn at random, so that the only way to know what a body calls its parameter is to read the signature.

A model that always sees `nums` after `def sum_list(` learns to write `nums`, whatever it was given.  Here a name is a
word or two of a large vocabulary, or invented out of syllables, which the tokenizer cuts into several pieces, or
stitched together from its pieces: after `(` and after a space the same name begins with different tokens, and which
belongs to which has to be learned for every one of them.
"""

from __future__ import annotations

import builtins
import json
import keyword
import random
from functools import cache
from pathlib import Path

from codegen_ui.bundled import CHECKPOINT_DIR

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
    "green", "daily", "weekly", "total", "extra", "spare", "given", "known", "local", "main", "other", "the", "next",
    "last", "best", "start", "end", "top", "low", "high", "long", "short", "front", "rear", "inner", "outer", "free",
    "full", "cold", "hot",
)  # fmt: skip
SUFFIXES = (
    "list", "count", "value", "size", "name", "data", "map", "set", "number", "index", "total", "rate", "in", "names",
    "values", "prices", "sizes", "ages", "lengths", "widths", "costs", "marks", "points", "levels", "dates", "rows",
    "price", "age", "width", "cost", "level", "limit", "id", "key", "label", "title", "kind", "color", "text", "part",
)  # fmt: skip
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


@cache
def pieces() -> tuple[str, ...]:
    """The tokenizer's pieces of three lower-case letters or more, without the space before them."""
    vocabulary = json.loads((CHECKPOINT_DIR / "vocab.json").read_text(encoding="utf-8"))
    bare = {
        piece.removeprefix("\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}") for piece in vocabulary
    }  # a space before it
    return tuple(
        sorted(piece for piece in bare if len(piece) > 2 and piece.isascii() and piece.islower() and piece.isalpha())
    )


def stitched(draw: random.Random) -> str:
    """One to three of the tokenizer's pieces, of 16 letters at most."""
    word = "".join(draw.choice(pieces()) for _ in range(draw.choice((1, 1, 2, 2, 3))))
    return word[:16]


def stem(draw: random.Random) -> str:
    """A word to call something by: a real one, an invented one, or one of the tokenizer's pieces."""
    return stitched(draw) if draw.random() < 0.4 else word(draw)


def identifier(draw: random.Random, taken: set[str], many: bool = False) -> str:
    """A variable name that is neither Python's nor in `taken`; `many` makes it a plural now and then."""
    while True:
        kind = draw.random()
        last = plural(stem(draw)) if many and draw.random() < 0.7 else stem(draw)
        name: str
        if kind < 0.10:
            name = draw.choice(SHORT)
        elif kind < 0.50:
            name = last
        elif kind < 0.64:
            name = f"{draw.choice(QUALIFIERS)}_{last}"
        elif kind < 0.76:
            name = f"{stem(draw)}_{draw.choice(SUFFIXES)}"
        elif kind < 0.95:
            name = f"{stem(draw)}_{last}"
        else:
            name = f"{stem(draw)}_{stem(draw)}_{last}"
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
    first = stem(draw).capitalize()
    return first if draw.random() < 0.75 else draw.choice(QUALIFIERS).capitalize() + first
