"""A network that can go away: a TCP proxy between a browser and a server of the test's own."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)


class Network:
    """Carries bytes both ways until it is `cut` (what is open is reset, nothing new comes through) or `frozen` (nothing
    is carried and nobody is told, as where a cable is out for a moment); `mend` ends either."""

    def __init__(self, address: str) -> None:
        host, _, port = urlsplit(address).netloc.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._away = False
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._away = True
            open_now = list(self._open)
        for one in open_now:
            hang_up(one)

    def freeze(self) -> None:
        self._flows.clear()

    def mend(self) -> None:
        self._away = False
        self._flows.set()

    def close(self) -> None:
        self._flows.set()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            if self._away:
                hang_up(near)
                continue
            try:
                far = socket.create_connection(self._server)
            except OSError:
                hang_up(near)
                continue
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._flows.wait()
                target.sendall(piece)
        with self._lock:
            self._open -= {source, target}
        for one in (source, target):
            hang_up(one)


def hang_up(one: socket.socket) -> None:
    """Reset a connection, as a network that is gone does sooner or later."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def network(address: str) -> Iterator[Network]:
    """A network to the server at `address`."""
    made = Network(address)
    try:
        yield made
    finally:
        made.close()
