"""How the door refuses: one JSON body that OpenAI's clients and Gradio's both read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import Scope, Send


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
