"""One limit for every body, whatever the route."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from codegen_ui.door.answers import Refusal, header

MAX_BODY_BYTES = 1024 * 1024
"""Enough for the longest prompt allowed in any script. Reading JSON holds the event loop: a body of this size costs at
most some 20 ms of it."""


def bounded(scope: Scope, receive: Receive, limit: int = MAX_BODY_BYTES) -> Receive:
    """The request's `receive`, raising `Refusal` 413 once the body exceeds `limit` bytes.

    Where the length is told, before a byte is read; FastAPI's routes let such an exception through as their answer.
    """
    declared = header(scope, b"content-length") or ""
    received = int(declared) if declared.isdecimal() and len(declared) < 20 else 0

    async def reading() -> Message:
        nonlocal received
        if received > limit:
            raise Refusal(413, f"The body is larger than {limit:,} bytes.", "body_too_large")
        message = await receive()
        if not declared:
            received += len(message.get("body", b""))
            if received > limit:
                raise Refusal(413, f"The body is larger than {limit:,} bytes.", "body_too_large")
        return message

    return reading


async def read(receive: Receive) -> bytes:
    """A request's whole body. Raises `Refusal`, or `ClientDisconnect` where the client hangs up."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def with_body(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """The request as if this had been its body, as JSON."""
    described = (b"content-length", b"content-type", b"transfer-encoding", b"content-encoding")
    kept = [(name, value) for name, value in scope["headers"] if name not in described]
    mine = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return {**scope, "headers": [*kept, *mine]}, receiving
