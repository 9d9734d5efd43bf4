"""Short scripts of the kind that people try first: print something, loop, roll a die, read a table, average a list.

Every one says what it does in a line and was run once; texts, bounds and names are drawn at random.
"""

# ruff: noqa: E501 -- tables, one script a row
from __future__ import annotations

import contextlib
import io
import random
import tempfile
from collections.abc import Callable

from codegen_ui.bundled import naming
from codegen_ui.bundled.task import indent

Script = tuple[str, str]  # what it does, as a command; the code
Maker = Callable[[random.Random], Script]
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
    return said, f"import random\n\n{chr(10) if code.startswith('def') else ''}{code}"


def listing(draw: random.Random) -> Script:
    nums, names = numbers(draw), words(draw)
    x = variable(draw, ("x", "numbers", "nums", "values", "data", "my_list", "lst"))
    w = variable(draw, ("words", "names", "fruits", "items", "x", "colors"))
    a, b = draw.choice(("n", "x", "i", "num", "value")), draw.choice(("word", "name", "item", "w"))
    a, b = (a if a != x else "number"), (b if b != w else "entry")
    n = draw.choice((4, 5, 10, 20))
    return draw.choice((
        ("make a list of numbers and print it", f"{x} = {nums}\nprint({x})"),
        ("create a list of numbers", f"{x} = {nums}"),
        (f"print each word of {names}", f"for {b} in {names}:\n    print({b})"),
        (f"loop over the list {nums}", f"for {a} in {nums}:\n    print({a})"),
        ("print every number in a list", f"{x} = {nums}\nfor {a} in {x}:\n    print({a})"),
        ("print every name of a list", f"{w} = {names}\nfor {b} in {w}:\n    print({b})"),
        (f"print the sum of {nums}", f"print(sum({nums}))"),
        ("add up a list of numbers", f"{x} = {nums}\nprint(sum({x}))"),
        ("print the sum of a list in a loop", f"{x} = {nums}\ntotal = 0\nfor {a} in {x}:\n    total += {a}\nprint(total)"),
        (f"print the average of {nums}", f"{x} = {nums}\nprint(sum({x}) / len({x}))"),
        ("calculate the mean of a list and print it", f"{x} = {nums}\naverage = sum({x}) / len({x})\nprint(average)"),
        (f"print the largest number of {nums}", f"print(max({nums}))"),
        ("print the smallest and the largest number of a list", f"{x} = {nums}\nprint(min({x}), max({x}))"),
        (f"sort {nums} and print the result", f"{x} = {nums}\n{x}.sort()\nprint({x})"),
        (f"sort the list {names}", f"{w} = {names}\nprint(sorted({w}))"),
        ("print a list in reverse", f"{x} = {nums}\nprint({x}[::-1])"),
        (f"make a list of the squares from 1 to {n}", f"{x} = [{a} ** 2 for {a} in range(1, {n + 1})]\nprint({x})"),
        (f"create a list of the even numbers up to {n}", f"{x} = [{a} for {a} in range({n + 1}) if {a} % 2 == 0]\nprint({x})"),
        (f"make a list with the numbers 0 to {n - 1}", f"{x} = list(range({n}))\nprint({x})"),
        ("append a number to a list", f"{x} = {nums}\n{x}.append({n})\nprint({x})"),
        ("number the words of a list", f"{w} = {names}\nfor i, {b} in enumerate({w}):\n    print(i, {b})"),
        ("print the lengths of some words", f"{w} = {names}\nfor {b} in {w}:\n    print({b}, len({b}))"),
        ("print the even numbers of a list", f"{x} = {nums}\nfor {a} in {x}:\n    if {a} % 2 == 0:\n        print({a})"),
        ("put words together with commas", f'{w} = {names}\nprint(", ".join({w}))'),
        ("print a list of words in upper case", f"{w} = {names}\nprint([{b}.upper() for {b} in {w}])"),
        ("count the words in a list", f"{w} = {names}\nprint(len({w}))"),
    ))  # fmt: skip


