"""Short functions whose names mean nothing: what they do is said in words, over names drawn at random.

Nothing in them can be known by heart, so that reading the description and the signature is the only way to write them.
"""

# ruff: noqa: E501 -- tables, one phrase a row
from __future__ import annotations

import random

from codegen_ui.bundled import naming, phrasing
from codegen_ui.bundled.task import indent

# what is said of A, B, C -> the expression, and the kinds of A, B, C: n a number, l a list of numbers, w a list of
# words, s a string, d a dictionary
Phrase = tuple[str, str, str]
PHRASES: tuple[Phrase, ...] = (
    ("the sum of A and B|A plus B|A and B added together|what A and B make together|A and B combined", "A + B", "nn"),
    ("A minus B|the difference of A and B|A less B|what is left of A when B is taken away", "A - B", "nn"),
    ("the product of A and B|A times B|A multiplied by B", "A * B", "nn"),
    ("A divided by B|the ratio of A to B|A over B|A per B", "A / B", "nn"),
    ("how often B goes into A|A divided by B, rounded down|how many whole B fit in A", "A // B", "nn"),
    ("the remainder of A divided by B|what is left over when A is divided by B|A modulo B", "A % B", "nn"),
    ("A to the power of B|A raised to B", "A ** B", "nn"),
    ("the square of A|A squared|A times itself", "A * A", "n"),
    ("the square root of A", "A ** 0.5", "n"),
    ("half of A|A divided by two|A halved", "A / 2", "n"),
    ("twice A|A doubled|two times A", "2 * A", "n"),
    ("A without its sign|the absolute value of A|how far A is from zero", "abs(A)", "n"),
    ("the larger of A and B|the greater one of A and B|whichever of A and B is bigger", "max(A, B)", "nn"),
    ("the smaller of A and B|the lesser one of A and B|whichever of A and B is less", "min(A, B)", "nn"),
    ("the mean of A and B|the average of A and B|halfway between A and B", "(A + B) / 2", "nn"),
    ("the distance between A and B|how far apart A and B are", "abs(A - B)", "nn"),
    ("the sum of A, B and C|A, B and C in total|all of A, B and C together", "A + B + C", "nnn"),
    ("A times B plus C", "A * B + C", "nnn"),
    ("A plus B times C", "A + B * C", "nnn"),
    ("A percent of B", "A * B / 100", "nn"),
    ("the largest of A, B and C", "max(A, B, C)", "nnn"),
    ("A rounded to B digits", "round(A, B)", "nn"),
    ("the sum of the A|all the A added together|the total of the A|what the A add up to|the A in one sum|the A put together", "sum(A)", "l"),
    ("the largest of the A|the highest number in A|the greatest of A|the biggest of the A|the one of the A that is most", "max(A)", "l"),
    ("the smallest of the A|the lowest number in A|the least of A|the minimum of A|the one of the A that is least", "min(A)", "l"),
    ("how many A there are|the number of A|the size of A|the length of A|a count of the A", "len(A)", "l"),
    ("the mean of the A|the average of A|the arithmetic mean of A|the typical one of the A, by the mean", "sum(A) / len(A)", "l"),
    ("the first of the A|the one at the start of A|the leading one of the A|the front of A", "A[0]", "l"),
    ("the last of the A|the one at the end of A|the final one of the A|the back of A|the rear one of the A", "A[-1]", "l"),
    ("A from back to front|the A in reverse order|A turned around|A backwards", "A[::-1]", "l"),
    ("the A in order|A sorted|the A from low to high|the A in ascending order", "sorted(A)", "l"),
    ("the A from high to low|the A in descending order|A sorted backwards", "sorted(A, reverse=True)", "l"),
    ("the first B of the A|B of the A, from the start", "A[:B]", "li"),
    ("the last B of the A", "A[-B:]", "li"),
    ("the A after the first B|the A without the first B", "A[B:]", "li"),
    ("the one of the A at position B|the A entry at index B", "A[B]", "li"),
    ("the largest of the A minus the smallest|how far the A spread", "max(A) - min(A)", "l"),
    ("the even ones of the A|only those of the A that are even|the evens among the A|the A that two divides", "[X for X in A if X % 2 == 0]", "l"),
    ("the odd ones of the A|only those of the A that are odd|the odds among the A", "[X for X in A if X % 2 != 0]", "l"),
    ("the squares of the A|each of the A squared|every one of the A times itself|the A, squared one by one", "[X * X for X in A]", "l"),
    ("each of the A doubled|twice every one of the A", "[2 * X for X in A]", "l"),
    ("those of the A above B|the A greater than B|the A that are more than B", "[X for X in A if X > B]", "ln"),
    ("those of the A below B|the A less than B|the A that are under B", "[X for X in A if X < B]", "ln"),
    ("each of the A plus B|the A with B added to every one", "[X + B for X in A]", "ln"),
    ("each of the A times B|the A multiplied by B one by one", "[X * B for X in A]", "ln"),
    ("how many of the A are even|a tally of the even A|the count of even A", "sum(1 for X in A if X % 2 == 0)", "l"),
    ("how many of the A are odd|a tally of the odd A|the count of odd A", "sum(1 for X in A if X % 2 != 0)", "l"),
    ("how many of the A are more than B|the number of A above B", "sum(1 for X in A if X > B)", "ln"),
    ("how often B occurs in A|the number of times that B is in A", "A.count(B)", "ln"),
    ("the A without those equal to B|A with every B left out", "[X for X in A if X != B]", "ln"),
    ("A and B as one list|A followed by B|A joined to B", "A + B", "ll"),
    ("A with B at the end", "A + [B]", "ln"),
    ("the A and the B in pairs|pairs of A and B", "list(zip(A, B))", "ll"),
    ("the A without repeats|each of the A once|the A with duplicates dropped|every different one of the A, in order", "list(dict.fromkeys(A))", "l"),
    ("the set of the A", "set(A)", "l"),
    ("A in upper case|A in capitals|A in capital letters", "A.upper()", "s"),
    ("A in lower case|A in small letters", "A.lower()", "s"),
    ("A backwards|A from its last letter to its first|A reversed|A read from right to left|the letters of A, last one first", "A[::-1]", "s"),
    ("the length of A|how many characters A has|how many letters A holds", "len(A)", "s"),
    ("the words of A|A split at its spaces", "A.split()", "s"),
    ("how many words A has|the number of words in A", "len(A.split())", "s"),
    ("the first letter of A|the initial of A", "A[0]", "s"),
    ("the last letter of A", "A[-1]", "s"),
    ("A repeated B times|B copies of A", "A * B", "si"),
    ("A and B with a space between|A, a space and B", 'A + " " + B', "ss"),
    ("A followed by B|A and B put together", "A + B", "ss"),
    ("A without spaces around it|A with the blanks at its ends cut off", "A.strip()", "s"),
    ("A with every B replaced by C|A with C in place of B", "A.replace(B, C)", "sss"),
    ("how often B occurs in A", "A.count(B)", "ss"),
    ("how many vowels A has|the number of vowels in A|the vowels of A counted|a tally of the vowels in A", 'sum(1 for X in A.lower() if X in "aeiou")', "s"),
    ("the A in upper case|each of the A in capitals|every one of the A in capital letters|the A converted to upper case", "[X.upper() for X in A]", "w"),
    ("the A in lower case|each of the A in small letters", "[X.lower() for X in A]", "w"),
    ("the length of each of the A|how long each of the A is|the number of letters of every one of the A|letter counts of the A, one by one", "[len(X) for X in A]", "w"),
    ("the first letters of the A|the initials of the A", "[X[0] for X in A]", "w"),
    ("the longest of the A", "max(A, key=len)", "w"),
    ("the shortest of the A", "min(A, key=len)", "w"),
    ("the A joined by spaces|all the A in one string, spaces between", '" ".join(A)', "w"),
    ("the A joined by commas|all the A in one string, with commas", '", ".join(A)', "w"),
    ("those of the A that start with B|the A beginning with B", "[X for X in A if X.startswith(B)]", "ws"),
    ("those of the A longer than B letters", "[X for X in A if len(X) > B]", "wi"),
    ("those of the A that contain B", "[X for X in A if B in X]", "ws"),
    ("the keys of A", "list(A.keys())", "d"),
    ("the values of A", "list(A.values())", "d"),
    ("the value of B in A|what A holds for B|the entry of A under B", "A[B]", "dk"),
    ("the value of B in A, or C if there is none", "A.get(B, C)", "dkn"),
    ("the keys of A in order|the sorted keys of A", "sorted(A)", "d"),
    ("the sum of the values of A|everything in A added together", "sum(A.values())", "d"),
    ("the key of A with the largest value", "max(A, key=A.get)", "d"),
    ("A as a tuple with B|the pair of A and B", "(A, B)", "nn"),
    ("a list of A, B and C|A, B and C in a list", "[A, B, C]", "nnn"),
    ("a dictionary from each of the A to its length", "{X: len(X) for X in A}", "w"),
    ("a dictionary from each of the A to how often it occurs|how many times each of the A is there, as a dictionary|an inventory of the A: each one and how many", "{X: A.count(X) for X in A}", "w"),
    ("how often each letter of A occurs, as a dictionary|an inventory of the letters in A", "{X: A.count(X) for X in A}", "s"),
)  # fmt: skip
FACTS: tuple[Phrase, ...] = (
    ("A is greater than B|A is more than B|A exceeds B|A is above B", "A > B", "nn"),
    ("A is less than B|A is smaller than B|A is below B", "A < B", "nn"),
    ("A is at least B", "A >= B", "nn"),
    ("A is at most B", "A <= B", "nn"),
    ("A equals B|A and B are the same|A is equal to B", "A == B", "nn"),
    ("A differs from B|A and B are different", "A != B", "nn"),
    ("A is between B and C|A lies from B to C", "B <= A <= C", "nnn"),
    ("A is even|A can be halved|two divides A", "A % 2 == 0", "n"),
    ("A is odd", "A % 2 != 0", "n"),
    ("A is divisible by B|B divides A|A can be divided by B|A can be shared among B with nothing left over|A splits into B equal parts", "A % B == 0", "nn"),
    ("A is positive|A is above zero", "A > 0", "n"),
    ("A is negative|A is below zero", "A < 0", "n"),
    ("A is zero", "A == 0", "n"),
    ("A and B have the same sign", "A * B > 0", "nn"),
    ("B is in A|A contains B|B is one of the A", "B in A", "ln"),
    ("A is empty|there are no A", "not A", "l"),
    ("A has more entries than B|there are more A than B", "len(A) > len(B)", "ll"),
    ("all of the A are positive", "all(X > 0 for X in A)", "l"),
    ("any of the A is negative", "any(X < 0 for X in A)", "l"),
    ("all of the A are below B|every one of the A is under B", "all(X < B for X in A)", "ln"),
    ("the A have no repeats|all A are different", "len(A) == len(set(A))", "l"),
    ("A starts with B|A begins with B", "A.startswith(B)", "ss"),
    ("A ends with B", "A.endswith(B)", "ss"),
    ("A contains B|B occurs in A", "B in A", "ss"),
    ("A reads the same backwards|A is a palindrome|A equals its own reverse", "A == A[::-1]", "s"),
    ("A is longer than B", "len(A) > len(B)", "ss"),
    ("A has the key B|B is a key of A", "B in A", "dk"),
)  # fmt: skip
VALUES = {"n": (12, 5, 3), "i": (2, 1, 2), "s": ("'level up'", "'e'", "'x'"), "k": ("'b'", "'b'", "'b'"),
          "l": ("[4, 7, 1, 4]", "[2, 9, 8, 6]", "[1]"), "w": ("['rose', 'elm', 'rose']", "['oak', 'fir', 'ash']", "['b']"),
          "d": ("{'a': 3, 'b': 5}", "{'b': 1}", "{'b': 2}")}  # fmt: skip
