"""What the door answers: refusals, and the headers of every answer.

A refusal is one JSON body that OpenAI's clients and Gradio's both read. Every answer tells the browser: ask no other
host, be framed by none, guess no types, let no other site read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import Message, Scope, Send

POLICY = {
    "default-src": "'self'",
    # Gradio starts with inline scripts and compiles its templates in the browser.
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'none'",
    "worker-src": "'self' blob:",
    "connect-src": "'self'",
    "frame-src": "'self'",
    "frame-ancestors": "'self'",
    "form-action": "'none'",
    "object-src": "'none'",
    "base-uri": "'self'",
}
HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }.items()
)


class Refusal(HTTPException):
    """Why a request goes no further: HTTP status, a message for people, OpenAI's `code`, headers to send with it."""

    def __init__(self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message, headers)
        self.code = code

    async def answer(self, scope: Scope, send: Send) -> None:
        """Send it as the response."""
        kind = "rate_limit_error" if self.status_code == 429 else "invalid_request_error"
        error = {"message": self.detail, "type": kind, "param": None, "code": self.code}
        body = b"" if scope["method"] == "HEAD" else json.dumps({"error": error, "detail": self.detail}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(self.headers or {})}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status_code, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            found: str = value.decode("latin-1")
            return found
    return None


def path_of(scope: Scope) -> str:
    """The path without the prefix that a proxy serves us under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def with_headers(send: Send) -> Send:
    """The request's `send`, adding `HEADERS` and taking Gradio's away that let any origin read with credentials.

    A route with a policy of its own (the sandbox of the checks) keeps it: two would both have to hold.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", ())
            kept = [(name, value) for name, value in given if not name.lower().startswith(b"access-control-")]
            own = {name.lower() for name, _ in kept}
            message = {**message, "headers": [*kept, *(header for header in HEADERS if header[0] not in own)]}
        await send(message)

    return sending
