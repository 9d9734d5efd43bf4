"""Families of small tasks made by combining a choice with an action, so that the combination itself is learned."""

# ruff: noqa: E501 -- tables, one combination a row
from __future__ import annotations

from codegen_ui.bundled.task import Task

# adjective phrase for a number, and the test on x
NUMBERS = {
    "even": ("even numbers", "x % 2 == 0"),
    "odd": ("odd numbers", "x % 2 != 0"),
    "positive": ("positive numbers", "x > 0"),
    "negative": ("negative numbers", "x < 0"),
    "non_zero": ("non-zero numbers", "x != 0"),
    "two_digit": ("two-digit numbers", "10 <= x <= 99"),
    "multiples_of_three": ("multiples of three", "x % 3 == 0"),
    "divisible_by_five": ("numbers divisible by 5", "x % 5 == 0"),
    "greater_than": ("numbers greater than {limit}", "x > limit"),
    "less_than": ("numbers less than {limit}", "x < limit"),
    "at_least": ("numbers that are at least {limit}", "x >= limit"),
    "divisible_by": ("numbers divisible by {k}", "x % k == 0"),
    "multiples_of": ("multiples of {k}", "x % k == 0"),
}
# verb, wording, loop start, loop update, expression
NUMBER_ACTIONS = {
    "count": ("count the {what} in a list|return the number of {what} in {nums}|count how many {what} are in the list", "int",
              ("count = 0\nfor x in nums:\n    if {test}:\n        count += 1\nreturn count", "return sum(1 for x in nums if {test})", "return len([x for x in nums if {test}])")),
    "sum": ("return the sum of the {what} in a list|sum the {what} in {nums}|add up all {what} in the list", "int",
            ("total = 0\nfor x in nums:\n    if {test}:\n        total += x\nreturn total", "return sum(x for x in nums if {test})")),
    "filter": ("return a list of the {what} in {nums}|keep only the {what} of a list|filter the {what} from the list", "list[int]",
               ("return [x for x in nums if {test}]", "result = []\nfor x in nums:\n    if {test}:\n        result.append(x)\nreturn result")),
    "remove": ("remove the {what} from a list|return the list without the {what}|remove all {what} from {nums}", "list[int]",
               ("return [x for x in nums if not ({test})]", "result = []\nfor x in nums:\n    if not ({test}):\n        result.append(x)\nreturn result")),
    "first": ("return the first of the {what} in a list, or None if there is none|find the first of the {what} in {nums}", "int | None",
              ("for x in nums:\n    if {test}:\n        return x\nreturn None", "return next((x for x in nums if {test}), None)")),
    "largest": ("return the largest of the {what} in a list, or None if there are none|find the maximum of the {what} in {nums}", "int | None",
                ("best = None\nfor x in nums:\n    if {test} and (best is None or x > best):\n        best = x\nreturn best", "result = [x for x in nums if {test}]\nreturn max(result) if result else None")),
    "squares_of": ("return the squares of the {what} in a list|square the {what} in {nums} and return them in a list", "list[int]",
                   ("return [x * x for x in nums if {test}]", "return [x ** 2 for x in nums if {test}]", "result = []\nfor x in nums:\n    if {test}:\n        result.append(x * x)\nreturn result")),
    "has_any": ("check whether a list contains any {what}|check whether any of the numbers in {nums} are {what}", "bool",
                ("return any({test} for x in nums)", "for x in nums:\n    if {test}:\n        return True\nreturn False")),
    "all": ("check whether all numbers in a list are {what}|check whether {nums} contains only {what}", "bool",
            ("return all({test} for x in nums)", "for x in nums:\n    if not ({test}):\n        return False\nreturn True")),
    "average_of": ("return the average of the {what} in a list, or 0 if there are none|compute the mean of the {what} in {nums}", "float",
                   ("result = [x for x in nums if {test}]\nif not result:\n    return 0\nreturn sum(result) / len(result)",)),
    "indices_of": ("return the indices of the {what} in a list|return the positions of all {what} in {nums}", "list[int]",
                   ("return [i for i, x in enumerate(nums) if {test}]", "result = []\nfor i, x in enumerate(nums):\n    if {test}:\n        result.append(i)\nreturn result")),
    "product_of": ("return the product of the {what} in a list|multiply the {what} in {nums}", "int",
                   ("result = 1\nfor x in nums:\n    if {test}:\n        result *= x\nreturn result",)),
}  # fmt: skip
CHARACTERS = {
    "vowels": ("vowels", 'char.lower() in "aeiou"'),
    "consonants": ("consonants", 'char.isalpha() and char.lower() not in "aeiou"'),
    "digits": ("digits", "char.isdigit()"),
    "uppercase_letters": ("uppercase letters", "char.isupper()"),
    "lowercase_letters": ("lowercase letters", "char.islower()"),
    "letters": ("letters", "char.isalpha()"),
    "spaces": ("spaces", 'char == " "'),
    "punctuation": ("punctuation characters", "char in string.punctuation"),
    "alphanumeric": ("alphanumeric characters", "char.isalnum()"),
}
CHARACTER_ACTIONS = {
    "count": ("count the {what} in a string|return the number of {what} in {text}|count how many {what} a string contains", "int",
              ("count = 0\nfor char in text:\n    if {test}:\n        count += 1\nreturn count", "return sum(1 for char in text if {test})")),
    "remove": ("remove all {what} from a string|return {text} without its {what}|remove the {what} from {text}", "str",
               ('return "".join(char for char in text if not ({test}))', 'result = ""\nfor char in text:\n    if not ({test}):\n        result += char\nreturn result')),
    "keep": ("keep only the {what} of a string|return only the {what} in {text} as a string|extract the {what} from a string", "str",
             ('return "".join(char for char in text if {test})', 'result = ""\nfor char in text:\n    if {test}:\n        result += char\nreturn result')),
    "list": ("return a list of the {what} in a string|find all {what} in {text}", "list[str]",
             ("return [char for char in text if {test}]", "result = []\nfor char in text:\n    if {test}:\n        result.append(char)\nreturn result")),
    "has": ("check whether a string contains any {what}|check whether {text} has any {what}", "bool",
            ("return any({test} for char in text)", "for char in text:\n    if {test}:\n        return True\nreturn False")),
    "replace": ("replace the {what} of a string with {new}|replace all {what} in {text} by {new}", "str",
                ('return "".join(new if {test} else char for char in text)', 'result = ""\nfor char in text:\n    if {test}:\n        result += new\n    else:\n        result += char\nreturn result')),
}  # fmt: skip
# word tests
WORDS = {
    "longer_than": ("words longer than {n}", "len(word) > n", "n"),
    "shorter_than": ("words shorter than {n}", "len(word) < n", "n"),
    "starting_with": ("words that start with {prefix}", "word.startswith(prefix)", "prefix"),
    "ending_with": ("words that end with {suffix}", "word.endswith(suffix)", "suffix"),
    "containing": ("words that contain {part}", "part in word", "part"),
    "capitalized": ("capitalized words", "word[:1].isupper()", ""),
    "of_even_length": ("words of even length", "len(word) % 2 == 0", ""),
    "palindromic": ("words that are palindromes", "word == word[::-1]", ""),
}
WORD_ACTIONS = {
    "filter": ("return the {what} in a list|keep only the {what} of {words}|filter a list of strings for {what}", "list[str]",
               ("return [word for word in words if {test}]", "result = []\nfor word in words:\n    if {test}:\n        result.append(word)\nreturn result")),
    "count": ("count the {what} in a list|return the number of {what} in {words}", "int",
              ("return sum(1 for word in words if {test})", "count = 0\nfor word in words:\n    if {test}:\n        count += 1\nreturn count")),
    "remove": ("remove the {what} from a list|return {words} without the {what}", "list[str]",
               ("return [word for word in words if not ({test})]",)),
    "first": ("return the first of the {what} in a list, or None|find the first of the {what} in {words}", "str | None",
              ("for word in words:\n    if {test}:\n        return word\nreturn None", "return next((word for word in words if {test}), None)")),
}  # fmt: skip
FAMILY_WEIGHT = 0.15
NUMBER_CASES = ("[1, 2, 3, 4, 5, 6]", "[10, -5, 0, 15, 7]", "[]", "[-2, 4, -6, 9, 30]")
TEXT_CASES = ('"Hello World 42"', '""', '"Python 3.11, ok?"', '"abcXYZ"')
WORD_CASES = ('["apple", "Bob", "noon", "kiwi"]', "[]", '["level", "Anna", "at", "banana"]')