ITEMS = ("x", "item", "value", "v", "n", "element", "entry", "e", "one")
FRAMES = ("return {}", "return {}", "return {}", "{}", "give {}", "compute {}", "find {}", "what is {}?", "get {}", "work out {}", "{} is wanted")  # fmt: skip
FACT_FRAMES = ("return True if {}", "check whether {}", "return whether {}", "tell whether {}", "check if {}", "is it true that {}?", "return True if {}, otherwise False", "find out whether {}", "does it hold that {}?")  # fmt: skip


def fill(text: str, names: tuple[str, ...]) -> str:
    """Put the names in for A, B and C, which stand alone."""
    for sign, name in zip("ABC", names, strict=False):
        text = naming_pattern(sign, text, name)
    return text


def naming_pattern(sign: str, text: str, name: str) -> str:
    """Replace the capital `sign` where it is a word of its own."""
    return " ".join(_swap(piece, sign, name) for piece in text.split(" "))


def _swap(piece: str, sign: str, name: str) -> str:
    out = ""
    for index, char in enumerate(piece):
        alone = not piece[index - 1 : index].isalpha() and not piece[index + 1 : index + 2].isalpha()
        out += name if char == sign and alone else char
    return out


def drill(draw: random.Random) -> str:
    """One function, sometimes two or a conditional, as a document."""
    count = draw.choice((1, 1, 1, 1, 2, 3))
    return "\n\n\n".join(one(draw, alone=count == 1) for _ in range(count)) + "\n"


