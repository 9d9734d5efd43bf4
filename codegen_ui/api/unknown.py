"""What is asked for under `/v1` and does not exist is refused in OpenAI's shape, not by the page's 404."""

from __future__ import annotations

from fastapi import APIRouter, Request

from codegen_ui.api.problems import Problem

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
ALLOWED = {"/v1/completions": "POST", "/v1/models": "GET", "/tokenize": "POST"}


def add_unknown(router: APIRouter) -> None:
    """Add the routes that catch the rest; call it after all others."""

    @router.api_route("/tokenize", methods=METHODS, include_in_schema=False)
    @router.api_route("/v1", methods=METHODS, include_in_schema=False)
    @router.api_route("/v1/{rest:path}", methods=METHODS, include_in_schema=False)
    async def unknown(request: Request) -> None:
        path = request.url.path
        for known, method in ALLOWED.items():
            if path.endswith(known) or (known == "/v1/models" and "/v1/models/" in path):
                message = f"Not allowed to {request.method} on {known}; use {method}."
                raise Problem(405, message, code="method_not_supported", headers={"Allow": method})
        advice = " CodeGen is no chat model: use /v1/completions." if path.endswith("/chat/completions") else ""
        raise Problem(404, f"Unknown request URL: {request.method} {path}.{advice}", code="unknown_url")
