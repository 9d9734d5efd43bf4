"""What is asked for under `/v1` and does not exist is refused in OpenAI's shape, not by the page's 404."""

from __future__ import annotations

from fastapi import APIRouter, Request

from codegen_ui.api.problems import Problem
from codegen_ui.api.validation import readable

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
READ = "GET, HEAD"
ALLOWED = {"/v1/completions": "POST", "/v1/models": READ, "/tokenize": "POST"}
OPERATIONS = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")


def add_unknown(router: APIRouter) -> None:
    """Add the routes that catch the rest of the API; call it after all others."""

    @router.api_route("/tokenize", methods=METHODS, include_in_schema=False)
    @router.api_route("/v1", methods=METHODS, include_in_schema=False)
    @router.api_route("/v1/{rest:path}", methods=METHODS, include_in_schema=False)
    async def unknown(request: Request) -> None:
        path = request.url.path
        for known, methods in ALLOWED.items():
            if path.endswith(known) or (known == "/v1/models" and "/v1/models/" in path):
                raise not_allowed(request, known, methods)
        advice = " CodeGen is no chat model: use /v1/completions." if path.endswith("/chat/completions") else ""
        raise Problem(404, f"Unknown request URL: {request.method} {readable(path)}.{advice}", code="unknown_url")


def add_unknown_operations(router: APIRouter) -> None:
    """Add the routes that catch what operators' routes do not take; call it after them."""

    async def unknown(request: Request) -> None:
        raise not_allowed(request, request.url.path, READ)

    for path in OPERATIONS:
        router.add_api_route(path, unknown, methods=METHODS, include_in_schema=False)


def not_allowed(request: Request, path: str, methods: str) -> Problem:
    message = f"Not allowed to {request.method} on {path}; use {methods.partition(',')[0]}."
    return Problem(405, message, code="method_not_supported", headers={"Allow": methods})
