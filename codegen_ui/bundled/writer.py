"""Textbook tasks written out as documents: a description in one of many styles, a function, and what follows it."""

from __future__ import annotations

import contextlib
import io
import random
import re

from codegen_ui.bundled import phrasing
from codegen_ui.bundled.drills import drill
from codegen_ui.bundled.everyday import everyday_tasks
from codegen_ui.bundled.families import family_tasks
from codegen_ui.bundled.loose import loose_drill
from codegen_ui.bundled.objects import class_parts
from codegen_ui.bundled.scripts import script_parts
from codegen_ui.bundled.states import state_class
from codegen_ui.bundled.surroundings import docstring, examples, main_block, plain_english, tests, title
from codegen_ui.bundled.task import Task, indent, load_tasks, split_list
from codegen_ui.bundled.variant import Variant, definition, make_variant, rename, simple_calls

INVENT = 0.5  # how often a function's parameters get names of their own
# shares of the documents: tasks of the files and tables, drills and loosely worded ones, composed classes and such that
# change what they keep, scripts
SHARES = {"task": 0.42, "drill": 0.10, "loose": 0.16, "object": 0.11, "state": 0.08, "script": 0.13}


def write_textbook(seed: int, count: int) -> list[str]:
    """About `count` documents, shuffled, without exact repeats; every function in them was run."""
    draw = random.Random(seed)
    tasks = load_tasks() + family_tasks() + everyday_tasks()
    functions = [task for task in tasks if not task.is_class]
    # several algorithms for one task need more examples; a member of a family shares much with its relatives
    weights = [task.weight * (1.0 + 0.3 * len(task.solutions)) for task in tasks]
    texts: set[str] = set()
    for _ in range(count):
        kind = draw.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        if kind == "drill":
            texts.add(drill(draw))
        elif kind == "loose":
            texts.add(loose_drill(draw))
        elif kind == "state":
            texts.add(state_class(draw))
        elif kind == "object":
            texts.add(with_request(*class_parts(draw), [], draw, alone=0.45))
        elif kind == "script":
            texts.add(with_request(*script_parts(draw), [], draw, alone=0.2))
        else:
            task = draw.choices(tasks, weights)[0]
            texts.add(class_document(task, draw) if task.is_class else function_document(task, functions, draw))
    result = sorted(texts)
    draw.shuffle(result)
    return result


def with_request(said: str, code: str, imports: list[str], draw: random.Random, alone: float) -> str:
    """Code with what it does before it, as a comment or in plain English; or `alone`."""
    style = draw.random()
    if style < alone:
        return assemble(imports, code, draw)
    request = phrasing.capital(said) if draw.random() < 0.85 else said
    style = draw.random()
    if style < 0.5:
        lines = phrasing.wrap(request + draw.choice(("", "", ".", ".", ":")), 90)
        comment = "\n".join("# " + line for line in lines)
        return assemble(imports, comment + draw.choice(("\n", "\n", "\n", "\n\n")) + code, draw)
    return plain_english(request + draw.choice(("", "", ".")), [], imports, code, draw)


def function_document(task: Task, others: list[Task], draw: random.Random) -> str:
    """A function, and then nothing, another function, tests, or a main block."""
    if task.stories and draw.random() < 0.2:
        return solution_class(task, draw)
    english = draw.random() < 0.2
    variant = make_variant(task, draw, camel=draw.random() < 0.08, invent=INVENT)
    typed = draw.random() < 0.35
    if english:
        return english_document(task, variant, typed, draw)
    text = described(task, variant, typed, draw)
    imports = list(variant.imports)
    end = draw.random()
    if end < 0.12:
        for _ in range(draw.choice((1, 1, 2))):
            other = draw.choice(others)
            follower = make_variant(other, draw)
            if follower.name != variant.name:
                imports += [line for line in follower.imports if line not in imports]
                text += "\n\n\n" + described(other, follower, typed, draw, inside=True)
    elif end < 0.25 and variant.calls:
        block, needed = tests(variant, draw)
        imports += needed
        text += "\n\n\n" + block
    elif end < 0.30 and variant.calls:
        text += "\n\n\n" + main_block(variant, draw)
    if imports and text.startswith("#\n"):
        text = text.removeprefix("#\n")
    return assemble(*with_typing(imports, text, draw), draw)


