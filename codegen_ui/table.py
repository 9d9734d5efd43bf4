"""Tables whose rows are fields of frozen dataclasses: kind, limits, default, neutral value, label, help in one place.

    @dataclass(frozen=True, kw_only=True)
    class EngineOptions(Checked):
        slots: int | None = row(None, Integer(1, 256), "Streams decoded together.", unset="chosen by free memory")

The class is what the code reads, typed (`options.slots`), and every value of it has been checked; `rows(EngineOptions)`
is what the command line, the page, the schema and the READMEs are made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from codegen_ui.errors import InvalidInput
from codegen_ui.kinds import Kind

KEY = "row"


@dataclass(frozen=True)
class Row:
    """One setting or option.

    Attributes:
        name: as the library, the API, the page and the command line call it.
        kind: what is allowed.
        default: in its own type; where it is None, None is allowed too.
        help: a sentence without its full stop and default, which are added where they are wanted.
        unset: what happens by default, in words, where the default itself does not say it.
        label: a few words for a widget; settings alone have one.
        neutral: the value that changes nothing, for a backend that cannot honour the setting; None where there is none.
        metavar: what stands for the value in `--help`, where the kind's own says too little.
        only: "local" or "remote" for an option of one kind of engine alone.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    unset: str = ""
    label: str = ""
    neutral: Any = None
    metavar: str = ""
    only: str = ""

    def check(self, value: Any) -> Any:
        """The value in its own type. Raises `InvalidInput`."""
        if value is self.default or (value is None and self.default is None):
            return self.default
        return self.kind.check(self.name, value)

    @property
    def shown(self) -> str:
        """What stands for the value in `--help`."""
        return self.metavar or self.kind.metavar

    @property
    def default_text(self) -> str:
        return self.unset or self.kind.show(self.default)


def row(default: Any, kind: Kind, help: str, **about: Any) -> Any:
    """A dataclass field that is a row of a table; `about` has the other attributes of `Row`."""
    return field(default=default, metadata={KEY: {"kind": kind, "help": help, **about}})


def rows(table: type) -> tuple[Row, ...]:
    """The rows of a dataclass, in the order of its fields; fields without a kind are none."""
    return tuple(
        Row(one.name, default=None if one.default is MISSING else one.default, **one.metadata[KEY])
        for one in fields(table)
        if KEY in one.metadata
    )


@dataclass(frozen=True)
class Checked:
    """A dataclass that cannot be made with a value that its row does not allow: `InvalidInput` names the field."""

    def __post_init__(self) -> None:
        for one in rows(type(self)):
            object.__setattr__(self, one.name, one.check(getattr(self, one.name)))


def refuse_unknown(table: type, values: Mapping[str, object], *also: str) -> None:
    """Raises `InvalidInput` for a name that is neither a row nor one of `also`; `values` has the names as its keys."""
    known = [one.name for one in rows(table)] + list(also)
    for name, value in values.items():
        if name not in known:
            raise InvalidInput(name, value, f"left out: the options are {', '.join(known)}")
