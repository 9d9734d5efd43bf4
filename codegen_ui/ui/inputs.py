"""From what the widgets hold to a `GenerationRequest`, and from a refused value back to its field."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen_ui.errors import InvalidInput
from codegen_ui.kinds import Integer
from codegen_ui.request import GenerationRequest, page_settings
from codegen_ui.table import Setting
from codegen_ui.texts import StopStrings

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


@dataclass(frozen=True, init=False)
class Inputs:
    """The editor and the settings as the browser sends them: `Inputs("def f():", temperature=0, stop="\\n\\n")`.

    Nothing here is trusted: numbers may be missing or out of range, and what is typed is text.
    """

    prompt: str
    settings: Mapping[str, Any]

    def __init__(self, prompt: str = "", /, **settings: Any) -> None:
        """Settings that are not given hold what their widgets begin with."""
        object.__setattr__(self, "prompt", prompt)
        object.__setattr__(self, "settings", {**DEFAULTS, **settings})

    @classmethod
    def of(cls, prompt: str, *values: Any) -> Inputs:
        """From the values of the widgets, in the order of the page's settings."""
        return cls(prompt, **dict(zip(DEFAULTS, values, strict=True)))

    def but(self, **settings: Any) -> Inputs:
        """The same with other values of some settings."""
        return Inputs(self.prompt, **{**self.settings, **settings})

    def values(self) -> list[Any]:
        """For the widgets: the prompt, then the settings in their order."""
        return [self.prompt, *self.settings.values()]


def is_typed(one: Setting) -> bool:
    """Whether a setting has a text field, which may be left empty; other widgets always hold a value."""
    return one.default is None


def shown(one: Setting, value: Any) -> Any:
    """What a setting's widget holds for a value of it."""
    if isinstance(one.kind, StopStrings):
        several = isinstance(value, Sequence) and not isinstance(value, str)
        return "\n".join(escape(str(string)) for string in (value if several else [value]))
    if is_typed(one):
        return "" if value is None else one.kind.show(value)
    return plain(value)


def plain(value: Any) -> Any:
    """A setting's value as JSON and TOML have it."""
    return value.value if isinstance(value, enum.Enum) else list(value) if isinstance(value, tuple) else value


def meant(one: Setting, held: Any) -> Any:
    """The value that a widget's content stands for, as far as it can be one. Raises `InvalidInput`."""
    if isinstance(one.kind, StopStrings):
        return parse_stop(held)
    return parse_typed(one, held) if is_typed(one) else held


DEFAULTS = {one.name: shown(one, one.default) for one in page_settings()}
"""What the widgets begin with, in the order of the page."""


def to_request(
    inputs: Inputs, visitor: str = "", table: type[GenerationRequest] = GenerationRequest
) -> GenerationRequest:
    """Raises `InvalidInput`, naming the field."""
    settings = {one.name: meant(one, inputs.settings[one.name]) for one in page_settings(table)}
    return table(inputs.prompt, visitor=visitor, **settings)


def parse_typed(one: Setting, text: str | None) -> Any:
    """None for an empty field or the word that it shows then ('random'). Raises `InvalidInput`."""
    typed = (text or "").strip()
    if typed.lower() in ("", one.unset):
        return None
    try:
        # Digits alone: Python would read '1_000' and Arabic digits too.
        if isinstance(one.kind, Integer) and not re.fullmatch(r"[0-9]+", typed):
            raise InvalidInput(one.name, typed, one.kind.limit)
        return one.kind.parse(one.name, typed)
    except InvalidInput as error:
        empty = f"empty, '{one.unset}'" if one.unset else "empty"
        raise InvalidInput(one.name, typed, f"{empty}, or {error.limit}") from None


def parse_stop(text: str | None) -> tuple[str, ...]:
    """One stop string a line; ``\\n``, ``\\t``, ``\\r`` and ``\\\\`` are escapes, empty lines are ignored."""
    return tuple(unescape(line) for line in (text or "").split("\n") if line)


def unescape(line: str) -> str:
    return re.sub(r"\\([ntr\\])", lambda match: ESCAPES[match.group(1)], line)


def escape(string: str) -> str:
    """The line of the stop field that stands for a string; undone by `unescape`."""
    return string.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def from_settings(prompt: str, settings: Mapping[str, Any]) -> Inputs:
    """Inputs for an example: its settings over the defaults, so that a click always means the same run."""
    known = [one for one in page_settings() if one.name in settings]
    return Inputs(prompt, **{one.name: shown(one, settings[one.name]) for one in known})


def to_settings(inputs: Inputs) -> dict[str, Any]:
    """An example's settings: what differs from the defaults. Raises `InvalidInput` for values that would be refused."""
    request = to_request(inputs)
    settings: dict[str, Any] = {}
    for one in page_settings():
        value = getattr(request, one.name)
        if value != one.default:
            settings[one.name] = plain(value)
    return settings
