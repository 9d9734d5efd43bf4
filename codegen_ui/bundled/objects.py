"""Classes put together from attributes and small methods, described in a line and named at random."""

# ruff: noqa: E501 -- tables, one method a row
from __future__ import annotations

import contextlib
import io
import random

from codegen_ui.bundled import naming, phrasing
from codegen_ui.bundled.task import indent

NUMBERS = (
    "age", "price", "width", "height", "length", "balance", "salary", "speed", "year", "score", "amount", "weight",
    "radius", "quantity", "level", "mileage", "pages", "volume", "capacity", "rating", "x", "y", "depth", "power",
    "temperature", "duration", "points", "distance", "size", "health",
)  # fmt: skip
TEXTS = (
    "name", "title", "color", "owner", "author", "city", "email", "brand", "model", "species", "language", "country",
    "street", "label", "message", "category", "breed", "nickname", "phone", "subject",
)  # fmt: skip
LISTS = (
    "items", "grades", "books", "members", "songs", "tasks", "players", "orders", "notes", "friends", "scores",
    "passengers", "pets", "rooms", "entries", "students",
)  # fmt: skip
ENTITIES = (
    "Dog", "Cat", "Car", "House", "Robot", "Teacher", "Employee", "Customer", "Movie", "Song", "Player", "Country",
    "City", "Phone", "Computer", "Planet", "Ship", "Train", "Bottle", "Box", "Garden", "Recipe", "Team", "School",
    "Hotel", "Ticket", "Wallet", "Invoice", "Course", "Animal", "Pet", "Bird", "Horse", "Boat", "Lamp", "Door",
    "Square", "Triangle", "Cube", "Pen", "Clock", "Album", "Playlist", "Basket", "Truck", "Chef", "Doctor", "Pilot",
)  # fmt: skip
# A is the attribute: what the method does | its name | parameters after self | body | a call that must work
Method = tuple[str, str, str, str, str]
NUMBER_METHODS: tuple[Method, ...] = (
    ("increase the A by an amount", "increase_A", "amount", "self.A += amount", "(2)"),
    ("add to the A", "add_A", "amount", "self.A += amount", "(2)"),
    ("reduce the A by an amount", "reduce_A", "amount", "self.A -= amount", "(2)"),
    ("double the A", "double_A", "", "self.A *= 2", "()"),
    ("set the A to zero", "reset", "", "self.A = 0", "()"),
    ("set the A", "set_A", "A", "self.A = A", "(3)"),
    ("return the A", "get_A", "", "return self.A", "()"),
    ("return the A doubled", "twice_A", "", "return 2 * self.A", "()"),
    ("check whether the A is above a limit", "is_above", "limit", "return self.A > limit", "(3)"),
    ("tell whether the A is positive", "has_A", "", "return self.A > 0", "()"),
    ("return True if this A is larger than that of another", "is_more_than", "other", "return self.A > other.A", "(made)"),
)  # fmt: skip
TEXT_METHODS: tuple[Method, ...] = (
    ("greet with the A", "greet", "", 'return f"Hello, {self.A}!"', "()"),
    ("say hello with the A", "say_hello", "", 'print(f"Hello, my name is {self.A}.")', "()"),
    ("introduce itself by its A", "introduce", "", 'return f"I am {self.A}."', "()"),
    ("return the A", "get_A", "", "return self.A", "()"),
    ("change the A", "change_A", "A", "self.A = A", '("b")'),
    ("return the A in upper case", "shout", "", "return self.A.upper()", "()"),
    ("return the length of the A", "A_length", "", "return len(self.A)", "()"),
    ("print the A", "print_A", "", "print(self.A)", "()"),
    ("return the first letter of the A", "initial", "", "return self.A[0]", "()"),
)  # fmt: skip
LIST_METHODS: tuple[Method, ...] = (
    ("add one to the A", "add", "item", "self.A.append(item)", "(3)"),
    ("add one to the A", "add_item", "item", "self.A.append(item)", "(3)"),
    ("remove one from the A", "remove", "item", "if item in self.A:\n    self.A.remove(item)", "(3)"),
    ("count the A", "count", "", "return len(self.A)", "()"),
    ("return how many A there are", "size", "", "return len(self.A)", "()"),
    ("check whether there are no A", "is_empty", "", "return len(self.A) == 0", "()"),
    ("empty the A", "clear", "", "self.A = []", "()"),
    ("return the sum of the A", "total", "", "return sum(self.A)", "()"),
    ("list the A", "show", "", "for item in self.A:\n    print(item)", "()"),
    ("check whether something is among the A", "contains", "item", "return item in self.A", "(3)"),
)  # fmt: skip
# what a thing does, said by the method's name alone: to its number, or to who listens
CHANGES = (
    ("fill", "+"), ("drain", "-"), ("charge", "+"), ("pay", "-"), ("earn", "+"), ("spend", "-"), ("deposit", "+"),
    ("withdraw", "-"), ("grow", "+"), ("shrink", "-"), ("load", "+"), ("unload", "-"), ("raise_by", "+"), ("lower_by", "-"),
)  # fmt: skip
NOISES = (
    "meow", "beep", "honk", "sing", "quack", "ring", "jump", "run", "sleep", "roar", "speak", "drive", "fly", "swim", "dance",
    "purr", "moo", "whistle", "eat", "walk", "teach", "work", "stop", "start", "shine", "spin", "roll_over", "buzz", "play",
)  # fmt: skip
PAIR_METHODS: tuple[Method, ...] = (
    ("return the product of A and B", "product", "", "return self.A * self.B", "()"),
    ("return A times B", "area", "", "return self.A * self.B", "()"),
    ("return the sum of A and B", "total", "", "return self.A + self.B", "()"),
    ("return twice the sum of A and B", "perimeter", "", "return 2 * (self.A + self.B)", "()"),
    ("return A minus B", "difference", "", "return self.A - self.B", "()"),
    ("check whether A and B are equal", "is_square", "", "return self.A == self.B", "()"),
    ("swap A and B", "swap", "", "self.A, self.B = self.B, self.A", "()"),
)  # fmt: skip
KINDS = {"n": (NUMBERS, NUMBER_METHODS, "7"), "s": (TEXTS, TEXT_METHODS, '"ann"'), "l": (LISTS, LIST_METHODS, "[1, 3]")}