def family_tasks() -> list[Task]:
    """Every combination, as ordinary tasks."""
    tasks = []
    for key, (what, test) in NUMBERS.items():
        extra = "limit" if "limit" in test else "k" if "k ==" in test else ""
        for action, parts in NUMBER_ACTIONS.items():
            names = [f"{action}_{key}"] + (
                [f"{key}_{action}"] if action in ("count", "sum") else [f"{key}_numbers"] if action == "filter" else []
            )
            tasks.append(
                _task(f"{action} {key}", names, "nums", extra, "list[int]", what, test, parts, NUMBER_CASES, "3")
            )
    for key, (what, test) in CHARACTERS.items():
        for action, parts in CHARACTER_ACTIONS.items():
            names = [f"{action}_{key}"] + (
                [f"num_{key}"] if action == "count" else [f"strip_{key}"] if action == "remove" else []
            )
            imports = ("import string",) if "string." in test else ()
            extra = "new" if action == "replace" else ""
            tasks.append(
                _task(f"{action} {key}", names, "text", extra, "str", what, test, parts, TEXT_CASES, '"*"', imports)
            )
    for key, (what, test, extra) in WORDS.items():
        value = "3" if extra == "n" else '"a"'
        for action, parts in WORD_ACTIONS.items():
            tasks.append(
                _task(
                    f"{action} words {key}",
                    [f"{action}_words_{key}", f"{action}_{key}"],
                    "words",
                    extra,
                    "list[str]",
                    what,
                    test,
                    parts,
                    WORD_CASES,
                    value,
                )
            )
    return tasks + record_tasks()


