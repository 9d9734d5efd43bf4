"""Which names this server answers to, and whose pages may post to it.

A page of another site can make its own name point at this machine (DNS rebinding); the browser then takes our answers
for that site's own. The name it asked for is in the Host header. An address is no such name, so addresses pass.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from starlette.types import Scope

from codegen_ui.door.answers import Refusal, header

READING = ("GET", "HEAD", "OPTIONS")


def known_hosts(listening: str) -> tuple[str, ...]:
    """The names that are this machine's by themselves: loopback's, its own, and the one it listens on."""
    own = socket.gethostname().lower()
    return ("localhost", "*.localhost", own, f"{own}.local", listening.lower())


class Hosts:
    """Checks the names in a request's headers against those allowed.

    Args:
        allowed: host names; `*.example.org` allows every name below it, `*` every name.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(name.lower().rstrip(".") for name in allowed)

    def check(self, scope: Scope) -> None:
        """Raises `Refusal` 421 for a foreign name, 403 for what a page of another site posts."""
        host = name_of(header(scope, b"host") or "")
        if not self._named(host) and not is_address(host):
            raise Refusal(
                421,
                f"This server does not answer to the name {host[:100]!r}; its operator can allow it with "
                "--allowed-hosts.",
                "unknown_host",
            )
        origin = header(scope, b"origin")
        if origin is None or scope["method"] in READING:
            return
        # No `is_address` here: the page of a hostile site can be at an address of its own.
        name = name_of(origin.partition("://")[2])
        if name != host and not self._named(name):
            raise Refusal(403, "A page of another site may not use this server.", "foreign_origin")

    def _named(self, name: str) -> bool:
        if "*" in self._allowed or name in self._allowed:
            return True
        return any(name.endswith(pattern[1:]) for pattern in self._allowed if pattern.startswith("*."))


def name_of(host: str) -> str:
    """The name in a Host header, without its port and in small letters."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
