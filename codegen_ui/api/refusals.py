"""Requests that were refused: counted for `/metrics`, and a line each in the log."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.responses import JSONResponse
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from codegen_ui.api.problems import Problem, from_error
from codegen_ui.observe import Ended, Refused, quoted

logger = logging.getLogger("codegen_ui.requests")

MAX_PATH = 200


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