ALTERNATIVES = {
    "nums": ("nums", "numbers", "values", "lst", "arr", "data", "items"),
    "text": ("text", "s", "string_", "sentence", "st", "phrase"),
    "words": ("words", "strings", "items", "names", "lst"),
    "limit": ("limit", "threshold", "bound", "cutoff", "minimum", "t"),
    "k": ("k", "n", "divisor", "d", "factor", "m"),
    "n": ("n", "length", "k", "size", "limit", "min_length"),
    "new": ("new", "replacement", "char_", "r", "symbol", "with_"),
    "prefix": ("prefix", "start", "p", "letter", "pre", "begin"),
    "suffix": ("suffix", "ending", "s", "tail", "suf", "last"),
    "part": ("part", "sub", "substring", "s", "piece", "letter"),
}


def _task(key: str, names: list[str], subject: str, extra: str, kind: str, what: str, test: str,
          parts: tuple[str, str, tuple[str, ...]], cases: tuple[str, ...], value: str, imports: tuple[str, ...] = ()) -> Task:  # fmt: skip
    wordings, returns, solutions = parts
    params = (
        list(ALTERNATIVES[subject])
        if not extra
        else list(zip(ALTERNATIVES[subject], ALTERNATIVES[extra] * 2, strict=False))
    )
    types = (kind,) if not extra else (kind, "int" if extra in ("limit", "k", "n") else "str")
    return Task(
        key=key,
        names=tuple(names),
        params=tuple((p,) if isinstance(p, str) else p for p in params),
        types=types,
        returns=returns,
        imports=imports,
        wordings=tuple(wording.replace("{what}", what) for wording in wordings.split("|")),
        stories=(),
        cases=tuple(case if not extra else f"{case}, {value}" for case in cases),
        solutions=tuple(solution.replace("{test}", test) for solution in solutions),
        weight=FAMILY_WEIGHT,
    )