def english_document(task: Task, variant: Variant, typed: bool, draw: random.Random) -> str:
    """A function after a request in plain English, and nothing after it."""
    command = wording(task, variant, draw)
    about = phrasing.given(variant.params, variant.types, draw)
    style = draw.random()
    if style < 0.35 and variant.name in task.names:
        said = title(variant.name, draw)
    elif task.stories and style < 0.6:
        said = rename(draw.choice(task.stories), dict(zip(task.params[0], variant.params, strict=True)))
    else:
        said = phrasing.request(command, variant.name, about, draw)
        said = said.rstrip(".") if draw.random() < 0.5 else said
    inner = docstring(task, variant, command, draw) if draw.random() < 0.25 else ""
    code = definition(variant, typed=typed, inner=inner)
    imports = list(variant.imports)
    if "def " not in variant.body and variant.name not in variant.body and draw.random() < 0.15:
        code = "class Solution:\n" + indent(definition(variant, typed=typed, inner=inner, self_=True))
    imports, code = with_typing(imports, code, draw)
    return plain_english(said, examples(variant, draw) if draw.random() < 0.5 else [], imports, code, draw)


def with_typing(imports: list[str], text: str, draw: random.Random) -> tuple[list[str], str]:
    """Now and then the annotations of older Python: `List[int]` from typing."""
    signatures = [line for line in text.splitlines() if line.lstrip().startswith("def ")]
    if not any("list[" in line for line in signatures) or draw.random() < 0.6:
        return imports, text
    for line in signatures:
        text = text.replace(line, line.replace("list[", "List["))
    return [*imports, "from typing import List"], text


def assemble(imports: list[str], text: str, draw: random.Random) -> str:
    """Imports at the head; after a request in plain English, and mostly after a comment or string that opens."""
    if not imports:
        return text.rstrip() + "\n"
    block = "\n".join(sorted(imports, key=lambda line: (not line.startswith("import"), line)))
    code = re.search(r"^(def |class |@|\w+ = )", text, flags=re.MULTILINE)
    head = text[: code.start()] if code else ""
    english = head.strip() and not head.startswith(("#", '"""'))
    if code and (english or (head.endswith("\n\n") and draw.random() < 0.7)):
        return f"{head.rstrip()}\n\n{block}\n\n\n{text[code.start() :]}".rstrip() + "\n"
    return f"{block}\n\n{draw.choice(('', chr(10)))}{text}".rstrip() + "\n"


def described(task: Task, variant: Variant, typed: bool, draw: random.Random, inside: bool = False) -> str:
    """The definition with its description as a docstring, a comment, a request in plain English, or none."""
    command = wording(task, variant, draw)
    style = draw.random()
    # without a description the name has to say what the function does
    if style < 0.50 or (inside and style < 0.8) or (style > 0.82 and variant.name not in task.names):
        return definition(variant, typed=typed, inner=docstring(task, variant, command, draw))
    body = definition(variant, typed=typed)
    about = phrasing.given(variant.params, variant.types, draw)
    if (style < 0.82 and not inside) or (style < 0.95 and inside):
        if task.stories and draw.random() < 0.4:
            text = rename(draw.choice(task.stories), dict(zip(task.params[0], variant.params, strict=True)))
        else:
            text = phrasing.request(command, variant.name, about, draw)
        if inside or draw.random() < 0.6:
            comment = "\n".join("# " + line for line in phrasing.wrap(text, 90))
            return comment + draw.choice(("\n", "\n", "\n\n" if not inside else "\n")) + body
        if draw.random() < 0.35:
            return f'"""\n{chr(10).join(phrasing.wrap(text, 90))}\n"""\n\n{body}'
        return "\n".join(phrasing.wrap(text, 100)) + "\n\n" + body
    return body


