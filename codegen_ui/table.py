"""Tables whose rows are fields of frozen dataclasses: kind, limits, default, neutral value, label, help in one place.

    @dataclass(frozen=True, kw_only=True)
    class EngineOptions(Checked):
        slots: int | None = row(None, Integer(1, 256), "streams decoded together", unset="chosen by free memory")

The class is what the code reads, typed (`options.slots`), and every value of it has been checked; `rows(EngineOptions)`
is what the command line, the page, the schema and the READMEs are made from.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from codegen_ui.errors import InvalidInput
from codegen_ui.kinds import Kind

KEY = "row"


@dataclass(frozen=True)
class Row:
    """One value that can be chosen.

    Attributes:
        name: as the library, the API, the page and the command line call it.
        kind: what is allowed.
        default: in its own type; where it is None, None is allowed too; `MISSING` where a value must be given.
        help: a sentence without its capital, full stop and default, which are added where they are wanted.
        unset: what happens by default, in words, where the default itself does not say it.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    unset: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.help[0].upper()}{self.help[1:]}."

    @property
    def default_text(self) -> str:
        return self.unset or ("none" if self.default is None else self.kind.show(self.default) or "none")

    def check(self, value: Any) -> Any:
        """The value in its own type. Raises `InvalidInput`."""
        if value is self.default or (value is None and self.default is None):
            return self.default
        return self.kind.check(self.name, value)


@dataclass(frozen=True)
class Option(Row):
    """What an operator chooses.

    Attributes:
        metavar: what stands for the value in `--help`, where the kind's own says too little.
        only: "local" or "remote" for an option of one kind of engine alone.
    """

    metavar: str = ""
    only: str = ""

    @property
    def shown(self) -> str:
        """What stands for the value in `--help`."""
        return self.metavar or self.kind.metavar


@dataclass(frozen=True)
class Setting(Row):
    """What a visitor chooses for one generation.

    Attributes:
        neutral: the value that leaves the model as it is: the API's default, as OpenAI's are, and what the page shows
            where a backend cannot honour the setting. The page has its own default.
        origin: who named it: "openai", "vllm", or "ours"; a backend is sent what its kind knows.
        label: a few words for its widget; "" is a field of requests alone.
        short: a few letters for the table of runs.
        slider: lowest value, highest value and step of a slider, where its limits are wider than anybody would slide.
    """

    neutral: Any = None
    origin: str = "ours"
    label: str = ""
    short: str = ""
    slider: tuple[float, float, float] | None = None


SomeRow = TypeVar("SomeRow", bound=Row)


def row(default: Any, kind: Kind, help: str, **about: Any) -> Any:
    """A dataclass field that is an `Option`, whose other attributes `about` has."""
    return field(default=default, metadata={KEY: (Option, {"kind": kind, "help": help, **about})})


def setting(default: Any, kind: Kind, help: str, **about: Any) -> Any:
    """A dataclass field that is a `Setting`, whose other attributes `about` has."""
    return field(default=default, metadata={KEY: (Setting, {"kind": kind, "help": help, **about})})


def rows(table: type, sort: type[SomeRow]) -> tuple[SomeRow, ...]:
    """The rows of a dataclass that are of this sort, in the order of its fields."""
    return tuple(one for one in all_rows(table) if isinstance(one, sort))


@functools.cache
def all_rows(table: type) -> tuple[Row, ...]:
    return tuple(found for found in map(row_of, fields(table)) if found is not None)


def row_of(one: Field[Any]) -> Row | None:
    """The row that a field is; None where it is none."""
    if KEY not in one.metadata:
        return None
    make, about = one.metadata[KEY]
    found: Row = make(name=one.name, default=one.default, **about)
    return found


@dataclass(frozen=True)
class Checked:
    """A dataclass that cannot be made with a value that its row does not allow: `InvalidInput` names the field."""

    def __post_init__(self) -> None:
        for one in rows(type(self), Row):
            object.__setattr__(self, one.name, one.check(getattr(self, one.name)))


def refuse_unknown(table: type, values: Mapping[str, object], *also: str) -> None:
    """Raises `InvalidInput` for a name that is neither a row nor one of `also`; `values` has the names as its keys."""
    known = [one.name for one in all_rows(table)] + list(also)
    for name, value in values.items():
        if name not in known:
            raise InvalidInput(name, value, f"left out: the options are {', '.join(known)}")
