"""Short scripts of the kind that people try first: print something, loop, roll a die, read a table, average a list.

Every one says what it does in a line and was run once; texts, bounds and names are drawn at random.
"""

# ruff: noqa: E501 -- tables, one script a row
from __future__ import annotations

import random
from collections.abc import Callable

from codegen_ui.bundled import naming
from codegen_ui.bundled.script_lists import listing, strings, tables
from codegen_ui.bundled.script_parts import Script, phrase, run, variable, with_import, words
from codegen_ui.bundled.task import indent

Maker = Callable[[random.Random], Script]


def say(draw: random.Random) -> Script:
    text = phrase(draw)
    quoted = draw.choice((f'"{text}"', f"'{text}'", text, text.lower(), f'the text "{text}"', f'the message "{text}"'))
    said = draw.choice(
        (
            "print {}",
            "print {}",
            "print {} to the screen",
            "show {} on the screen",
            "output {}",
            "say {}",
            "write {} to the console",
            "display {}",
            "a program that prints {}",
            "a script that prints {}",
            "display the message {}",
            "{} program",
            "{} in Python",
            "the classic {} program",
        )
    )
    times = draw.choice((2, 3, 4, 5, 10))
    if draw.random() < 0.12:
        return said.format(
            quoted
        ) + f" {times} times", f'for {draw.choice("i_n")} in range({times}):\n    print("{text}")'
    if draw.random() < 0.15:
        local = variable(draw, ("message", "text", "greeting", "line"))
        return said.format(quoted), f'{local} = "{text}"\nprint({local})'
    if draw.random() < 0.1:
        return said.format(quoted), f'def main():\n    print("{text}")\n\n\nif __name__ == "__main__":\n    main()'
    return said.format(quoted), f'print("{text}")'


def count_up(draw: random.Random) -> Script:
    i, n, first = (
        draw.choice(("i", "i", "i", "n", "x", "number", "num", "k")),
        draw.choice((3, 5, 8, 10, 10, 12, 20, 50, 100)),
        draw.randint(2, 9),
    )
    return draw.choice((
        (f"print the numbers from 1 to {n}", f"for {i} in range(1, {n + 1}):\n    print({i})"),
        (f"count from 1 up to {n}", f"for {i} in range(1, {n + 1}):\n    print({i})"),
        (f"print the numbers from 0 to {n - 1}", f"for {i} in range({n}):\n    print({i})"),
        (f"loop {n} times", f"for {i} in range({n}):\n    print({i})"),
        (f"print the numbers from {first} to {first + n}", f"for {i} in range({first}, {first + n + 1}):\n    print({i})"),
        (f"count down from {n} to 1", f"for {i} in range({n}, 0, -1):\n    print({i})"),
        (f"print the even numbers from 2 to {2 * n}", f"for {i} in range(2, {2 * n + 1}, 2):\n    print({i})"),
        (f"print the odd numbers below {n}", f"for {i} in range(1, {n}, 2):\n    print({i})"),
        (f"print the squares of the numbers from 1 to {n}", f"for {i} in range(1, {n + 1}):\n    print({i} ** 2)"),
        (f"print the even numbers up to {n}", f"for {i} in range(1, {n + 1}):\n    if {i} % 2 == 0:\n        print({i})"),
        (f"print the multiplication table of {first}", f"for {i} in range(1, 11):\n    print({first} * {i})"),
        (f"print the {first} times table", f'for {i} in range(1, 11):\n    print(f"{first} x {{{i}}} = {{{first} * {i}}}")'),
        (f"add the numbers from 1 to {n}", f"total = 0\nfor {i} in range(1, {n + 1}):\n    total += {i}\nprint(total)"),
        (f"print the sum of the numbers from 1 to {n}", f"print(sum(range(1, {n + 1})))"),
        (f"print the first {first} powers of two", f"for {i} in range({first}):\n    print(2 ** {i})"),
        (f"print the first {n} Fibonacci numbers", f"a, b = 0, 1\nfor _ in range({n}):\n    print(a)\n    a, b = b, a + b"),
        (f"count down from {n} with a while loop", f"{i} = {n}\nwhile {i} > 0:\n    print({i})\n    {i} -= 1"),
        (f"count to {n} with a while loop", f"{i} = 1\nwhile {i} <= {n}:\n    print({i})\n    {i} += 1"),
        (f"print a triangle of {first} rows of stars", f'for {i} in range(1, {first + 1}):\n    print("*" * {i})'),
        (f"print the prime numbers up to {n}", f"for {i} in range(2, {n + 1}):\n    if all({i} % d != 0 for d in range(2, {i})):\n        print({i})"),
    ))  # fmt: skip


