"""Write a line of an `--auth-file`: `python -m codegen_ui.door.users FILE NAME` asks for a password and keeps its hash.

A name that is in the file already gets a new password. From a pipe the password is the first line.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from argon2 import PasswordHasher

from codegen_ui.errors import InvalidInput, PlaygroundError

SHORTEST = 8


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print("usage: python -m codegen_ui.door.users FILE NAME", file=sys.stderr)
        return 2
    try:
        path, name = Path(arguments[0]), check_name(arguments[1])
        write_user(path, name, check_password(ask()))
    except (PlaygroundError, OSError) as error:
        print(f"users: {error}", file=sys.stderr)
        return 2
    print(f"{path}: {name} has a new password.")
    return 0


def ask() -> str:
    """The password, typed twice at a terminal."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise InvalidInput("password", "the second one", "the same as the first")
    return password


def check_name(name: str) -> str:
    """Raises `InvalidInput` for a name that a line of the file cannot hold."""
    if not name or not name.isprintable() or ":" in name or name != name.strip() or name.startswith("#"):
        raise InvalidInput("name", name, "printable, without a colon, not empty, not beginning with #")
    return name


def check_password(password: str) -> str:
    """Raises `InvalidInput`, which does not repeat it, for one that is too short."""
    if len(password) < SHORTEST:
        raise InvalidInput("password", f"{len(password)} characters", f"at least {SHORTEST} characters")
    return password


def write_user(path: Path, name: str, password: str) -> None:
    """Add or replace the user's line; the file is readable by its owner alone, and never half written."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    line = f"{name}:{PasswordHasher().hash(password)}"
    kept = [line if old.startswith(f"{name}:") else old for old in lines]
    text = "\n".join(kept if line in kept else [*kept, line]) + "\n"
    draft = path.with_name(f"{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
