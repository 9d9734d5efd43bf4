"""What every API route shares: the key is checked first, the body is bounded, refusals have OpenAI's shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from codegen_ui.api.auth import Gate
from codegen_ui.api.problems import Problem, from_error, from_http, from_validation
from codegen_ui.errors import PlaygroundError

MAX_BODY_BYTES = 4 * 1024 * 1024


def guarded_route(gate: Gate, max_body_bytes: int = MAX_BODY_BYTES) -> type[APIRoute]:
    """A route class for an `APIRouter`, which lets in only who passes `gate`, before any byte of the body is read."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    key = gate.check(request.headers.get("authorization"))
                    request.scope["codegen_ui.visitor"] = key or visitor_address(request)
                    receive = bounded(request, max_body_bytes)
                    return await handle(Request(request.scope, receive))
                except PlaygroundError as error:
                    return from_error(error).response()
                except RequestValidationError as error:
                    return from_validation(error).response()
                except HTTPException as error:
                    return from_http(error).response()

            return guarded

    return GuardedRoute


def visitor_address(request: Request) -> str:
    return f"api-{request.client.host}" if request.client else "api"


def visitor(request: Request) -> str:
    """Who asks, for fairness between visitors: the key's short name, or the address where no key is needed."""
    return str(request.scope["codegen_ui.visitor"])


def bounded(request: Request, limit: int) -> Receive:
    """The request's `receive`, raising `Problem` 413 once the body exceeds `limit` bytes."""
    too_large = Problem(413, f"The body is larger than {limit:,} bytes.", code="body_too_large")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    return receive
