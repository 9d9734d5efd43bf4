"""Every refusal in OpenAI's shape, `{"error": {"message", "type", "param", "code"}}`, with the right status.

Each is counted for `/metrics` and has a line in the log."""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from starlette.exceptions import HTTPException

from codegen_ui.door.answers import Refusal
from codegen_ui.errors import Busy, GenerationFailed, InvalidInput, ModelUnavailable, PlaygroundError
from codegen_ui.escaping import quoted
from codegen_ui.observe import Ended, Refused

logger = logging.getLogger("codegen_ui.requests")

MAX_PATH = 200

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
        headers = {"Retry-After": str(math.ceil(min(max(error.retry_seconds or 2, 1), 60)))}
        full = "too_many_requests" if error.own else "queue_full"
        return Problem(429, str(error), type="rate_limit_error", code=full, headers=headers, told=told)
    if isinstance(error, ModelUnavailable):
        headers = {"Retry-After": "5"}
        return Problem(503, str(error), type="server_error", code="model_unavailable", headers=headers, told=told)
    code = "generation_failed" if isinstance(error, GenerationFailed) else None
    return Problem(500, str(error), type="server_error", code=code, told=told)


def from_http(error: HTTPException) -> Problem:
    """The door's refusal, or a framework's own (wrong method, a body that it cannot read), in the same shape."""
    if isinstance(error, Problem):
        return error
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    if error.status_code == 429:
        kind = "rate_limit_error"
    code = error.code if isinstance(error, Refusal) else None
    message = str(error.detail) or HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, message, type=kind, code=code, headers=dict(error.headers or {}))


class Refusals:
    """Hears of what engines refused, from the service, and of what the API refused before, from its routes.

    The counter's labels are few whatever clients send: the operator's model (empty where no engine was asked), the HTTP
    status and OpenAI's code.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int, str]] = Counter()

    def ended(self, ended: Ended) -> None:
        """Not a refusal."""

    def refused(self, refused: Refused) -> None:
        """An engine's refusal; the service's log has it."""
        self._count(refused.model, from_error(refused.error))

    def answer(self, problem: Problem, request: Request) -> JSONResponse:
        """The response that tells a refusal, which is noted unless it was before.

        Its `X-Request-Id` is in the log's line, so that the line is found from what a user reports.
        """
        response = problem.response()
        if not problem.told:
            id = f"req-{secrets.token_hex(8)}"
            response.headers["X-Request-Id"] = id
            self._count("", problem)
            values = {
                "id": id,
                "method": request.method,
                "path": request.url.path[:MAX_PATH],
                "status": problem.status_code,
                "code": problem.code,
                "error": problem.log,
            }
            line = " ".join(f"{name}={quoted(value)}" for name, value in values.items() if value is not None)
            logger.warning("refused %s", line)
        return response

    def collect(self) -> Iterator[Metric]:
        """For the registry of the metrics."""
        labels = ["model_name", "status", "error"]
        metric = CounterMetricFamily("codegen:request_refused", "Requests that were refused.", labels=labels)
        with self._lock:
            counts = dict(self._counts)
        for (model, status, code), count in counts.items():
            metric.add_metric([model, str(status), code], count)
        yield metric

    def _count(self, model: str, problem: Problem) -> None:
        with self._lock:
            self._counts[model, problem.status_code, problem.code or "other"] += 1
