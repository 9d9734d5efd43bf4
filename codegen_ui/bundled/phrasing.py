"""Say one thing in many ways: wordings of a task as docstrings, comments and plain requests."""

from __future__ import annotations

import random
import re

SYNONYMS = {
    "check whether": ("check if", "determine whether", "test whether", "determine if", "tell whether", "verify that"),
    "the largest": ("the maximum", "the biggest", "the greatest"),
    "the smallest": ("the minimum", "the lowest"),
    "list of integers": ("list of ints", "array of integers", "list of numbers", "integer list"),
    "list of numbers": ("list of integers", "array of numbers", "sequence of numbers"),
    "a list": ("an array", "a list", "a sequence"),
    "the list": ("the array", "a given list", "the given list"),
    "the string": ("a string", "the text", "the given string", "a given string"),
    "a string": ("a text", "the string", "the given string"),
    "each": ("every",),
    "remove": ("delete", "drop"),
    "calculate": ("compute", "find", "return", "work out"),
    "compute": ("calculate", "find", "return"),
    "return the": ("compute the", "get the", "find the", "calculate the", "give the", "return the", "return the"),
    "find the": ("return the", "get the", "compute the", "find and return the"),
    "number of": ("count of", "number of", "total number of"),
    "without duplicates": ("with duplicates removed", "with no duplicates"),
    "in the": ("of the", "in the", "in the"),
    "numbers": ("integers", "values", "numbers"),
    "characters": ("chars", "characters"),
}
VERBS = {
    "return", "check", "find", "compute", "calculate", "count", "reverse", "sort", "remove", "convert", "merge",
    "split", "get", "give", "print", "search", "build", "create", "move", "rotate", "swap", "flatten", "group",
    "generate", "determine", "test", "insert", "delete", "add", "multiply", "apply", "replace", "capitalize",
    "read", "write", "draw", "keep", "double", "square", "drop", "sum", "parse", "format", "extract", "validate",
    "encode", "decode", "compress", "expand", "join", "transpose", "shift", "partition", "fill", "yield",
    "update", "implement", "use", "solve", "pick", "select", "filter", "normalize", "pad", "repeat", "raise",
    "make", "map", "tell", "verify", "decide", "work", "evaluate", "turn", "translate", "clamp", "limit", "look",
    "simulate", "rearrange", "sample", "load", "save",
}  # fmt: skip
OPENERS = (
    "Write a function that {third}.", "Write a Python function that {third}.", "Write a function to {command}.",
    "Write a Python function to {command}.", "Create a function that {third}.", "Implement a function that {third}.",
    "Implement a function to {command}.", "Define a function that {third}.", "Write a function {name} that {third}.",
    "Write a function called {name} that {third}.", "Write a function named `{name}` that {third}.",
    "Write a Python function `{name}` to {command}.", "Function that {third}.", "A function that {third}.",
    "Function to {command}.", "Python function to {command}", "Write a Python program to {command}.",
    "Complete the function {name} so that it {third}.", "Given {given}, {command}.", "Given {given}, {command}.",
    "Given {given}, write a function that {third}.", "Write a function that takes {given} and {third}.",
    "Define a function `{name}` that takes {given} and {third}.", "This function takes {given} and {third}.",
    "Your task is to {command}.", "{Command}.", "{Command}", "{Third}.", "Please write a function that {third}.",
    "Write code to {command}.", "Here is a function that {third}:", "How to {command} in Python:",
    "TODO: {command}", "{Command} using Python.", "Task: {command}.",
)  # fmt: skip
TYPES = {
    "list[int]": ("a list of integers", "a list of numbers", "an array of integers"),
    "list[float]": ("a list of numbers", "a list of floats"),
    "list[str]": ("a list of strings", "a list of words"),
    "list[list[int]]": ("a list of lists", "a matrix", "a 2D list of integers"),
    "list[tuple[int, int]]": ("a list of pairs", "a list of tuples"),
    "list": ("a list", "a list of items"),
    "dict": ("a dictionary", "a dict"),
    "dict[str, int]": ("a dictionary", "a dictionary from strings to integers"),
    "str": ("a string", "a string", "the string"),
    "int": ("an integer", "an integer", "a number", "the integer"),
    "float": ("a number", "a float"),
    "bool": ("a boolean", "a flag"),
}


def third_person(command: str) -> str:
    """ "return the sum and print it" -> "returns the sum and prints it"."""
    first, _, rest = command.partition(" ")
    rest = re.sub(r"\b(and|then|or) (\w+)\b", lambda m: f"{m[1]} {inflect(m[2])}" if m[2] in VERBS else m[0], rest)
    return f"{inflect(first)} {rest}".strip()


def inflect(verb: str) -> str:
    """The third person singular."""
    if verb.endswith(("ch", "sh", "ss", "x")):
        return verb + "es"
    return verb[:-1] + "ies" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "s"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def vary(command: str, draw: random.Random) -> str:
    """A paraphrase by a few synonyms, and for yes-or-no tasks by "return True if ..."."""
    if command.startswith("check whether ") and draw.random() < 0.45:
        fact = command.removeprefix("check whether ")
        forms = ("return True if {}, False otherwise", "return True if {} and False otherwise", "return whether {}")
        return draw.choice((*forms, "return True if {}, otherwise False", "return True if {}")).format(fact)
    for phrase, others in SYNONYMS.items():
        if phrase in command and draw.random() < 0.25:
            command = command.replace(phrase, draw.choice(others), 1)
    return command


def given(params: tuple[str, ...], types: tuple[str, ...], draw: random.Random) -> str:
    """ "a list of integers nums and an integer target"."""
    style = draw.choice(("{} {}", "{} {}", "{} `{}`", "{} {}"))
    parts = [
        style.format(draw.choice(TYPES.get(kind, ("the",))), name) for name, kind in zip(params, types, strict=True)
    ]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else "nothing"


def is_sentence(command: str) -> bool:
    """Whether a wording is no command but a question or a phrase, to be used as it is."""
    return command.endswith(("?", "."))


def sentence(command: str, draw: random.Random) -> str:
    """A docstring's first line."""
    if is_sentence(command):
        return capital(command)
    third = draw.random() < 0.3 and command.partition(" ")[0] in VERBS  # no verb: "decorator that ..."
    text = capital(third_person(command) if third else command)
    return text + ("." if draw.random() < 0.85 else "")


def request(command: str, name: str, about: str, draw: random.Random) -> str:
    """A comment or a plain-English request."""
    if is_sentence(command):
        return capital(command)
    opener = draw.choice(OPENERS)
    third = third_person(command)
    return opener.format(
        command=command, third=third, Command=capital(command), Third=capital(third), name=name, given=about
    )


def wrap(text: str, width: int) -> list[str]:
    """Break at spaces into lines of at most `width` characters where words allow."""
    lines, current = [], ""
    for word in text.split():
        if current and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}".strip()
    return [*lines, current]
