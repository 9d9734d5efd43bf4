"""The socket that the server listens on, and the address that a browser opens."""

from __future__ import annotations

import ipaddress
import socket

from codegen_ui.errors import InvalidInput
from codegen_ui.options import DEFAULT_PORT

PORTS_TO_TRY = 100
BACKLOG = 2048


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket on the port asked for, or on the first free one. Raises `InvalidInput`.

    It listens from now on, so that the port is ours: two servers that start together may both bind a port, but only one
    of them can listen on it.
    """
    ports = [port] if port else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for one in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, one))
            listener.listen(BACKLOG)
            return listener
        except socket.gaierror:
            listener.close()
            raise InvalidInput("host", host, "an address of this machine, such as 127.0.0.1") from None
        except (OSError, OverflowError) as error:
            listener.close()
            reason = error
    where = f"{port}" if port else f"{DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TO_TRY - 1}"
    raise InvalidInput("port", where, f"a port that is free on {host} ({reason})")


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