def class_text(draw: random.Random) -> tuple[str, str, str]:
    """(a request in words, the class as code without its docstring, its docstring); the class was used once."""
    plain = draw.random() < 0.5
    name = draw.choice(ENTITIES) if plain or draw.random() < 0.3 else naming.class_name(draw)
    kinds = draw.choice(
        ("s", "n", "sn", "sn", "nn", "nn", "sl", "l", "ss", "snn", "ssn", "nnn", "nsl", "nnnn", "snnsn")
    )
    attributes: list[str] = []
    for kind in kinds:
        known = [a for a in KINDS[kind][0] if a not in attributes]
        attributes.append(draw.choice(known) if plain else naming.identifier(draw, set(attributes), many=kind == "l"))
    methods = choose_methods(attributes, kinds, draw)
    init = ["def __init__(self" + "".join(f", {a}" for a, k in zip(attributes, kinds, strict=True) if k != "l") + "):"]
    init += [f"    self.{a} = {a if k != 'l' else '[]'}" for a, k in zip(attributes, kinds, strict=True)]
    documented = draw.random() < 0.3
    blocks = ["\n".join(init)]
    for said, called, params, body, _ in methods:
        inner = f'"""{phrasing.sentence(said, draw)}"""\n{body}' if documented and called[0] != "_" else body
        blocks.append(f"def {called}(self{', ' if params else ''}{params}):\n" + indent(inner))
    code = f"class {name}:\n" + indent("\n\n".join(blocks))
    values = ", ".join(KINDS[k][2] for k in kinds if k != "l")
    uses = [f"made.{called}{call}" for _, called, _, _, call in methods]
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join([code, f"made = {name}({values})", *uses]), {"__name__": "textbook"})
    spoken = [m for m in methods if m[1][0] != "_"]
    return describe(name, attributes, kinds, spoken, draw), code, docstring(name, attributes, spoken, draw)


