"""What `/openapi.json` says of the API holds for requests made up from it, and for those that break it on purpose."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from fake_engine import FakeEngine, serve
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from web import api_app

CASES = 60
"""Of each route, by each way of making them."""


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_no_request_makes_the_server_fail(mode: str) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="it needs Python 3.11")
    schema = schemathesis.openapi.from_asgi("/openapi.json", api_app(serve(FakeEngine(("one", " two")))))
    routes = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        check(operation, schemathesis.GenerationMode(mode))
        routes += 1
    assert routes >= 6


def check(operation: Any, mode: Any) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def sound(case: Any) -> None:
        answer = case.call()
        assert answer.status_code < 500 or answer.status_code in (501, 503), answer.text
        assert "Traceback" not in answer.text
        if answer.status_code >= 400 and operation.path.startswith(("/v1", "/tokenize")):
            assert answer.json()["error"]["message"]

    with suppress(Unsatisfiable):  # a route that takes nothing cannot be asked wrongly
        sound()