RECORDS = {
    "Point": ("x: float, y: float", "distance: return the distance to the origin|(self.x ** 2 + self.y ** 2) ** 0.5|float"),
    "Rectangle": ("width: float, height: float", "area: return the area of the rectangle|self.width * self.height|float; perimeter: return the perimeter|2 * (self.width + self.height)|float; is_square: return True if the sides are equal|self.width == self.height|bool"),
    "Circle": ("radius: float", "area: return the area of the circle|3.14159 * self.radius ** 2|float; diameter: return the diameter|2 * self.radius|float"),
    "Person": ("name: str, age: int, email: str = ''", "is_adult: return True if the person is at least 18|self.age >= 18|bool; greeting: return a greeting|f\"Hello, {self.name}!\"|str"),
    "Student": ("name: str, grades: list[int] = field(default_factory=list)", "average: return the average grade|sum(self.grades) / len(self.grades)|float; best: return the best grade|max(self.grades)|int"),
    "Product": ("name: str, price: float, quantity: int = 0", "total: return the value of the stock|self.price * self.quantity|float; in_stock: return True if there is any left|self.quantity > 0|bool"),
    "Item": ("name: str, price: float, quantity: int = 1", "total_price: return the price of all pieces|self.price * self.quantity|float"),
    "Employee": ("name: str, salary: float, department: str", "yearly_salary: return the salary of a year|self.salary * 12|float; raise_salary: raise the salary by a percentage|self.salary * (1 + percent / 100)|float"),
    "Book": ("title: str, author: str, pages: int", "is_long: return True if the book has more than 300 pages|self.pages > 300|bool; label: return title and author|f\"{self.title} by {self.author}\"|str"),
    "Car": ("make: str, model: str, year: int, mileage: float = 0.0", "age: return the age of the car in a given year|year - self.year|int; full_name: return make and model|f\"{self.make} {self.model}\"|str"),
    "Order": ("id: int, items: list[str] = field(default_factory=list)", "count: return the number of items|len(self.items)|int; is_empty: return True if there are no items|not self.items|bool"),
    "Account": ("owner: str, balance: float = 0.0", "can_pay: return True if the balance covers the amount|self.balance >= amount|bool"),
    "Task": ("title: str, done: bool = False, priority: int = 1", "is_urgent: return True if the task is open and important|not self.done and self.priority > 2|bool"),
    "Movie": ("title: str, year: int, rating: float", "is_good: return True if the rating is at least 7|self.rating >= 7|bool"),
    "Vector": ("x: float, y: float, z: float = 0.0", "length: return the length of the vector|(self.x ** 2 + self.y ** 2 + self.z ** 2) ** 0.5|float; dot: return the dot product with another vector|self.x * other.x + self.y * other.y + self.z * other.z|float"),
    "Color": ("red: int, green: int, blue: int", "to_hex: return the color as a hex string|f\"#{self.red:02x}{self.green:02x}{self.blue:02x}\"|str; is_gray: return True if all parts are equal|self.red == self.green == self.blue|bool"),
    "Interval": ("start: float, end: float", "length: return the length of the interval|self.end - self.start|float; contains: return True if the value lies in the interval|self.start <= value <= self.end|bool; overlaps: return True if two intervals overlap|self.start <= other.end and other.start <= self.end|bool"),
}  # fmt: skip
FREE_NAMES = ("percent", "year", "amount", "value", "other")


def record_tasks() -> list[Task]:
    """Dataclasses with fields and small methods, each in several forms."""
    tasks = []
    for name, (fields, methods) in RECORDS.items():
        rows = [row.strip() for row in fields.split(",")]
        parts = [method.strip().partition(": ") for method in methods.split(";")]
        forms = []
        for frozen, documented, count in (
            (False, True, 3),
            (False, False, 3),
            (True, True, 1),
            (False, True, 1),
            (False, True, 0),
        ):
            if frozen and "field(" in fields:
                continue
            lines = ["@dataclass(frozen=True)" if frozen else "@dataclass", "class NAME:"]
            if documented:
                lines += [f'    """A {name.lower()} with {_listed([row.partition(":")[0] for row in rows])}."""', ""]
            lines += [f"    {row}" for row in rows]
            for method, _, rest in parts[:count]:
                said, expression, kind = rest.split("|")
                extra = [free for free in FREE_NAMES if free in expression.replace("self." + free, "")]
                lines += ["", f"    def {method}({', '.join(['self', *extra])}) -> {kind}:"]
                lines += [f'        """{said[0].upper() + said[1:]}."""'] if documented else []
                lines += [f"        return {expression}"]
            forms.append("\n".join(lines))
        imports = (
            "from dataclasses import dataclass, field" if "field(" in fields else "from dataclasses import dataclass"
        )
        listed = _listed([row.partition(":")[0] for row in rows])
        tasks.append(
            Task(
                key=f"record {name}", names=(name,), params=((),), types=(), returns="", imports=(imports,),
                wordings=(f"write a dataclass {name} with the fields {listed}", f"create a dataclass for a {name.lower()} with {listed}", f"define a {name} dataclass"),
                stories=(), cases=("assert NAME.__dataclass_fields__",), solutions=tuple(forms), is_class=True,
            )
        )  # fmt: skip
    return tasks


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