def choose_methods(attributes: list[str], kinds: str, draw: random.Random) -> list[Method]:
    """Up to three methods for the attributes, no name twice, and now and then one that Python calls itself."""
    offered: list[Method] = []
    numbers = [a for a, k in zip(attributes, kinds, strict=True) if k == "n"]
    for attribute, kind in zip(attributes, kinds, strict=True):
        offered += [_about(method, attribute) for method in draw.sample(KINDS[kind][1], 3)]
    if len(numbers) > 1:
        offered += [_about(method, *numbers[:2]) for method in PAIR_METHODS]
    changed = [(verb, verb, "amount", f"self.{n} {sign}= amount", "(2)") for n in numbers for verb, sign in CHANGES]
    offered += draw.sample(changed, min(2, len(changed)))
    texts = [a for a, k in zip(attributes, kinds, strict=True) if k == "s"]
    noise = draw.choice(NOISES)
    shown = f'f"{{self.{texts[0]}}} can {noise}!"' if texts and draw.random() < 0.4 else f'"{phrasing.capital(noise)}!"'
    body = f"print({shown})" if draw.random() < 0.6 else f"return {shown}"
    offered += [(noise.replace("_", " "), noise, "", body, "()")] * draw.choice((0, 1, 2))
    draw.shuffle(offered)
    chosen: dict[str, Method] = {}
    for method in offered[: draw.choice((0, 1, 1, 2, 2, 3))]:
        if method[1] not in attributes:
            chosen.setdefault(method[1], method)
    shown = ", ".join(f"{{self.{a}}}" for a in attributes)
    if draw.random() < 0.25:
        chosen["__str__"] = ("return it as a string", "__str__", "", f'return f"{shown}"', "()")
    return list(chosen.values())


def _about(method: Method, first: str, second: str = "") -> Method:
    def fill(text: str) -> str:
        for sign, name in (("A", first), ("B", second)):
            text = "".join(
                name if char == sign and not text[i + 1 : i + 2].isalpha() and not text[i - 1 : i].isalpha() else char
                for i, char in enumerate(text)
            )
        return text

    said, called, params, body, call = method
    return fill(said), fill(called), fill(params), fill(body), call


def listed(words: list[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def describe(name: str, attributes: list[str], kinds: str, methods: list[Method], draw: random.Random) -> str:
    """A request for the class, in a sentence or two, without a final stop."""
    held = listed([a if k == "l" else article(a) for a, k in zip(attributes, kinds, strict=True)])
    plain = listed(attributes)
    text = draw.choice((
        f"write a class {name} with {held}", f"create a class {name} with the attributes {plain}", f"{name} class with {plain}",
        f"define a class {name} that stores {plain}", f"a class {name} that has {held}", f"make a {name} class with {plain}",
        f"implement a class called {name} with {plain}", f"write a {name} class", f"class for {article(name.lower())} with {plain}",
        f"create a Python class named {name} which has {held}",
    ))  # fmt: skip
    if methods and draw.random() < 0.8:
        said = [method[0] for method in methods]
        names = [method[1] for method in methods]
        text += draw.choice((
            f" and methods to {listed(said)}", f" and the methods {listed(names)}" if len(names) > 1 else f" and a method {names[0]}",
            f". It can {listed(said)}", f" that can {listed(said)}", f". Methods: {', '.join(names)}",
        ))  # fmt: skip
    return text


def docstring(name: str, attributes: list[str], methods: list[Method], draw: random.Random) -> str:
    """One line about the class."""
    plain = listed(attributes)
    text = draw.choice((
        f"{article(name.lower())} with {plain}", f"{article(name.lower())} with {listed([article(a) for a in attributes])}",
        f"{article(name.lower())} that has {plain}", f"represents {article(name.lower())}", f"stores {plain}",
        f"holds {plain} of {article(name.lower())}", f"{article(name.lower())}: {plain}", f"{article(name.lower())}",
    ))  # fmt: skip
    if methods and draw.random() < 0.55:
        said = [method[0] for method in methods]
        names = [method[1] for method in methods]
        if draw.random() < 0.3:
            parts = [*(article(a) for a in attributes), *names] if draw.random() < 0.5 else [*attributes, *names]
            return phrasing.capital(f"{article(name.lower())} with {listed(parts)}.")
        text += draw.choice((f" that can {listed(said)}", f" that can {listed(said)}", f"; it can {listed(said)}", f", with the methods {listed(names)}", f". Methods: {', '.join(names)}"))  # fmt: skip
    return text[0].upper() + text[1:] + "."


def class_parts(draw: random.Random) -> tuple[str, str]:
    """(a request, the class), with a docstring in two of three."""
    said, code, doc = class_text(draw)
    if draw.random() < 0.67:
        head, _, rest = code.partition("\n")
        gap = draw.choice(("\n", "\n\n"))
        code = f'{head}\n    """{doc}"""{gap}{rest}'
    return said, code