def buzz(draw: random.Random) -> Script:
    i, n = draw.choice(("i", "i", "n", "number", "num")), draw.choice((15, 20, 30, 50, 100, 100, 100))
    usual = draw.random() < 0.7
    first, second = (3, 5) if usual else draw.sample(range(2, 9), 2)
    one, two = ("Fizz", "Buzz") if usual else (naming.word(draw).capitalize(), naming.word(draw).capitalize())
    said = draw.choice((
        f"print {one}{two} for the numbers from 1 to {n}", f"play {one}{two} up to {n}", f"print {one}{two} from 1 to {n}", f"{one}{two} up to {n}",
        f'for the numbers 1 to {n} print "{one}" for multiples of {first}, "{two}" for multiples of {second} and "{one}{two}" for both', f"a {one}{two} program", f"the {one}{two} game for 1 to {n}",
    ))  # fmt: skip
    both = draw.choice(
        (f"{i} % {first} == 0 and {i} % {second} == 0", f"{i} % {first * second} == 0")
        if usual
        else (f"{i} % {first} == 0 and {i} % {second} == 0",)
    )
    body = f'if {both}:\n    print("{one}{two}")\nelif {i} % {first} == 0:\n    print("{one}")\nelif {i} % {second} == 0:\n    print("{two}")\nelse:\n    print({i})'
    if draw.random() < 0.3:
        name, limit = (
            draw.choice((f"{one}_{two}".lower(), f"{one}{two}".lower(), f"print_{one}{two}".lower(), "play")),
            draw.choice(("n", "limit", "count", "maximum")),
        )
        return said, f"def {name}({limit}):\n    for {i} in range(1, {limit} + 1):\n" + indent(body, 8) + (
            f"\n\n\n{name}({n})" if draw.random() < 0.5 else ""
        )
    return said, f"for {i} in range(1, {n + 1}):\n" + indent(body)


def chance(draw: random.Random) -> Script:
    sides, low = draw.choice((6, 6, 6, 6, 8, 10, 12, 20)), draw.randint(1, 5)
    high, times, dice = low + draw.choice((5, 9, 10, 20, 95)), draw.choice((2, 3, 5, 10)), draw.choice(("die", "dice"))
    local, choices, of = (
        variable(draw, ("result", "roll", "value", "number")),
        words(draw),
        f" with {sides} sides" if sides != 6 else "",
    )
    name = draw.choice(("roll", "throw_dice", "dice_roll", "throw", "roll_the_dice", "roll_die", "cast_die"))
    said, code = draw.choice((
        (f"roll a {dice}{of}", f"print(random.randint(1, {sides}))"),
        (f"throw a {dice}{of} and print the result", f"{local} = random.randint(1, {sides})\nprint({local})"),
        (f"simulate a {dice} roll{of}", f'{local} = random.randint(1, {sides})\nprint(f"You rolled a {{{local}}}")'),
        (f"throw a {dice}{of} {times} times", f"for _ in range({times}):\n    print(random.randint(1, {sides}))"),
        (f"roll two dice{of} and add them", f"first = random.randint(1, {sides})\nsecond = random.randint(1, {sides})\nprint(first + second)"),
        (f"write a function that throws a {dice}{of}", f"def {name}():\n    return random.randint(1, {sides})"),
        (f"write a function that returns a random number from 1 to {sides}", f"def {name}():\n    return random.randint(1, {sides})"),
        ("write a function that rolls dice with any number of sides", f"def {name}(sides=6):\n    return random.randint(1, sides)"),
        (f"print a random number from {low} to {high}", f"print(random.randint({low}, {high}))"),
        (f"pick a random number between {low} and {high}", f"{local} = random.randint({low}, {high})\nprint({local})"),
        ("flip a coin", 'print(random.choice(["heads", "tails"]))'),
        ("toss a coin and print heads or tails", 'if random.random() < 0.5:\n    print("heads")\nelse:\n    print("tails")'),
        ("write a function that flips a coin", 'def flip():\n    return random.choice(["heads", "tails"])'),
        (f"choose one of {choices} at random", f"{local} = random.choice({choices})\nprint({local})"),
        (f"shuffle the list {choices}", f"{local} = {choices}\nrandom.shuffle({local})\nprint({local})"),
        ("print three random letters", 'print("".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(3)))'),
    ))  # fmt: skip
    return said, with_import("random", code, draw)


MAKERS: tuple[tuple[Maker, float], ...] = (
    (say, 3.0),
    (count_up, 2.0),
    (buzz, 1.0),
    (chance, 2.0),
    (listing, 2.5),
    (strings, 2.5),
    (tables, 1.0),
)


def script_parts(draw: random.Random) -> Script:
    """(what it does, the code) of one script."""
    makers, weights = zip(*MAKERS, strict=True)
    maker = draw.choices(makers, weights)[0]
    said, code = maker(draw)
    if maker is not tables:  # which are run with a call of what they define
        run(code)
    return said, code
