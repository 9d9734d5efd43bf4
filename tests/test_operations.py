"""What the operator's tools see: alive, ready, metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
from fake_engine import FakeEngine, serve, wait_until
from prometheus_client.parser import text_string_to_metric_families
from web import api_app, running

from codegen_ui.checkpoints.progress import Progress
from codegen_ui.errors import ModelUnavailable
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    engine = FakeEngine(("one", " two", " three"), seconds=0.01)
    yield engine
    engine.close()


def scrape(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the metrics page by name and labels (the model's name left out)."""
    response = httpx.get(f"{url}/metrics", timeout=30)
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if k != "model_name"))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_the_metrics_count_what_was_served(engine: FakeEngine) -> None:
    service = serve(engine)
    with running(api_app(service)) as url:
        before = scrape(url)
        assert before["codegen:generation_tokens_total", ()] == 0
        assert before["codegen:request_finished_total", (("finished_reason", "length"),)] == 0
        for _ in range(2):
            service.submit(GenerationRequest("a b c", max_new_tokens=3)).result(5)
        service.submit(GenerationRequest("a b c", stop_at="eos")).result(5)
        wait_until(lambda: scrape(url).get(("codegen:e2e_request_latency_seconds_count", ())) == 3)
        found = scrape(url)
    assert found["codegen:prompt_tokens_total", ()] == 9
    assert found["codegen:generation_tokens_total", ()] == 10
    assert found["codegen:request_finished_total", (("finished_reason", "length"),)] == 2
    assert found["codegen:request_finished_total", (("finished_reason", "eos"),)] == 1
    assert found["codegen:time_to_first_token_seconds_count", ()] == 3
    assert found["codegen:inter_token_latency_seconds_count", ()] == 7
    assert 0.06 < found["codegen:inter_token_latency_seconds_sum", ()] < 2
    assert found["codegen:num_requests_running", ()] == 0
    assert found["codegen:num_slots", ()] == 4


def test_running_requests_are_seen_while_they_run(engine: FakeEngine) -> None:
    engine.seconds = 0.5
    service = serve(engine)
    with running(api_app(service)) as url:
        generation = service.submit(GenerationRequest("a", stop_at="length"))
        assert scrape(url)["codegen:num_requests_running", ()] == 1
        generation.cancel()
        wait_until(lambda: scrape(url)["codegen:num_requests_running", ()] == 0)
        assert scrape(url)["codegen:request_finished_total", (("finished_reason", "cancelled"),)] == 1


def refusals(url: str) -> dict[tuple[str, str], float]:
    """How many requests were refused, by status and error."""
    return {
        (dict(labels)["status"], dict(labels)["error"]): value
        for (name, labels), value in scrape(url).items()
        if name == "codegen:request_refused_total"
    }


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "codegen_ui.requests"]


def test_what_an_engine_refuses_is_counted_and_logged_once(
    engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.max_active = 0
    with running(api_app(serve(engine))) as url:
        httpx.post(f"{url}/v1/completions", json={"prompt": "a"})
        assert refusals(url) == {("429", "queue_full"): 1}
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"{", "400", "invalid_json"),
        (b'{"prompt": "secret", "n": 99}', "400", "invalid_value"),
        (b'{"prompt": ["secret", 1]}', "400", "invalid_value"),
        (b'{"prompt": "a", "stop": ["secret", 1]}', "400", "invalid_value"),
        (b'{"prompt": "secret", "grammar": 1}', "400", "unknown_parameter"),
        (b'{"prompt": "secret", "best_of": 9}', "400", "unsupported_parameter"),
        (b'["secret"]', "400", "invalid_json"),
        (b"{}", "400", "missing_required_parameter"),
        (b'{"prompt": "secret", "model": "gpt-9"}', "404", "model_not_found"),
        (b'{"prompt": "secret", "max_tokens": 2000}', "400", "context_length_exceeded"),
    ],
)
def test_what_the_api_refuses_is_counted_and_logged_once_and_without_the_prompt(
    engine: FakeEngine, caplog: pytest.LogCaptureFixture, body: bytes, status: str, error: str
) -> None:
    with running(api_app(serve(engine))) as url:
        headers = {"Content-Type": "application/json"}
        response = httpx.post(f"{url}/v1/completions", content=body, headers=headers, timeout=30)
        assert refusals(url) == {(status, error): 1}
    [line] = lines(caplog)
    assert line.startswith(f"refused id={response.headers['x-request-id']} method=POST path=/v1/completions ")
    assert f" status={status} code={error} " in line
    assert "secret" not in line


