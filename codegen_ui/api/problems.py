"""Every refusal in OpenAI's shape, `{"error": {"message", "type", "param", "code"}}`, with the right status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from codegen_ui.errors import Busy, GenerationFailed, InvalidInput, ModelUnavailable, PlaygroundError

API_NAMES = {"max_new_tokens": "max_tokens"}
"""Fields of `GenerationRequest` that the API calls otherwise."""


class Problem(HTTPException):
    """A refusal: HTTP status, message for people, and OpenAI's `type`, `param` and `code`.

    Attributes:
        log: what the log says in place of the message, where that quotes what a visitor wrote.
        told: whether the service's observers have heard of it, so that it is neither logged nor counted once more.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        log: str | None = None,
        told: bool = False,
    ) -> None:
        super().__init__(status, message, headers)
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.log = message if log is None else log
        self.told = told

    def body(self) -> dict[str, Any]:
        """The JSON object that tells it, as a response's body or as an event within a stream."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status_code, self.headers)


def unsupported(param: str, reason: str) -> Problem:
    """A parameter of OpenAI's API that this server cannot honour."""
    return Problem(400, f"'{param}' is not supported: {reason}", param=param, code="unsupported_parameter")


def from_error(error: PlaygroundError, *, told: bool = False) -> Problem:
    """What a `PlaygroundError` means over HTTP; `told` as in `Problem`."""
    if isinstance(error, InvalidInput):
        if error.field == "model":
            message = f"The model {error.value} does not exist here; it must be {error.limit}."
            return Problem(404, message, param="model", code="model_not_found", told=told)
        param = API_NAMES.get(error.field, error.field)
        message = f"{param}: {error.value} is not allowed; it must be {error.limit}."
        return Problem(400, message, param=param, code="invalid_value", told=told)
    if isinstance(error, Busy):
        headers = {"Retry-After": "2"}
        return Problem(429, str(error), type="rate_limit_error", code="queue_full", headers=headers, told=told)
    if isinstance(error, ModelUnavailable):
        headers = {"Retry-After": "5"}
        return Problem(503, str(error), type="server_error", code="model_unavailable", headers=headers, told=told)
    code = "generation_failed" if isinstance(error, GenerationFailed) else None
    return Problem(500, str(error), type="server_error", code=code, told=told)


def from_http(error: HTTPException) -> Problem:
    """A framework's own refusal (wrong method, a body that it cannot read) in the same shape."""
    if isinstance(error, Problem):
        return error
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    message = str(error.detail) or HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, message, type=kind, headers=dict(error.headers or {}))
