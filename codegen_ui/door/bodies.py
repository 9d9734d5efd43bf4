"""What requests carry: one limit for every body, whatever the route, and what surrounds the values that the page sends.

The latter is checked here, since Gradio answers a wrong one with a 500; the values themselves are the page's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from codegen_ui.collector import uncollected
from codegen_ui.door.answers import Refusal, header

MAX_BODY_BYTES = 1024 * 1024
"""Enough for the longest prompt allowed in any script. Reading JSON holds the event loop: a body of this size costs at
most some 20 ms of it."""
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)
MOST_BRACKETS = 210_000
MOST_VALUES = 5_000
"""Of the lists and objects in a body; each costs time wherever it is copied."""
CALLS = re.compile(r"/gradio_api/(queue/join|run/predict/?)")
GENERATE = re.compile(r"/gradio_api/call/generate/?")
EVENTS = re.compile(r"/gradio_api/(cancel|reset/?)")


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


class Envelopes:
    """Reads bodies of the page's routes.

    Args:
        handlers: how many values each handler takes, by Gradio's number for it; those with a function here alone.
        generate: how many `/generate` takes.
    """

    def __init__(self, handlers: Mapping[int, int], generate: int) -> None:
        self._handlers = handlers
        self._generate = generate

    def holds(self, path: str) -> bool:
        """Whether a body sent there is to be checked."""
        return any(route.fullmatch(path) for route in (CALLS, GENERATE, EVENTS))

    def open(self, path: str, raw: bytes) -> bytes:
        """The body with what the page's own script sends in it, and nothing else. Raises `Refusal` 400."""
        try:
            if raw.count(b"[") + raw.count(b"{") > MOST_BRACKETS:
                raise ValueError("there are more brackets in it than a prompt may have characters")
            with uncollected():
                body = orjson.loads(raw)
            if not isinstance(body, dict):
                raise ValueError("an object is expected")
            if GENERATE.fullmatch(path):
                kept: dict[str, Any] = {"data": values(body, self._generate)}
            elif EVENTS.fullmatch(path):
                kept = {name: word(body, name) for name in ("session_hash", "event_id")}
                kept["fn_index"] = number(body, "fn_index", 0)
            else:
                function = number(body, "fn_index")
                if function not in self._handlers:
                    raise ValueError("fn_index is none of the page's")
                kept = {
                    "data": values(body, self._handlers[function]),
                    "fn_index": function,
                    "session_hash": word(body, "session_hash"),
                    "trigger_id": number(body, "trigger_id", 0),
                    "event_data": about(body),
                }
            if more_than(MOST_VALUES, kept):
                raise ValueError(f"there are more than {MOST_VALUES:,} values in it")
            return orjson.dumps(kept)
        except ValueError as error:
            reason = str(error)[:100]
            raise Refusal(400, f"The body is not what the page sends: {reason}.", "invalid_body") from None


def with_blame(send: Send) -> Send:
    """The request's `send`, telling whose fault an error is: Gradio says 500 as well where a handler refused a value.

    It gives its reason then; of a fault of ours it gives none.
    """
    begun: Message | None = None

    async def sending(message: Message) -> None:
        nonlocal begun
        if message["type"] == "http.response.start" and message["status"] == 500:
            begun = message
            return
        if begun is not None:
            refused = b'"error":null' not in message.get("body", b"").replace(b" ", b"")
            await send({**begun, "status": 400 if refused else 500})
            begun = None
        await send(message)

    return sending


def values(body: Mapping[str, Any], count: int) -> list[Any]:
    found = body.get("data")
    if not isinstance(found, list) or len(found) != count:
        raise ValueError(f"data must be a list of {count} values")
    return found


def word(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not SESSION.fullmatch(found):
        raise ValueError(f"{name} must be a word of at most 64 letters and digits")
    return found


def about(body: Mapping[str, Any]) -> dict[str, Any]:
    """What an event tells of itself, where that is more than the new value of its widget."""
    found = body.get("event_data")
    return found if isinstance(found, dict) else {}


def number(body: Mapping[str, Any], name: str, default: int | None = None) -> int:
    found = body.get(name)
    if found is None and default is not None:
        return default
    if isinstance(found, bool) or not isinstance(found, int):
        raise ValueError(f"{name} must be a whole number")
    return found


def more_than(most: int, value: Any) -> bool:
    """Whether there are so many values within a value."""
    waiting, count = [value], 0
    while waiting and count <= most:
        one = waiting.pop()
        inner = one if isinstance(one, list) else one.values() if isinstance(one, dict) else ()
        count += len(inner)
        if count <= most:
            waiting.extend(inner)
    return count > most
