"""Example prompts as TOML files: an operator drops one into a folder and it is on the page.

    title = "Binary search"
    description = "Finds a value in a sorted list."
    group = "Functions"
    prompt = '''
    def binary_search(values, target):
    '''

    checks = ["binary_search([1, 3, 5], 5) == 2"]

    [settings]
    temperature = 0
    stop_at = "function"

`group` is optional: examples of the same group stand together under its name. So are `checks`: lines of Python that
must be true of the completed program (`ui.views.check_runner`); they run in the visitor's browser only. So is
`settings`: its fields are those of `GenerationRequest`, and what it leaves out has the request's default.
Examples are shown in the order of their file names.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError
from tomlkit.items import AoT, Table

from codegen_ui.errors import InvalidInput
from codegen_ui.request import GenerationRequest, page_settings

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 1_000_000
MAX_TITLE = 80
MAX_DESCRIPTION = 300
MAX_GROUP = 40
MAX_CHECKS = 20
MAX_CHECK = 300
FIELDS = ("title", "description", "group", "prompt", "checks", "settings")
SETTINGS = tuple(one.name for one in page_settings())
"""What an example may set."""


@dataclass(frozen=True)
class Example:
    """A prompt worth clicking. Construction raises `InvalidInput`, naming the field, for anything out of range.

    Attributes:
        title: one line, short enough for a button.
        description: one line on what it shows.
        settings: values for `GenerationRequest` by its field names; only `SETTINGS`.
        group: heading that it stands under, with others of the same one; "" is none.
        checks: lines of Python that must be true of the completed program.
    """

    title: str
    description: str
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    checks: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_line("title", self.title, MAX_TITLE)
        _check_line("description", self.description, MAX_DESCRIPTION)
        if self.group != "":
            _check_line("group", self.group, MAX_GROUP)
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise InvalidInput("prompt", self.prompt, "text that is not blank")
        if not isinstance(self.settings, Mapping):
            raise InvalidInput("settings", self.settings, "a table")
        for name in self.settings:
            if name not in SETTINGS:
                raise InvalidInput("settings", name, f"one of {', '.join(SETTINGS)}")
        _check_checks(self.checks)
        GenerationRequest(self.prompt, **self.settings)


def _check_checks(checks: object) -> None:
    if isinstance(checks, str) or not isinstance(checks, Sequence) or len(checks) > MAX_CHECKS:
        raise InvalidInput("checks", checks, f"a list of at most {MAX_CHECKS} lines")
    for check in checks:
        _check_line("checks", check, MAX_CHECK)


def _check_line(name: str, value: object, most: int) -> None:
    good = isinstance(value, str) and value.strip() and len(value) <= most and value.isprintable()
    if not good:
        raise InvalidInput(name, value, f"one line of 1 to {most} characters")


def grouped(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The examples of each group, groups and examples in the order in which they first come."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    return groups


class BadExample(Exception):
    """A file that is no example. `line` counts from 1, or is 0 where the file as a whole is at fault."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        super().__init__(reason)


def load_gallery(folder: Path) -> tuple[Example, ...]:
    """The examples of a folder's `*.toml` files, by file name. A bad file is logged, with its line, and skipped."""
    if not folder.is_dir():
        logger.warning("%s is no folder: the page has no examples", folder)
        return ()
    examples = []
    for path in sorted(folder.glob("*.toml")):
        try:
            examples.append(read_example(path))
        except BadExample as error:
            place = f"{path}:{error.line}" if error.line else str(path)
            logger.error("%s: %s Skipped.", place, error)
    return tuple(examples)


def read_example(path: Path) -> Example:
    """Read one file. Raises `BadExample`."""
    try:
        if not path.is_file():
            raise BadExample(0, "this is no file.")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadExample(0, f"cannot be read: {error.strerror}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise BadExample(0, f"is larger than {MAX_FILE_BYTES:,} bytes.")
    try:
        return parse_example(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadExample(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8.") from error


def parse_example(text: str) -> Example:
    """An example from its TOML. Raises `BadExample` with the line at fault."""
    try:
        values = tomlkit.parse(text).unwrap()
    except ParseError as error:
        raise BadExample(error.line, f"{_sentence(error)}.") from error
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise BadExample(1, f"not readable as TOML: {_sentence(error)}.") from error
    for name in values:
        if name not in FIELDS:
            raise BadExample(
                find_line(text, name), f"{name!r} is no field of an example; those are {', '.join(FIELDS)}."
            )
    for name in ("title", "description", "prompt"):
        if name not in values:
            raise BadExample(1, f"{name!r} is missing.")
    try:
        return Example(**values)
    except InvalidInput as error:
        raise BadExample(_line_of(text, values, error), str(error)) from error


def _sentence(error: Exception) -> str:
    """tomlkit's message without its place, which is said before it."""
    return re.sub(r" at (line \d+ col \d+|end of file)$", "", str(error)) or type(error).__name__


def _line_of(text: str, values: Mapping[str, Any], error: InvalidInput) -> int:
    """The line of the field that was refused; for an unknown setting, that setting's own."""
    if error.field in SETTINGS:
        return find_line(text, error.field, "settings")
    settings = values.get("settings")
    if error.field == "settings" and isinstance(settings, Mapping):
        unknown = next((name for name in settings if name not in SETTINGS), "")
        return find_line(text, unknown, "settings") if unknown else find_line(text, "settings")
    return find_line(text, error.field)


def find_line(text: str, key: str, table: str = "") -> int:
    """The line (from 1) where a valid TOML text assigns a key in a table, or opens the table of that name.

    tomlkit tells no lines, but it writes a document as it was read: the line is where a mark put at the key comes out.
    """
    document: Any = tomlkit.parse(text)
    mark = uuid.uuid4().hex
    holder = document[table] if table else document
    found = holder[key]
    if isinstance(found, AoT | Table):
        (found[0] if isinstance(found, AoT) else found).comment(mark)
    else:
        holder[key] = mark
    return tomlkit.dumps(document).partition(mark)[0].count("\n") + 1


def dump_example(example: Example) -> str:
    """The TOML of an example, prompt as readable as TOML allows; `parse_example` gives the same example back."""
    document = tomlkit.document()
    document["title"] = example.title
    document["description"] = example.description
    if example.group:
        document["group"] = example.group
    document["prompt"] = _multiline(example.prompt)
    if example.checks:
        document["checks"] = _lines(example.checks)
    if example.settings:
        settings = tomlkit.table()
        for name in SETTINGS:
            if name in example.settings:
                value = example.settings[name]
                settings[name] = list(value) if isinstance(value, tuple) else value
        document["settings"] = settings
    return tomlkit.dumps(document)


def _lines(checks: Sequence[str]) -> tomlkit.items.Array:
    array = tomlkit.array().multiline(True)
    array.extend(checks)
    return array


def _multiline(prompt: str) -> tomlkit.items.String:
    """A literal block (its first line break is no part of it) where the prompt fits into one, else escapes."""
    readable = all(character.isprintable() or character in "\n\t" for character in prompt)
    if readable and "'''" not in prompt and not prompt.endswith("'"):
        return tomlkit.string("\n" + prompt, literal=True, multiline=True)
    return tomlkit.string(prompt)
