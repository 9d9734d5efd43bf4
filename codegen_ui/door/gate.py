"""Who may come in: users with passwords, programs with keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from codegen_ui.door.answers import Refusal
from codegen_ui.door.visitors import Rate
from codegen_ui.errors import InvalidInput

FAILURES_A_MINUTE = 10
CHECKS_AT_ONCE = 2
"""A password's check takes 64 MiB and some 50 ms by design."""
REMEMBERED = 1024
REALM = 'Basic realm="CodeGen Playground", charset="UTF-8"'


class Gate:
    """Lets a request in by its `Authorization` header; open where there are neither keys nor users.

    A key comes as `Bearer KEY`, or, from a browser, as the password of any user name; a user's password as `Basic`.

    Args:
        keys: those of `--api-key-file`, or None.
        users: Argon2 hashes by name, those of `--auth-file`, or None.
    """

    def __init__(self, keys: Iterable[str] | None = None, users: Mapping[str, str] | None = None) -> None:
        self._keys = None if keys is None else [digest(key) for key in keys]
        self._users = users
        self._hasher = PasswordHasher()
        self._nobody = "" if users is None else self._hasher.hash(secrets.token_hex())
        self._failures = Rate(FAILURES_A_MINUTE, "wrong passwords or keys")
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, str] = OrderedDict()

    @property
    def has_keys(self) -> bool:
        return self._keys is not None

    @property
    def has_users(self) -> bool:
        return self._users is not None

    @property
    def closed(self) -> bool:
        return self.has_keys or self.has_users

    async def admit(self, authorization: str | None, visitor: str, *, browser: bool = False) -> str:
        """Whose key it is, by a short name that is no part of the key; empty for a user and where the gate is open.

        Raises `Refusal` 401, or 429 after many wrong tries from `visitor`. `browser`: let one ask for a password.
        """
        if not self.closed:
            return ""
        scheme, _, given = (authorization or "").strip().partition(" ")
        given = given.strip()
        if not given or scheme.lower() not in ("bearer", "basic"):
            raise self._refusal(self._how(), browser)
        self._failures.check(visitor)
        if scheme.lower() == "bearer":
            name = self._key_name(given)
        else:
            name = await self._user_name(given)
        if name is None:
            self._failures.hit(visitor)
            wrong = "Incorrect API key provided." if self.has_keys else "Wrong user name or password."
            raise self._refusal(wrong, browser)
        return name

    def _key_name(self, key: str) -> str | None:
        """Compares with every key in constant time, so that timing tells nothing about them."""
        offered = digest(key)
        matches = [hmac.compare_digest(offered, known) for known in self._keys or ()]
        return f"key-{offered.hex()[:12]}" if any(matches) else None

    async def _user_name(self, given: str) -> str | None:
        """What `Basic` credentials are worth; a password is checked once and then remembered by a keyed digest."""
        mark = hmac.digest(self._secret, given.encode(), "sha256")
        if mark in self._known:
            self._known.move_to_end(mark)
            return self._known[mark]
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return None
        name = self._key_name(password)
        if name is None and self._users is not None:
            async with self._checks:
                right = await asyncio.to_thread(self._verifies, self._users.get(user), password)
            name = "" if right else None
        if name is not None:
            self._known[mark] = name
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return name

    def _verifies(self, known: str | None, password: str) -> bool:
        """An unknown user takes as long as a known one."""
        try:
            return self._hasher.verify(known or self._nobody, password) and known is not None
        except VerificationError:
            return False

    def _how(self) -> str:
        if self.has_keys and self.has_users:
            return (
                "Send an API key as 'Authorization: Bearer KEY', or a user name and password as Basic authentication."
            )
        if self.has_keys:
            return "You didn't provide an API key: send it as 'Authorization: Bearer KEY'."
        return "Send a user's name and password (Basic authentication)."

    def _refusal(self, message: str, browser: bool) -> Refusal:
        scheme = REALM if browser or not self.has_keys else "Bearer"
        return Refusal(401, message, "invalid_api_key", {"WWW-Authenticate": scheme})


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def read_keys(path: Path | None) -> frozenset[str] | None:
    """The keys of a file, one a line; blank lines and lines that start with `#` do not count. None without a file.

    Raises `InvalidInput` where the file cannot be read, has no key, or has a key that no HTTP header can carry.
    """
    if path is None:
        return None
    keys = set()
    for number, key in read_lines("api_key_file", path):
        if not key.isascii() or not key.isprintable() or " " in key:
            limit = "keys of printable ASCII characters without spaces"
            raise InvalidInput("api_key_file", f"{path}, line {number}", limit)
        keys.add(key)
    if not keys:
        raise InvalidInput("api_key_file", str(path), "a file with at least one key")
    return frozenset(keys)


def read_users(path: Path | None) -> dict[str, str] | None:
    """The users of a file of `name:hash` lines, as `python -m codegen_ui.door.users` writes them. None without a file.

    Raises `InvalidInput` where the file cannot be read, has no user, or has a line that is none.
    """
    if path is None:
        return None
    users: dict[str, str] = {}
    for number, line in read_lines("auth_file", path):
        name, _, known = line.partition(":")
        try:
            PasswordHasher().check_needs_rehash(known)
        except InvalidHashError:
            limit = "a name, a colon and an Argon2 hash, as python -m codegen_ui.door.users writes them"
            raise InvalidInput("auth_file", f"{path}, line {number}", limit) from None
        users[name] = known
    if not users:
        raise InvalidInput("auth_file", str(path), "a file with at least one user")
    return users


def read_lines(field: str, path: Path) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers. Raises `InvalidInput`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(field, str(path), f"a readable text file ({error})") from error
    stripped = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]
