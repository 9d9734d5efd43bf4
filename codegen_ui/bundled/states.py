"""Classes that keep something and change it, method by method: a counter, a list, a dictionary, a switch.

What each method is to do stands in its docstring, over attributes and parameters named at random, so that the names
have to be read above.  Some go on after a class was begun, as an editor does.
"""

# ruff: noqa: E501 -- tables, one method a row
from __future__ import annotations

import random

from codegen_ui.bundled import naming, phrasing
from codegen_ui.bundled.task import indent

# verbs for the method's name | what it is to do, with A the attribute and P the parameter | body | arguments of a call
Row = tuple[str, str, str, str]
NUMBER: tuple[Row, ...] = (
    ("count add tick step bump note", "Count one more|Add one to A|Raise A by one|One more for A|A goes up by one|Make A larger by 1", "self.A += 1", ""),
    ("take drop lower use lose", "Take one from A|Lower A by one|One less in A|A goes down by one|Make A smaller by 1", "self.A -= 1", ""),
    ("add raise put gain earn", "Add P to A|Raise A by P|P more for A|A grows by P", "self.A += P", "3"),
    ("take pay lower spend remove", "Take P from A|Lower A by P|P less in A|A shrinks by P", "self.A -= P", "3"),
    ("set change make", "Set A to P|Make A equal to P|A becomes P|From now on A is P", "self.A = P", "3"),
    ("reset clear restart", "Set A to zero|Start again with A at zero|A goes back to 0", "self.A = 0", ""),
    ("get read show", "Return A|Give A|Read A|What A is now", "return self.A", ""),
    ("double twice", "Double A|Make A twice as large", "self.A *= 2", ""),
    ("has is_above check", "Tell whether A is above P|Return True if A is more than P|Is A larger than P?", "return self.A > P", "3"),
    ("is_zero is_done none_left", "Tell whether A is zero|Return True if nothing is left of A", "return self.A == 0", ""),
)  # fmt: skip
LIST: tuple[Row, ...] = (
    ("add put append insert store", "Add P to A|Put P at the end of A|Append P to A|Store P in A|Keep P in A|P joins A", "self.A.append(P)", "3"),
    ("pop take remove pull", "Remove the last one of A and return it|Take the last of A out and return it|Return the last of A, removing it|Take the newest of A away and return it|Remove what was put into A last and give it back", "return self.A.pop()", ""),
    ("take_first next serve", "Remove the first one of A and return it|Take the first of A out and return it|Return the oldest of A, removing it", "return self.A.pop(0)", ""),
    ("peek top last newest", "Return the last of A|Return the last of A, which stays|Look at the end of A", "return self.A[-1]", ""),
    ("first oldest front", "Return the first of A|Look at the start of A", "return self.A[0]", ""),
    ("count size how_many", "Return how many A there are|Count A|Return the number of A|How many A there are", "return len(self.A)", ""),
    ("is_empty empty none", "Tell whether A is empty|Return True if there are no A|Is there nothing in A?", "return len(self.A) == 0", ""),
    ("has holds knows", "Tell whether P is in A|Return True if A holds P|Is P one of A?", "return P in self.A", "3"),
    ("remove drop delete", "Remove P from A|Take P out of A|P leaves A", "self.A.remove(P)", "9"),
    ("clear empty forget", "Empty A|Forget all of A|Remove everything from A", "self.A = []", ""),
    ("total sum", "Return the sum of A|Add up A", "return sum(self.A)", ""),
    ("extend add_all", "Add all of P to A|Put everything in P into A", "self.A.extend(P)", "[3, 4]"),
    ("highest best", "Return the largest of A|The most that is in A", "return max(self.A)", ""),
)  # fmt: skip
TABLE: tuple[Row, ...] = (
    ("set put store add", "Store Q under P in A|Remember Q for P|A of P becomes Q|Put Q into A under the key P", "self.A[P] = Q", "3, 4"),
    ("get look_up find", "Return what A holds for P|Look P up in A|Return the value of P in A", "return self.A[P]", "9"),
    ("get find ask", "Return what A holds for P, or None|Look P up in A, None if it is not there", "return self.A.get(P)", "3"),
    ("has knows", "Tell whether P is in A|Is there a P in A?", "return P in self.A", "3"),
    ("remove forget", "Remove P from A|Forget P, a key of A", "del self.A[P]", "9"),
    ("count size", "Return how many A there are|Count A", "return len(self.A)", ""),
    ("count note", "Count one more P in A|Add one to what A holds for P", "self.A[P] = self.A.get(P, 0) + 1", "3"),
)  # fmt: skip
SWITCH: tuple[Row, ...] = (
    ("turn_on open start enable", "Set A to True|Make A true|From now on A holds", "self.A = True", ""),
    ("turn_off close stop disable", "Set A to False|Make A false|From now on A does not hold", "self.A = False", ""),
    ("toggle flip switch", "Switch A|Turn A into its opposite|Flip A", "self.A = not self.A", ""),
    ("is_on ask", "Return whether A holds|Tell whether A is true", "return self.A", ""),
)  # fmt: skip
KINDS = {"number": (NUMBER, "0"), "list": (LIST, "[]"), "table": (TABLE, "{}"), "switch": (SWITCH, "False")}
FILLED = {"number": "7", "list": "[9, 2, 9]", "table": "{9: 5}", "switch": "True"}  # what a method is tried on


