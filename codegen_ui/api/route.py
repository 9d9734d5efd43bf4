"""What every API route shares: the key is checked first, refusals are noted and in one shape.

So are those of what does not exist: asked for under `/v1`, it is refused in OpenAI's shape, not by the page's 404.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from codegen_ui.api.problems import Problem, Refusals, from_error, from_http
from codegen_ui.api.validation import from_validation, parse, readable
from codegen_ui.door.gate import Gate
from codegen_ui.door.visitors import visitor_of
from codegen_ui.errors import PlaygroundError

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
READ = "GET, HEAD"
ALLOWED = {"/v1/completions": "POST", "/v1/models": READ, "/tokenize": "POST"}
OPERATIONS = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")


class JsonRequest(Request):
    """A request that says what is wrong with a body that is no JSON."""

    async def json(self) -> Any:
        return parse(await self.body())


def guarded_route(gate: Gate, refusals: Refusals) -> type[APIRoute]:
    """A route class for an `APIRouter`, which lets in only who passes `gate`, before any byte of the body is read.

    Whatever is refused is told to `refusals`.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()
            model = body_model(self)

            async def guarded(request: Request) -> Response:
                try:
                    address = visitor_of(request.scope)
                    key = await gate.admit(request.headers.get("authorization"), address)
                    request.scope["codegen_ui.visitor"] = key or address
                    return await handle(JsonRequest(request.scope, request.receive))
                except PlaygroundError as error:
                    problem = from_error(error)
                except RequestValidationError as error:
                    problem = from_validation(error, model, request.headers.get("content-type"))
                except HTTPException as error:
                    problem = from_http(error)
                return refusals.answer(problem, request)

            return guarded

    return GuardedRoute


def body_model(route: APIRoute) -> type[BaseModel]:
    """What a route's body is read as; a model without fields where the route has none."""
    kind = route.body_field.field_info.annotation if route.body_field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else BaseModel


def visitor(request: Request) -> str:
    """Who asks, for fairness between visitors: the key's short name, or the address where no key is needed."""
    return str(request.scope["codegen_ui.visitor"])


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