def one(draw: random.Random, *, alone: bool) -> str:
    """A function with its description as docstring or comment, run once on values of the kinds that it takes.

    Where it stands `alone` the description may be plain English, closed by three quotes.
    """
    taken: set[str] = set()
    name = naming.identifier(draw, taken)
    if draw.random() < 0.5:
        name = f"{draw.choice(('get', 'find', 'compute', 'make', 'do', 'calc', 'my', 'the', 'run'))}_{name}"
    fact = draw.random() < 0.25
    said, expression, kinds = draw.choice(FACTS if fact else PHRASES)
    said = draw.choice(said.split("|"))
    names = tuple(naming.distinct(draw, len(kinds), {name}))
    if any(kind in "lw" for kind in kinds):
        names = tuple(
            naming.identifier(draw, {name, *names}, many=True) if kind in "lw" else old
            for kind, old in zip(kinds, names, strict=True)
        )
        names = names if len(set(names)) == len(names) else tuple(naming.distinct(draw, len(kinds), {name}))
    item = next(item for item in draw.sample(ITEMS, len(ITEMS)) if item not in (*names, name))
    result = replace_item(fill(expression, names), item)
    if draw.random() < 0.5:
        quote = draw.choice(("`{}`", "{}", "{}"))
        spoken = tuple(quote.format(each) for each in names)
    else:
        spoken = names
    command = draw.choice(FACT_FRAMES if fact else FRAMES).format(fill(said, spoken))
    lines, extra = [f"return {result}"], ""
    kind = draw.random()
    if kind < 0.12:
        local = naming.identifier(draw, {*names, name, item})
        lines = [f"{local} = {result}", f"return {local}"]
    elif kind < 0.22 and fact:
        first, second = (naming.identifier(draw, {*names, name, item}) for _ in range(2))
        command = f"return {draw.choice(('', 'the string '))}{first!r} if {fill(said, spoken)}, otherwise {second!r}"
        lines = [f"if {result}:", f"    return {first!r}", f"return {second!r}"]
    order = list(range(len(kinds)))
    if draw.random() < 0.25:
        draw.shuffle(order)
    arguments = [str(VALUES[kinds[i]][i]) for i in order]
    params = [names[i] for i in order]
    if draw.random() < 0.1:  # one that is not used
        extra = naming.identifier(draw, {*names, name, item})
        params.append(extra)
        arguments.append("None")
    sentence = command[:1].upper() + command[1:] + ("" if command.endswith("?") else draw.choice((".", ".", ".", "")))
    head = f"def {name}({', '.join(params)}):"
    body = "\n".join(lines)
    style = draw.random()
    if style < 0.75:
        code = head + "\n" + indent(f'"""{sentence}"""\n{body}')
    elif style < 0.9 or not alone:
        code = "\n".join("# " + line for line in phrasing.wrap(sentence, 90)) + f"\n{head}\n" + indent(body)
    else:
        code = f'{sentence}\n"""\n\n{head}\n' + indent(body)
    scope: dict[str, object] = {}
    exec(head + "\n" + indent(body), scope)
    eval(f"{name}({', '.join(arguments)})", scope)
    return code


def replace_item(expression: str, item: str) -> str:
    return _swap(expression, "X", item)