def state_class(draw: random.Random) -> str:
    """A class as a document, every method of which was called once."""
    kinds = draw.choices(tuple(KINDS), (4, 5, 2, 1), k=draw.choice((1, 1, 1, 2)))
    name = naming.class_name(draw)
    attributes = [_attribute(draw, kind) for kind in kinds]
    if len(set(attributes)) < len(attributes):
        kinds, attributes = kinds[:1], attributes[:1]
    given = draw.random() < 0.25
    params = f", {', '.join(attributes)}" if given else ""
    start = [f"self.{a} = {a if given else KINDS[kind][1]}" for kind, a in zip(kinds, attributes, strict=True)]
    blocks = [f"def __init__(self{params}):\n" + indent("\n".join(start))]
    documented = draw.random() < 0.92
    uses: list[str] = []
    for kind, attribute in zip(kinds, attributes, strict=True):
        table = KINDS[kind][0]
        for row in draw.sample(table, min(len(table), draw.choice((1, 1, 2, 2, 3)))):
            called, block, arguments = _method(row, attribute, draw, documented)
            if called in attributes or any(f"def {called}(" in earlier for earlier in blocks):
                continue
            blocks.append(block)
            uses.append(f"made.{attribute} = {FILLED[kind]}\nmade.{called}({arguments})")
    doc = _class_docstring(name, attributes, draw)
    code = f"class {name}:\n" + indent(doc + "\n\n".join(blocks))
    values = ", ".join(FILLED[kind] for kind in kinds) if given else ""
    exec("\n".join([code, f"made = {name}({values})", *uses]), {"__name__": "textbook"})
    return code + "\n"


def _attribute(draw: random.Random, kind: str) -> str:
    return naming.identifier(draw, set(), many=kind in ("list", "table"))


def _method(row: Row, attribute: str, draw: random.Random, documented: bool) -> tuple[str, str, str]:
    """(its name, the method as code, the arguments of a call)."""
    verbs, said, body, arguments = row
    verb = draw.choice(verbs.split())
    called = (
        verb
        if draw.random() < 0.3 and verb not in naming.TAKEN
        else f"{verb}_{draw.choice((naming.stem(draw), attribute, 'in', 'one'))}"
    )
    taken = {attribute, called}
    params = naming.distinct(draw, ("P" in body) + ("Q" in body), taken)
    names = {"A": attribute, "P": params[0] if params else "", "Q": params[-1] if params else ""}
    spoken = names | {
        "A": draw.choice((attribute, attribute, attribute, f"`{attribute}`", f"the {attribute.replace('_', ' ')}"))
    }
    lines = [_filled(body, names)]
    if draw.random() < 0.1 and body.startswith("return ") and "pop" in body:
        lines = [f"item = {_filled(body.removeprefix('return '), names)}", "return item"]
    if documented:
        text = phrasing.capital(_filled(draw.choice(said.split("|")), spoken))
        text += "" if text.endswith("?") or draw.random() < 0.1 else "."
        lines.insert(0, f'"""{text}"""')
    return called, f"def {called}({', '.join(('self', *params))}):\n" + indent("\n".join(lines)), arguments


def _filled(text: str, names: dict[str, str]) -> str:
    """The text with the names in place of the capitals A, P and Q that stand alone."""
    out = ""
    for index, char in enumerate(text):
        alone = not text[index - 1 : index].isalpha() and not text[index + 1 : index + 2].isalpha()
        out += names[char] if char in names and alone else char
    return out


def _class_docstring(name: str, attributes: list[str], draw: random.Random) -> str:
    """A line about the class with a blank line after it, or nothing."""
    if draw.random() < 0.5:
        return ""
    about = " and ".join(attributes).replace("_", " ")
    said = draw.choice((f"Keeps {about}", f"Something that has {about}", f"{name} with {about}", f"Watches over {about}", f"A small {name.lower()}", f"{name}: {about}"))  # fmt: skip
    return f'"""{said}."""' + draw.choice(("\n", "\n\n"))