def test_wrong_keys_and_unknown_urls_are_counted_by_few_labels(engine: FakeEngine) -> None:
    with running(api_app(serve(engine), {"sk-one"})) as url:
        for number in range(3):
            httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer sk-{number}"})
            httpx.get(f"{url}/v1/{number}", headers={"Authorization": "Bearer sk-one"})
            httpx.post(f"{url}/healthz")
        assert refusals(url) == {
            ("401", "invalid_api_key"): 3,
            ("404", "unknown_url"): 3,
            ("405", "method_not_supported"): 3,
        }


def test_a_path_cannot_forge_a_line_of_the_log(engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    with running(api_app(serve(engine))) as url:
        httpx.get(f"{url}/v1/x%20status=200%0Crefused{'y' * 1000}")
    [line] = lines(caplog)
    assert line.isprintable()
    assert "path='/v1/x status=200\\x0crefusedyyy" in line
    assert len(line) < 500


def test_a_generation_that_fails_is_no_refusal(engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.fail_after = 1
    with caplog.at_level("INFO", "codegen_ui.requests"), running(api_app(serve(engine))) as url:
        assert httpx.post(f"{url}/v1/completions", json={"prompt": "a"}).status_code == 500
        wait_until(lambda: bool(lines(caplog)))
        assert refusals(url) == {}
    [line] = lines(caplog)
    assert "outcome=error" in line


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/models"])
def test_head_answers_as_get_does(engine: FakeEngine, path: str) -> None:
    with running(api_app(serve(engine))) as url:
        head, get = httpx.head(url + path), httpx.get(url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_the_operators_routes_name_the_methods_that_they_take(engine: FakeEngine, path: str) -> None:
    with running(api_app(serve(engine))) as url:
        response = httpx.post(url + path)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.json()["error"]["message"] == f"Not allowed to POST on {path}; use GET."


def test_it_is_alive_at_once_and_ready_once_the_first_model_is_loaded(engine: FakeEngine) -> None:
    go_on = threading.Event()

    def load(name: str, progress: Progress) -> Loaded:
        progress("reading weights", 1, 2)
        go_on.wait(10)
        return Loaded(engine)

    service = Service(["fake"], load)
    with running(api_app(service)) as url:
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        assert "not loading yet" in httpx.get(f"{url}/readyz").json()["reason"]
        service.start()
        wait_until(lambda: service.status().stage == "reading weights")
        response = httpx.get(f"{url}/readyz")
        assert response.status_code == 503
        assert response.json()["reason"] == "fake is loading: reading weights."
        go_on.set()
        wait_until(lambda: service.status().phase is Phase.READY)
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_a_model_that_failed_says_why_it_is_not_ready() -> None:
    def load(name: str, progress: Progress) -> Loaded:
        raise ModelUnavailable(name, "the weights file is truncated.")

    service = Service(["broken"], load)
    service.start()
    wait_until(lambda: service.status().phase is Phase.FAILED)
    with running(api_app(service)) as url:
        response = httpx.get(f"{url}/readyz")
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert "codegen:num_slots" in httpx.get(f"{url}/metrics").text
    assert response.status_code == 503
    assert response.json()["reason"] == "broken cannot be used: the weights file is truncated."
