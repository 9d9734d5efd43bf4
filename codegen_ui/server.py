"""One web server for the page and the API: FastAPI with Gradio mounted last, behind a security middleware."""

from __future__ import annotations

import socket

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codegen_ui.errors import InvalidInput
from codegen_ui.settings import DEFAULT_PORT, Settings

PORTS_TO_TRY = 100
SHUTDOWN_SECONDS = 3
BLOCKED = ("/gradio_api/upload", "/gradio_api/file=http", "/gradio_api/proxy=", "/monitoring")
"""Gradio routes that this page does not use and that would take files or fetch other hosts' addresses."""
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
"""Gradio compiles its templates in the browser, hence the inline scripts; no other host is ever asked."""


class Security:
    """ASGI middleware: keeps `BLOCKED` routes shut, adds `HEADERS`, and lets no foreign origin read an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.startswith(BLOCKED):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"This route is closed.\n"})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Gradio answers any Origin with credentials allowed; same-origin pages need none of those headers.
                kept = [(k, v) for k, v in message["headers"] if not k.lower().startswith(b"access-control-")]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        await self.app(scope, receive, guarded)


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the port asked for, or on the first free one. Raises `InvalidInput`."""
    ports = [settings.port] if settings.port else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, port))
            return listener
        except socket.gaierror:
            listener.close()
            raise InvalidInput("host", settings.host, "an address of this machine, such as 127.0.0.1") from None
        except (OSError, OverflowError) as error:
            listener.close()
            reason = error
    where = f"{settings.port}" if settings.port else f"{DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TO_TRY - 1}"
    raise InvalidInput("port", where, f"a port that is free on {settings.host} ({reason})")