def strings(draw: random.Random) -> Script:
    text, name = phrase(draw), draw.choice(("Ann", "Bob", "Maria", "Tom", "Lena", naming.word(draw).capitalize()))
    s = variable(draw, ("text", "s", "word", "message", "sentence"))
    n, age = variable(draw, ("name", "first_name", "user", "person")), draw.randint(5, 80)
    d = variable(draw, ("ages", "prices", "scores", "d", "data", "stock"))
    a, b = naming.word(draw), naming.word(draw)
    x, y = draw.randint(1, 50), draw.randint(1, 50)
    return draw.choice((
        (f'print "{text}" backwards', f'print("{text}"[::-1])'),
        ("turn a text around and print it", f'{s} = "{text}"\nprint({s}[::-1])'),
        (f'reverse the string "{text}"', f'{s} = "{text}"\nreversed_text = {s}[::-1]\nprint(reversed_text)'),
        ("print a string in upper case", f'{s} = "{text}"\nprint({s}.upper())'),
        ("count the vowels of a string and print the number", f'{s} = "{text}"\ncount = 0\nfor char in {s}.lower():\n    if char in "aeiou":\n        count += 1\nprint(count)'),
        ("print how long a text is", f'{s} = "{text}"\nprint(len({s}))'),
        ("print each letter of a word", f'{s} = "{a}"\nfor letter in {s}:\n    print(letter)'),
        ("print the words of a sentence", f'{s} = "{text}"\nfor part in {s}.split():\n    print(part)'),
        ("check whether a word is a palindrome", f'{s} = "{a}"\nif {s} == {s}[::-1]:\n    print("yes")\nelse:\n    print("no")'),
        (f"greet {name}", f'{n} = "{name}"\nprint(f"Hello, {{{n}}}!")'),
        ("ask for a name and greet the person", f'{n} = input("What is your name? ")\nprint(f"Hello, {{{n}}}!")'),
        ("ask the user for their name", f'{n} = input("Enter your name: ")\nprint("Hello, " + {n})'),
        ("read a number and print its square", "number = int(input(\"Enter a number: \"))\nprint(number ** 2)"),
        ("ask for two numbers and add them", 'a = int(input("First number: "))\nb = int(input("Second number: "))\nprint(a + b)'),
        ("check whether a number that is entered is even", 'n = int(input("Enter a number: "))\nif n % 2 == 0:\n    print("even")\nelse:\n    print("odd")'),
        ("store a name and an age and print both", f'{n} = "{name}"\nage = {age}\nprint({n}, age)'),
        (f"add {x} and {y}", f"print({x} + {y})"),
        (f"print {x} times {y}", f"print({x} * {y})"),
        ("add two numbers and print the result", f"a = {x}\nb = {y}\nprint(a + b)"),
        ("swap two variables", f"a = {x}\nb = {y}\na, b = b, a\nprint(a, b)"),
        (f"check if {x} is even", f'n = {x}\nif n % 2 == 0:\n    print("even")\nelse:\n    print("odd")'),
        (f"print the larger of {x} and {y}", f"print(max({x}, {y}))"),
        (f"convert {x} degrees Celsius to Fahrenheit", f"celsius = {x}\nfahrenheit = celsius * 9 / 5 + 32\nprint(fahrenheit)"),
        (f"convert {x} kilometers to miles", f"km = {x}\nmiles = km * 0.621371\nprint(miles)"),
        (f"print the area of a circle of radius {x}", f"import math\n\nradius = {x}\nprint(math.pi * radius ** 2)"),
        (f"print the area of a {x} by {y} rectangle", f"width = {x}\nheight = {y}\nprint(width * height)"),
        (f"print the square root of {x}", f"import math\n\nprint(math.sqrt({x}))"),
        (f"print the factorial of {age % 9 + 2}", f"import math\n\nprint(math.factorial({age % 9 + 2}))"),
        ("make a dictionary and print it", f'{d} = {{"{a}": {x}, "{b}": {y}}}\nprint({d})'),
        ("print all keys and values of a dictionary", f'{d} = {{"{a}": {x}, "{b}": {y}}}\nfor key, value in {d}.items():\n    print(key, value)'),
        ("look something up in a dictionary", f'{d} = {{"{a}": {x}, "{b}": {y}}}\nprint({d}["{a}"])'),
        ("print the date of today", "from datetime import date\n\nprint(date.today())"),
        ("show what time it is", 'from datetime import datetime\n\nprint(datetime.now().strftime("%H:%M"))'),
    ))  # fmt: skip


def tables(draw: random.Random) -> Script:
    path = draw.choice(("data.csv", "people.csv", "table.csv", "input.csv", f"{naming.word(draw)}.csv"))
    p = variable(draw, ("path", "filename", "file_name", "file_path", "csv_file"))
    name = draw.choice(
        (
            "read_table",
            "load_rows",
            "csv_rows",
            "rows_of_csv",
            "load_csv_file",
            "parse_table",
            "csv_to_list",
            naming.identifier(draw, {p}),
        )
    )
    if name == p:
        name = "load_rows"
    said, code = draw.choice((
        (f"print every row of the table in {path}", f'with open("{path}") as file:\n    for row in csv.reader(file):\n        print(row)'),
        (f"open {path} and print its rows", f'with open("{path}", newline="") as file:\n    reader = csv.reader(file)\n    for row in reader:\n        print(row)'),
        (f"read {path} into a list of dictionaries", f'with open("{path}") as file:\n    rows = list(csv.DictReader(file))\nprint(rows)'),
        (f"load the rows of {path}", f'with open("{path}") as file:\n    rows = list(csv.reader(file))\nprint(rows)'),
        ("write a function that returns the rows of a CSV file as lists", f"def {name}({p}):\n    with open({p}) as file:\n        return list(csv.reader(file))"),
        ("return the rows of a CSV file as dictionaries", f"def {name}({p}):\n    with open({p}, newline=\"\") as file:\n        return list(csv.DictReader(file))"),
        ("load a CSV file", f"def {name}({p}):\n    with open({p}) as file:\n        reader = csv.reader(file)\n        return [row for row in reader]"),
        ("write a function to load a CSV file into a list", f"def {name}({p}):\n    rows = []\n    with open({p}) as file:\n        for row in csv.reader(file):\n            rows.append(row)\n    return rows"),
        ("return the header of a CSV file", f"def {name}({p}):\n    with open({p}) as file:\n        return next(csv.reader(file))"),
    ))  # fmt: skip
    use = f'\n{name}("{path}")' if code.startswith("def ") else ""
    run(f"import csv\n\n{code}{use}", path)
    return said, f"import csv\n\n{chr(10) if use else ''}{code}"


MAKERS: tuple[tuple[Maker, float], ...] = (
    (say, 2.0),
    (count_up, 2.0),
    (buzz, 1.0),
    (chance, 1.5),
    (listing, 2.5),
    (strings, 2.5),
    (tables, 1.0),
)


def run(code: str, table: str = "") -> None:
    """Run a script of ours in an empty folder, with a table of that name in it and "7" for what it asks for."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        if table:
            with open(table, "w", encoding="utf-8") as file:
                file.write(TABLE)
        exec(code, {"__name__": "__main__", "input": lambda prompt="": "7"})


def script_parts(draw: random.Random) -> Script:
    """(what it does, the code) of one script."""
    makers, weights = zip(*MAKERS, strict=True)
    maker = draw.choices(makers, weights)[0]
    said, code = maker(draw)
    if maker is not tables:
        run(code)
    return said, code
