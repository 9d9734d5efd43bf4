"""Whatever is posted is answered in the API's own shapes, and never leaves a generation behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fake_engine import FakeEngine, serve
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from web import api_app

from codegen_ui.api.schemas import CompletionBody, CompletionResponse, ProblemResponse

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["eos", "function", "fake", "def f():", {"include_usage": True}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
BODIES = st.dictionaries(st.sampled_from([*CompletionBody.model_fields, "unknown"]), ODD, max_size=4) | ODD


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    engine = FakeEngine(("one", " two"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def client(engine: FakeEngine) -> Iterator[TestClient]:
    with TestClient(api_app(serve(engine)), raise_server_exceptions=True) as client:
        yield client


@given(body=BODIES, prompted=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_body_gets_a_completion_or_a_refusal(
    client: TestClient, engine: FakeEngine, body: Any, prompted: bool
) -> None:
    if prompted and isinstance(body, dict):
        body = {"prompt": "def f():", **body}
    content = json.dumps(body).encode()
    response = client.post("/v1/completions", content=content, headers={"Content-Type": "application/json"})
    if response.status_code != 200:
        assert response.status_code in (400, 404), response.text
        assert ProblemResponse.model_validate(response.json()).error.message
    elif response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    else:
        assert CompletionResponse.model_validate(response.json()).usage is not None
    assert engine.active == 0
    engine.generations.clear()
