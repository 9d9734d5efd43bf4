"""Calls an application without a server and without a thread: thousands of requests in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_from_bytes, unquote

SECONDS = 20.0
"""No request may take longer, not even on a machine that has other work."""


@dataclass(frozen=True)
class Answer:
    """A response; `status` is 0 where the application sent none before it ended."""

    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def alive(app: Any) -> AsyncIterator[None]:
    """The application's lifespan."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await told.put({"type": "lifespan.startup"})
    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, told.get, heard.put))
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await told.put({"type": "lifespan.shutdown"})
        await running


async def call(
    app: Any,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    body: bytes = b"",
    client: str = "192.0.2.7",
    stays: bool = False,
) -> Answer:
    """One request, whose client hangs up when the answer has begun, unless it `stays` to the end.

    Raises what the app raises, and `asyncio.TimeoutError` where it hangs.
    """
    target = quote(path, safe="/=:", errors="replace")  # a server takes nothing else, and gives this back decoded
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(target),
        "raw_path": target.encode(),
        "query_string": quote_from_bytes(query, safe="=&").encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:7860"), (b"content-length", str(len(body)).encode()), *headers],
        "client": (client, 50000),
        "server": ("127.0.0.1", 7860),
        "state": {},
    }
    sent, begun = False, asyncio.Event()
    status, given, parts = 0, {}, []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, given
        if message["type"] == "http.response.start":
            status = message["status"]
            given = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            parts.append(message.get("body", b""))
            if not stays:
                begun.set()

    await asyncio.wait_for(app(scope, receive, send), SECONDS)
    return Answer(status, given, b"".join(parts))
