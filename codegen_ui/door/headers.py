"""What every answer tells the browser: ask no other host, be framed by none, guess no types, let no other site read."""

from __future__ import annotations

from starlette.types import Message, Send

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
