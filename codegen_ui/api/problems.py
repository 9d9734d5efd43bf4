"""Every refusal in OpenAI's shape, `{"error": {"message", "type", "param", "code"}}`, with the right status."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from codegen_ui.errors import Busy, GenerationFailed, InvalidInput, ModelUnavailable, PlaygroundError

API_NAMES = {"max_new_tokens": "max_tokens"}
"""Fields of `GenerationRequest` that the API calls otherwise."""

PROMPT_LIMIT = "a string, a list of strings, a list of token ids, or a list of such lists"


class Problem(HTTPException):
    """A refusal: HTTP status, message for people, and OpenAI's `type`, `param` and `code`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.message = message
        self.type = type
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The JSON object that tells it, as a response's body or as an event within a stream."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status_code, self.headers)


def unsupported(param: str, reason: str) -> Problem:
    """A parameter of OpenAI's API that this server cannot honour."""
    return Problem(400, f"'{param}' is not supported: {reason}", param=param, code="unsupported_parameter")


def from_error(error: PlaygroundError) -> Problem:
    """What a `PlaygroundError` means over HTTP."""
    if isinstance(error, InvalidInput):
        if error.field == "model":
            message = f"The model {error.value} does not exist here; it must be {error.limit}."
            return Problem(404, message, param="model", code="model_not_found")
        param = API_NAMES.get(error.field, error.field)
        message = f"{param}: {error.value} is not allowed; it must be {error.limit}."
        return Problem(400, message, param=param, code="invalid_value")
    if isinstance(error, Busy):
        headers = {"Retry-After": "2"}
        return Problem(429, str(error), type="rate_limit_error", code="queue_full", headers=headers)
    if isinstance(error, ModelUnavailable):
        headers = {"Retry-After": "5"}
        return Problem(503, str(error), type="server_error", code="model_unavailable", headers=headers)
    code = "generation_failed" if isinstance(error, GenerationFailed) else None
    return Problem(500, str(error), type="server_error", code=code)


def from_http(error: HTTPException) -> Problem:
    """A framework's own refusal (bad JSON, wrong method) in the same shape."""
    if isinstance(error, Problem):
        return error
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    message = str(error.detail) or HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, message, type=kind, headers=dict(error.headers or {}))


def from_validation(error: RequestValidationError) -> Problem:
    """The first thing wrong with a body: OpenAI answers 400 where FastAPI would answer 422."""
    # Of a union every alternative complains; the one that fits by type says what is wrong.
    first = min(error.errors(), key=lambda found: str(found["type"]).endswith("_type"))
    where: Sequence[str | int] = first["loc"][1:]
    if first["type"] == "json_invalid":
        return Problem(400, f"The body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}.")
    if not where:
        return Problem(400, "The body must be a JSON object, sent with 'Content-Type: application/json'.")
    param = str(where[0])
    if first["type"] == "extra_forbidden":
        message = f"Unrecognized request argument supplied: {param}"
        return Problem(400, message, param=param, code="unknown_parameter")
    if first["type"] == "missing":
        return Problem(400, f"You must provide '{param}'.", param=param, code="missing_required_parameter")
    if param == "prompt":
        return Problem(400, f"prompt: it must be {PROMPT_LIMIT}.", param=param, code="invalid_type")
    return Problem(400, f"{param}: {first['msg']}.", param=param, code="invalid_value")