def wording(task: Task, variant: Variant, draw: random.Random) -> str:
    """The task as a command, with this variant's parameter names in it."""
    command = phrasing.vary(draw.choice(task.wordings), draw)
    quote = draw.choice(("{}", "{}", "{}", "`{}`"))
    for canonical, name in zip(task.params[0], variant.params, strict=True):
        command = command.replace("{" + canonical + "}", quote.format(name))
    return command


def solution_class(task: Task, draw: random.Random) -> str:
    """The programming-contest form: a statement, examples, and one method of a class, or a bare function."""
    variant = make_variant(task, draw, camel=draw.random() < 0.6)
    story = rename(draw.choice(task.stories), dict(zip(task.params[0], variant.params, strict=True)))
    lines = phrasing.wrap(story, draw.choice((80, 90, 100)))
    for number, (arguments, value) in enumerate(simple_calls(variant)[: draw.choice((0, 1, 2))], 1):
        pairs = split_list(arguments)
        if len(pairs) == len(variant.params):
            given = ", ".join(f"{n} = {a}" for n, a in zip(variant.params, pairs, strict=True))
            lines += ["", f"Example {number}:", f"Input: {given}", f"Output: {value}"]
    method = draw.random() < 0.4 and "def " not in variant.body and variant.name not in variant.body
    typed = draw.random() < 0.5
    place = draw.random()
    head = "class Solution:\n" if method else ""
    inner = f'"""\n{chr(10).join(lines)}\n"""' if place < 0.4 else ""
    code = definition(variant, typed=typed, inner=inner, self_=method)
    code = head + (indent(code) if method else code)
    if place < 0.4:
        text = code
    elif place < 0.75:
        text = "\n".join(("# " + line).rstrip() for line in lines) + draw.choice(("\n", "\n\n")) + code
    elif place < 0.88:
        text = '"""\n' + "\n".join(lines) + '\n"""\n\n' + code
    else:
        text = "\n".join(lines) + "\n\n" + code
    return assemble(*with_typing(list(variant.imports), text, draw), draw)


def class_document(task: Task, draw: random.Random) -> str:
    """A class or snippet under one of its names, with an optional description before it, run on its cases."""
    name = draw.choice(task.names)
    code = draw.choice(task.solutions)
    code = rename(code, dict(zip(task.params[0], draw.choice(task.params), strict=True)) | {"NAME": name})
    said = [wording for wording in task.wordings if not wording.startswith("write a ")]
    while "DOC" in code:
        code = code.replace("DOC", phrasing.sentence(phrasing.vary(draw.choice(said), draw), draw), 1)
    scope: dict[str, object] = {"__name__": __name__}
    body = "\n".join([*task.imports, code])
    for case in task.cases or ("pass",):
        with contextlib.redirect_stdout(io.StringIO()):  # some print, and should
            exec(body + "\n" + rename(case.replace("; ", "\n"), {"NAME": name}), scope)
    text = code
    if task.wordings and draw.random() < 0.2:
        asked = title(snake(name), draw) if draw.random() < 0.4 else phrasing.capital(draw.choice(task.wordings))
        return plain_english(asked, [], list(task.imports), code, draw)
    if task.wordings and draw.random() < 0.4:
        command = phrasing.vary(draw.choice(task.wordings), draw)
        for noun in ("class", "dataclass", "function"):
            if f"write a {noun} " in command and draw.random() < 0.4:
                command = command.replace(
                    f"write a {noun} ", f"write a {noun} {draw.choice(('', 'called ', 'named '))}{name} ", 1
                )
        lines = phrasing.wrap(phrasing.capital(command) + draw.choice((".", ".", "")), 90)
        if draw.random() < 0.65:
            text = "\n".join("# " + line for line in lines) + "\n" + code
        else:
            text = "\n".join(lines) + "\n\n" + code
    return assemble(list(task.imports), text, draw)


def snake(name: str) -> str:
    """`LinkedList` -> `linked_list`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
