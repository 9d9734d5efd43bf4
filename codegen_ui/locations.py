"""The kinds of an option that says where: networks, a path below a proxy, folders and files of this machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from codegen_ui.errors import InvalidInput
from codegen_ui.kinds import Kind, Texts


@dataclass(frozen=True)
class Networks(Texts):
    """Addresses, or networks of them with the bits that they share (10.0.0.0/8)."""

    metavar: ClassVar[str] = "ADDRESS"

    @property
    def limit(self) -> str:
        return "addresses or networks such as 10.0.0.0/8"

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

    @property
    def limit(self) -> str:
        return "a path that begins with /"

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or (value.rstrip("/") and not value.startswith("/")):
            raise InvalidInput(name, value, self.limit)
        return value.rstrip("/")


@dataclass(frozen=True)
class Folder(Kind):
    """A folder that is there."""

    metavar: ClassVar[str] = "FOLDER"

    @property
    def limit(self) -> str:
        return "a folder that exists"

    def check(self, name: str, value: Any) -> Path:
        if not isinstance(value, str | Path) or not Path(value).is_dir():
            raise InvalidInput(name, value, self.limit)
        return Path(value)


@dataclass(frozen=True)
class File(Kind):
    """A file that is there."""

    metavar: ClassVar[str] = "FILE"

    @property
    def limit(self) -> str:
        return "a file that exists"

    def check(self, name: str, value: Any) -> Path:
        if not isinstance(value, str | Path) or not Path(value).is_file():
            raise InvalidInput(name, value, self.limit)
        return Path(value)
