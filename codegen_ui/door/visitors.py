"""Who asks, as far as that cannot be made up, and how often they may.

A visitor is the connection's address, or the one that a trusted proxy forwards. Requests are counted by the library
`limits` (a sliding window, in memory).
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from codegen_ui.door.answers import Refusal

logger = logging.getLogger(__name__)

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-gradio-server", b"forwarded")
IPV6_PREFIX = 64
"""Of an IPv6 address a single customer has so many bits at least: whoever counts addresses must count networks."""


class Proxies:
    """ASGI middleware: takes the visitor's address from a trusted proxy's headers, and drops them from anybody else.

    Args:
        trusted: addresses and networks, such as `10.0.0.0/8`.
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[str]) -> None:
        self.app = app
        names = list(trusted)
        self._networks = [ipaddress.ip_network(name, strict=False) for name in names]
        self._forwarded = ProxyHeadersMiddleware(app, names)  # type: ignore[arg-type]
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self._trusts(scope):
            await self._forwarded(scope, receive, send)  # type: ignore[arg-type]
        else:
            kept = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
            if len(kept) < len(scope["headers"]):
                self._warn(scope)
            await self.app({**scope, "headers": kept}, receive, send)

    def _trusts(self, scope: Scope) -> bool:
        try:
            address = ipaddress.ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _warn(self, scope: Scope) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s forwards requests but is not among --trusted-proxies: all whom it forwards count as one visitor",
                visitor_of(scope),
            )


def visitor_of(scope: Mapping[str, Any]) -> str:
    """The visitor behind a request, by the address in its ASGI scope; empty where there is none (a Unix socket)."""
    client = scope.get("client")
    return visitor_name(client[0]) if client else ""


def visitor_name(address: str) -> str:
    """An address as what visitors are told apart by: IPv6 by its network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))


class Rate:
    """At most `per_minute` hits of one name; 0 is no limit."""

    def __init__(self, per_minute: int, what: str = "requests") -> None:
        self._what = what
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage()) if per_minute else None

    def hit(self, visitor: str) -> None:
        """Count one. Raises `Refusal` 429 with `Retry-After` beyond the limit."""
        if self._limiter is not None and self._item is not None and not self._limiter.hit(self._item, visitor):
            raise self._refusal(visitor)

    def check(self, visitor: str) -> None:
        """The same without counting."""
        if self._limiter is not None and self._item is not None and not self._limiter.test(self._item, visitor):
            raise self._refusal(visitor)

    def _refusal(self, visitor: str) -> Refusal:
        assert self._limiter is not None
        assert self._item is not None
        wait = max(1, math.ceil(self._limiter.get_window_stats(self._item, visitor).reset_time - time.time()))
        message = f"More than {self._item.amount:,} {self._what} a minute; please wait {wait} s."
        return Refusal(429, message, "rate_limit_exceeded", {"Retry-After": str(wait)})
