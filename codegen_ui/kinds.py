"""What a value may be: its limits, the words that tell them, and its reading from the text of an option.

A kind knows neither widgets nor JSON schemas nor command lines; those are made from its fields where they are shown.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from codegen_ui.errors import InvalidInput

SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Kind:
    """A sort of value.

    Attributes:
        metavar: what stands for a value in `--help`.
        several: whether its option may be repeated, a value each time.
    """

    metavar: ClassVar[str] = "TEXT"
    several: ClassVar[bool] = False

    @property
    def limit(self) -> str:
        """What is allowed, in words that fit after "it must be"."""
        raise NotImplementedError

    def check(self, name: str, value: Any) -> Any:
        """The value in its own type. Raises `InvalidInput` with this name."""
        raise NotImplementedError

    def parse(self, name: str, text: str) -> Any:
        """The value that a text stands for. Raises `InvalidInput` with this name."""
        return self.check(name, text)

    def show(self, value: Any) -> str:
        """The text that stands for a value; `parse` gives the value back."""
        return str(value)


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number within its bounds; whole floats (a slider's 512.0) count."""

    metavar: ClassVar[str] = "N"
    low: int
    high: int

    @property
    def limit(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def check(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(name, value, self.limit)
        # The bounds first: they refuse NaN and infinity, of which there is no integer.
        if not self.low <= value <= self.high or value != int(value):
            raise InvalidInput(name, value, self.limit)
        return int(value)

    def parse(self, name: str, text: str) -> int:
        return self.check(name, number_in(text))


@dataclass(frozen=True)
class Number(Kind):
    """A finite number within its bounds; an open bound is itself excluded."""

    metavar: ClassVar[str] = "N"
    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    @property
    def limit(self) -> str:
        low, high = "above" if self.open_low else "from", "and below" if self.open_high else "to"
        return f"a number {low} {self.low:g} {high} {self.high:g}"

    def check(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(name, value, self.limit)
        # Written so that NaN, which compares with nothing, is refused.
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        if not (above and below):
            raise InvalidInput(name, value, self.limit)
        return float(value)

    def parse(self, name: str, text: str) -> float:
        return self.check(name, number_in(text))

    def show(self, value: Any) -> str:
        return f"{value:g}"


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words, or a member of an enumeration of words; labels are what a page calls them."""

    metavar: ClassVar[str] = "NAME"
    names: tuple[str, ...] | type[enum.Enum]
    labels: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        return self.names if isinstance(self.names, tuple) else tuple(member.value for member in self.names)

    @property
    def limit(self) -> str:
        return f"one of {', '.join(self.words)}"

    def check(self, name: str, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.words:
            raise InvalidInput(name, value, self.limit)
        return value if isinstance(self.names, tuple) else self.names(value)

    def show(self, value: Any) -> str:
        return str(value.value if isinstance(value, enum.Enum) else value)


@dataclass(frozen=True)
class Switch(Kind):
    """On or off; `--name` and `--no-name` on the command line."""

    limit: ClassVar[str] = "True or False"

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise InvalidInput(name, value, self.limit)
        return value

    def parse(self, name: str, text: str) -> bool:
        if text.lower() not in SWITCH:
            raise InvalidInput(name, text, "on or off")
        return SWITCH[text.lower()]

    def show(self, value: Any) -> str:
        return "on" if value else "off"


@dataclass(frozen=True)
class Text(Kind):
    """One text that is not blank, without the space around it."""

    metavar: ClassVar[str] = "NAME"
    limit: ClassVar[str] = "a text that is not empty"

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput(name, value, self.limit)
        return value.strip()


@dataclass(frozen=True)
class Texts(Kind):
    """Several such texts: the option repeated, or separated by commas in the environment."""

    metavar: ClassVar[str] = "NAME"
    several: ClassVar[bool] = True
    limit: ClassVar[str] = f"a list, each {Text().limit}"

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise InvalidInput(name, value, self.limit)
        return tuple(Text().check(name, item) for item in value)

    def parse(self, name: str, text: str) -> tuple[str, ...]:
        return self.check(name, text.split(","))

    def show(self, value: Any) -> str:
        return ",".join(value)


@dataclass(frozen=True)
class Networks(Texts):
    """Addresses, or networks of them with the bits that they share (10.0.0.0/8)."""

    metavar: ClassVar[str] = "ADDRESS"
    limit: ClassVar[str] = "addresses or networks such as 10.0.0.0/8"

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        found = super().check(name, value)
        for one in found:
            try:
                ipaddress.ip_network(one, strict=False)
            except ValueError:
                raise InvalidInput(name, one, self.limit) from None
        return found


@dataclass(frozen=True)
class PathPrefix(Kind):
    """The beginning of every address below a reverse proxy; empty is none, a slash at its end is dropped."""

    metavar: ClassVar[str] = "PATH"
    limit: ClassVar[str] = "a path that begins with /"

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or (value.rstrip("/") and not value.startswith("/")):
            raise InvalidInput(name, value, self.limit)
        return value.rstrip("/")


@dataclass(frozen=True)
class Folder(Kind):
    """A folder that is there."""

    metavar: ClassVar[str] = "FOLDER"
    limit: ClassVar[str] = "a folder that exists"

    def check(self, name: str, value: Any) -> Path:
        if not isinstance(value, str | Path) or not Path(value).is_dir():
            raise InvalidInput(name, value, self.limit)
        return Path(value)


@dataclass(frozen=True)
class File(Kind):
    """A file that is there."""

    metavar: ClassVar[str] = "FILE"
    limit: ClassVar[str] = "a file that exists"

    def check(self, name: str, value: Any) -> Path:
        if not isinstance(value, str | Path) or not Path(value).is_file():
            raise InvalidInput(name, value, self.limit)
        return Path(value)


def number_in(text: str) -> int | float | str:
    """The number that a text stands for; the text itself where it is none, which every check of numbers refuses."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
