"""The socket that the server listens on, and the address that a browser opens."""

from __future__ import annotations

import ipaddress
import socket

from codegen_ui.errors import InvalidInput
from codegen_ui.options import DEFAULT_PORT

PORTS_TO_TRY = 100
BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy keeps an idle connection to us (nginx: 60 s): a request that it sends into one that we are just
closing would be lost, since a POST is not sent again."""


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket on the port asked for, or on the first free one. Raises `InvalidInput`."""
    ports = [port] if port else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY)
    for one in ports:
        try:
            return listen(host, one)
        except socket.gaierror:
            raise InvalidInput("host", host, "an address of this machine, such as 127.0.0.1") from None
        except (OSError, OverflowError) as error:
            reason = error
    where = f"{port}" if port else f"{DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TO_TRY - 1}"
    raise InvalidInput("port", where, f"a port that is free on {host} ({reason})")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens from now on, so that the port is ours: two servers that start together may both bind a
    port, but only one of them can listen on it. Raises `OSError` and, for a port beyond 65535, `OverflowError`.

    It names TCP by its number: asyncio sends what is written on a connection at once only where it does
    (`TCP_NODELAY`). Else a browser's acknowledgement is waited for, up to 40 ms for a small file or a stream's piece.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
