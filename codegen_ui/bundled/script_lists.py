"""Scripts about lists, texts, dictionaries and tables in files; see `scripts`."""

# ruff: noqa: E501 -- tables, one script a row
from __future__ import annotations

import random

from codegen_ui.bundled import naming
from codegen_ui.bundled.script_parts import Script, numbers, phrase, run, variable, with_import, words


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
    code = with_import("csv", code, draw)
    run(f"{code}{use}")
    return said, code
