"""Clients that dawdle: who sends a header, a body, or takes an answer too slowly is cut off."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 15.0
BODY_SECONDS = 30.0
READ_SECONDS = 60.0
"""So long may a reader take nothing, with all buffers on the way to it full."""
PER_ADDRESS = 256
"""Connections of one address at a time. A browser opens six; proxies are not counted."""


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP protocol, whose own patience ends only between two requests."""

    unlimited: frozenset[str] = frozenset()
    """Addresses that may open any number of connections."""
    _open: Counter[str] = Counter()  # noqa: RUF012 -- one count for all connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._sending: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._awaited = ""
        self._address = self.client[0] if self.client else ""
        self._open[self._address] += 1
        if self._open[self._address] > PER_ADDRESS and self._address not in self.unlimited:
            transport.abort()
            return
        self._watch_sender()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._open[self._address] -= 1
        if not self._open[self._address]:
            del self._open[self._address]
        for timer in (self._sending, self._reading):
            if timer is not None:
                timer.cancel()
        # Where it was reset uvicorn forgets to, and the timer keeps it and its last request until it has run out.
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_sender()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()

    def _watch_sender(self) -> None:
        """Begin to wait for a header or for a body, or end it. Every byte of one counts on the same clock."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            awaited, seconds = "header", HEADER_SECONDS
        elif cycle.more_body:
            awaited, seconds = "body", BODY_SECONDS
        else:
            awaited, seconds = "", 0.0
        if awaited == self._awaited:
            return
        self._awaited = awaited
        if self._sending is not None:
            self._sending.cancel()
        self._sending = self.loop.call_later(seconds, self.transport.abort) if awaited else None
