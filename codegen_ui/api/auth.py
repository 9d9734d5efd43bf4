"""Bearer keys: who may use the API."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from codegen_ui.api.problems import Problem
from codegen_ui.errors import InvalidInput


def read_keys(path: Path | None) -> frozenset[str] | None:
    """The keys of a file, one a line; blank lines and lines that start with `#` do not count. None without a file.

    Raises `InvalidInput` where the file cannot be read, has no key, or has a key that no HTTP header can carry.
    """
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("api_key_file", str(path), f"a readable text file ({error})") from error
    keys = frozenset(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))
    if not keys:
        raise InvalidInput("api_key_file", str(path), "a file with at least one key")
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if key in keys and (not key.isascii() or not key.isprintable() or " " in key):
            limit = "keys of printable ASCII characters without spaces"
            raise InvalidInput("api_key_file", f"{path}, line {number}", limit)
    return keys


class Gate:
    """Lets a request in by its `Authorization` header."""

    def __init__(self, keys: Iterable[str] | None) -> None:
        """`keys`: None leaves the gate open."""
        self._digests = None if keys is None else [digest(key) for key in keys]

    def check(self, authorization: str | None) -> str:
        """A short name for whose key it is (no part of the key), empty when the gate is open.

        Raises `Problem` 401. Compares with every key in constant time, so that timing tells nothing about them.
        """
        if self._digests is None:
            return ""
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise refusal("You didn't provide an API key: send it as 'Authorization: Bearer KEY'.")
        offered = digest(given.strip())
        matches = [hmac.compare_digest(offered, known) for known in self._digests]
        if not any(matches):
            raise refusal("Incorrect API key provided.")
        return f"key-{offered.hex()[:12]}"


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def refusal(message: str) -> Problem:
    return Problem(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
