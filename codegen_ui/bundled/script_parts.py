"""Of what scripts are put together: texts, numbers, names; and the run that each has to pass."""

from __future__ import annotations

import contextlib
import io
import random

from codegen_ui.bundled import naming

Script = tuple[str, str]  # what it does, as a command; the code
GREETINGS = (
    "Hello",
    "Hi",
    "Good morning",
    "Good evening",
    "Welcome",
    "Hello there",
    "Goodbye",
    "Hey",
    "Howdy",
    "Greetings",
)
WORLDS = ("world", "World", "everyone", "Python", "friend", "reader", "team", "planet", "Anna", "all of you")
TABLE = "name,age,city\nAnn,31,Rome\nBob,25,Oslo\n"


def phrase(draw: random.Random) -> str:
    """A few words to print."""
    kind = draw.random()
    if kind < 0.15:  # what is printed first of all
        return draw.choice(("Hello, World!", "Hello World!", "Hello, world!", "Hello World", "Hello, world"))
    if kind < 0.5:
        return (
            draw.choice(GREETINGS)
            + draw.choice((", ", " ", ", "))
            + draw.choice(WORLDS)
            + draw.choice(("!", "!", "", "."))
        )
    if kind < 0.6:
        return draw.choice(GREETINGS) + draw.choice(("!", "", "."))
    words = " ".join(naming.word(draw) for _ in range(draw.choice((1, 2, 3))))
    return words if draw.random() < 0.5 else words.capitalize() + draw.choice(("!", "."))


def numbers(draw: random.Random) -> str:
    """A list of small whole numbers, as text."""
    return (
        "[" + ", ".join(str(draw.randint(0, draw.choice((9, 20, 100)))) for _ in range(draw.choice((3, 4, 5, 6)))) + "]"
    )


def words(draw: random.Random) -> str:
    return "[" + ", ".join(f'"{naming.word(draw)}"' for _ in range(draw.choice((2, 3, 4)))) + "]"


def variable(draw: random.Random, usual: tuple[str, ...]) -> str:
    return draw.choice(usual) if draw.random() < 0.6 else naming.identifier(draw, set())


def with_import(module: str, code: str, draw: random.Random) -> str:
    """The code after an import of the module; in a function of its own now and then inside it."""
    if not code.startswith("def "):
        return f"import {module}\n\n{code}"
    head, _, body = code.partition("\n")
    return f"{head}\n    import {module}\n{body}" if draw.random() < 0.4 else f"import {module}\n\n\n{code}"


def run(code: str) -> None:
    """Run a script of ours: what it asks for is answered with "7", and what it opens is a small table."""
    scope = {"__name__": "__main__", "input": lambda asked="": "7", "open": lambda *rest, **options: io.StringIO(TABLE)}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, scope)
