"""The remote engine against real servers: our own API, scripted misbehaviour, and a process that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fake_engine import CONTEXT, FakeEngine, serve, wait_until
from web import api_app, running

from codegen_ui.errors import BackendRefused, Busy, GenerationFailed, InvalidInput, ModelUnavailable, PlaygroundError
from codegen_ui.metrics import State
from codegen_ui.remote import RemoteEngine, make_loader
from codegen_ui.remote.wire import sent_settings
from codegen_ui.request import MAX_SEED, FinishReason, GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase

SCRIPT = ("    return", " n", " *", " 2", "\n")
TEXT = "".join(SCRIPT)


@pytest.fixture
def inner() -> Iterator[FakeEngine]:
    engine = FakeEngine(SCRIPT)
    yield engine
    engine.close()


@pytest.fixture
def remote(inner: FakeEngine) -> Iterator[RemoteEngine]:
    with running(api_app(serve(inner))) as url, connected(f"{url}/v1") as engine:
        yield engine


@contextmanager
def connected(*urls: str, **options: Any) -> Iterator[RemoteEngine]:
    with RemoteEngine(urls, **options) as engine:
        assert engine.wait_until_up(10) == ""
        yield engine


def request(prompt: str | list[int] = "def f(n):", **settings: Any) -> GenerationRequest:
    return GenerationRequest(prompt, **{"max_new_tokens": 16, "stop_at": "eos", **settings})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_completion_comes_back_as_the_inner_server_made_it(remote: RemoteEngine, inner: FakeEngine) -> None:
    generation = remote.submit(request(temperature=0.5, top_k=7, min_p=0.1, repetition_penalty=1.5, seed=9))
    assert "".join(generation) == TEXT
    result = generation.result(5)
    assert result.text == TEXT
    assert result.finish_reason is FinishReason.EOS
    assert result.token_ids == (10, 11, 12, 13, 14, 0)
    assert result.prompt_token_ids == (3, 5)
    assert result.seed == 9
    assert inner.requests[0].sampling == generation.request.sampling


def test_the_figures_are_measured_here_and_the_page_is_told_so(remote: RemoteEngine, inner: FakeEngine) -> None:
    inner.seconds = 0.1
    figures = remote.submit(request()).result(5).metrics
    assert (figures.prompt_tokens, figures.output_tokens) == (2, len(SCRIPT) + 1)
    assert figures.state is State.DONE
    assert figures.ttft_seconds is not None
    assert 0.1 <= figures.ttft_seconds < 5
    assert figures.itl_p50_seconds is not None
    assert 0.005 < figures.itl_p50_seconds < 0.5
    assert "measured at this page's server" in remote.info.device_name
    stats = remote.stats()
    assert (stats.prompt_tokens_total, stats.generation_tokens_total) == (2, len(SCRIPT) + 1)
    assert stats.finished == {"eos": 1}


def test_what_the_server_tells_of_the_model_is_passed_on(remote: RemoteEngine) -> None:
    assert (remote.info.name, remote.info.context) == ("fake", CONTEXT)
    assert remote.info.unsupported == {}
    assert remote.count_tokens("a bb ccc") == 3
    assert remote.encode("a bb ccc") == (1, 2, 3)


def test_the_ends_that_we_decide_end_the_inner_request_too(remote: RemoteEngine, inner: FakeEngine) -> None:
    inner.script = ("    return 1", "\n", "\n\n", "def", " g():", "\n", *("    pass",) * 90)
    inner.seconds = 0.02
    result = remote.submit(request("def f():\n", stop_at="function", max_new_tokens=90)).result(10)
    assert result.text.rstrip() == "    return 1"
    assert result.finish_reason is FinishReason.FUNCTION
    assert result.metrics.saved_tokens > 50
    wait_until(lambda: inner.active == 0)
    assert inner.generations[0].snapshot().metrics.output_tokens < 30
    assert remote.submit(request(stop=[" g()"])).result(5).finish_reason is FinishReason.STOP_STRING


def test_the_length_limit_is_the_inner_servers(remote: RemoteEngine) -> None:
    result = remote.submit(request(max_new_tokens=2)).result(5)
    assert (result.text, result.finish_reason) == ("    return n", FinishReason.LENGTH)
    endless = remote.submit(request(max_new_tokens=12, stop_at="length")).result(5)
    assert (endless.metrics.output_tokens, endless.finish_reason) == (12, FinishReason.LENGTH)


def test_max_length_counts_the_prompt(remote: RemoteEngine, inner: FakeEngine) -> None:
    remote.submit(GenerationRequest("a b c", max_length=10, stop_at="eos")).result(5)
    assert inner.requests[0].max_new_tokens == 7
    with pytest.raises(InvalidInput, match="max_length"):
        remote.submit(GenerationRequest("a b c", max_length=CONTEXT + 1))
    with pytest.raises(InvalidInput, match="max_length"):
        remote.submit(GenerationRequest("a b c", max_length=3)).result(5)


def test_a_prompt_over_the_context_keeps_its_right_end(remote: RemoteEngine, inner: FakeEngine) -> None:
    figures = remote.submit(request("a " * CONTEXT + "bb", max_new_tokens=8)).result(5).metrics
    assert (figures.prompt_tokens, figures.dropped_prompt_tokens) == (CONTEXT - 8, 9)
    assert inner.requests[0].prompt == (1,) * (CONTEXT - 9) + (2,)


def test_end_of_text_in_a_prompt_is_sent_as_the_ids_of_its_letters(remote: RemoteEngine, inner: FakeEngine) -> None:
    remote.submit(request("a <|endoftext|> b")).result(5)
    assert inner.requests[0].prompt == (1, len("<|"), len("endoftext|>"), 1)
    remote.submit(request("a <|endoftext> b")).result(5)
    assert inner.requests[1].prompt == "a <|endoftext> b"


def test_logprobs_come_through(remote: RemoteEngine) -> None:
    events = remote.submit(request(logprobs=2)).result(5).tokens
    assert [event.logprob.token for event in events if event.logprob] == [*SCRIPT, "<|endoftext|>"]
    assert [(top.token, top.logprob) for top in events[0].top] == [(SCRIPT[0], -0.25), ("alt0", -1.0)]
    assert "".join(event.text for event in events) == TEXT


def test_samples_of_one_seed_differ(remote: RemoteEngine, inner: FakeEngine) -> None:
    for seed in (5, 6):
        for sample in range(3):
            remote.submit(request(seed=seed, sample_index=sample)).result(5)
    sent = [found.sampling.seed for found in inner.requests]
    assert (sent[0], sent[3]) == (5, 6)
    assert len(set(sent)) == 6
    assert remote.submit(request(seed=5, sample_index=2)).result(5).seed == sent[2]
    assert remote.submit(request()).result(5).seed is not None


def test_the_largest_seed_is_sent_as_it_is(remote: RemoteEngine, inner: FakeEngine) -> None:
    remote.submit(request(seed=MAX_SEED)).result(5)
    assert inner.requests[0].sampling.seed == MAX_SEED


def test_cancelling_frees_the_inner_slot(remote: RemoteEngine, inner: FakeEngine) -> None:
    inner.seconds = 0.05
    generation = remote.submit(request(stop_at="length", max_new_tokens=100))
    wait_until(lambda: generation.snapshot().text != "")
    generation.cancel()
    assert generation.result(2).finish_reason is FinishReason.CANCELLED
    wait_until(lambda: inner.active == 0, 1)
    early = remote.submit(request())
    early.cancel()
    assert early.result(2).finish_reason is FinishReason.CANCELLED


def test_a_deadline_ends_it_with_what_there_is(remote: RemoteEngine, inner: FakeEngine) -> None:
    inner.seconds = 0.05
    result = remote.submit(request(stop_at="length", max_new_tokens=100, deadline_seconds=0.5)).result(5)
    assert result.finish_reason is FinishReason.DEADLINE
    assert result.text
    wait_until(lambda: inner.active == 0, 1)


def test_readers_are_woken_at_every_change(remote: RemoteEngine) -> None:
    calls: list[float] = []
    generation = remote.submit(request())
    generation.subscribe(lambda: calls.append(time.monotonic()))
    generation.result(5)
    wait_until(lambda: len(calls) >= 2)
    generation.subscribe(lambda: calls.append(-1))
    assert calls[-1] == -1


def test_too_many_at_once_are_busy(inner: FakeEngine) -> None:
    inner.seconds = 30
    with running(api_app(serve(inner))) as url, connected(f"{url}/v1", max_active=1) as engine:
        engine.submit(request())
        with pytest.raises(Busy):
            engine.submit(request())


def test_closing_ends_what_runs_and_refuses_more(inner: FakeEngine) -> None:
    inner.seconds = 0.1
    with running(api_app(serve(inner))) as url:
        with connected(f"{url}/v1") as engine:
            generation = engine.submit(request(stop_at="length"))
            wait_until(lambda: engine.stats().active == 1)
        assert generation.result(1).finish_reason is FinishReason.CANCELLED
        with pytest.raises(GenerationFailed, match="closed"):
            engine.submit(request())
        assert engine.count_tokens("a") is None
        engine.close()


def test_requests_go_to_the_least_loaded_server() -> None:
    engines = [FakeEngine(SCRIPT, seconds=0.5), FakeEngine(SCRIPT, seconds=0.5)]
    with ExitStack() as stack:
        urls = [stack.enter_context(running(api_app(serve(engine)))) for engine in engines]
        remote = stack.enter_context(connected(*(f"{url}/v1" for url in urls)))
        wait_until(lambda: not remote.down())
        for count in range(1, 7):
            remote.submit(request())
            wait_until(lambda count=count: sum(engine.active for engine in engines) == count)  # type: ignore[misc]
        assert [engine.active for engine in engines] == [3, 3]


def test_a_server_that_is_down_is_passed_over() -> None:
    engine = FakeEngine(SCRIPT)
    with (
        running(api_app(serve(engine))) as url,
        connected(f"http://127.0.0.1:{free_port()}/v1", f"{url}/v1") as remote,
    ):
        for _ in range(3):
            assert remote.submit(request()).result(5).text == TEXT


def test_with_every_server_down_the_message_names_each() -> None:
    ports = free_port(), free_port()
    with RemoteEngine([f"http://127.0.0.1:{port}/v1" for port in ports]) as remote:
        with pytest.raises(ModelUnavailable) as caught:
            remote.submit(request()).result(10)
        assert all(f"127.0.0.1:{port} cannot be reached" in str(caught.value) for port in ports)
        assert remote.count_tokens("a") is None


@pytest.mark.parametrize("url", ["host:8000", "ftp://host/v1", "", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="backend_url"):
        RemoteEngine([url])


def test_the_key_is_sent(inner: FakeEngine, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("# for the backend\nsk-inner\n")
    with running(api_app(serve(inner), {"sk-inner"})) as url:
        service = Service(["remote"], make_loader([f"{url}/v1"], None, file))
        service.start()
        wait_until(lambda: service.status().phase is Phase.READY)
        assert service.submit(request()).result(5).text == TEXT
        service.close()
        with RemoteEngine([f"{url}/v1"], key="sk-wrong") as remote:
            assert "refuses the key" in remote.wait_until_up(0.5)


def test_loading_says_for_what_it_waits_until_the_server_is_there(inner: FakeEngine) -> None:
    port = free_port()
    service = Service(["remote"], make_loader([f"http://127.0.0.1:{port}/v1"], "fake"))
    service.start()
    wait_until(lambda: "cannot be reached" in service.status().stage)
    assert f"127.0.0.1:{port}" in service.status().stage
    with running(api_app(serve(inner)), port):
        wait_until(lambda: service.status().phase is Phase.READY)
        assert service.submit(request()).result(5).text == TEXT
        service.close()


def test_a_model_that_is_not_served_is_named_with_those_that_are(inner: FakeEngine) -> None:
    with running(api_app(serve(inner))) as url, RemoteEngine([f"{url}/v1"], "other") as remote:
        assert "does not serve other; it serves fake" in remote.wait_until_up(0.5)


class Script:
    """What a scripted server answers: `(status, content type, body)` for GET and POST, or a function that writes."""

    def __init__(self, completion: tuple[int, str, bytes] | Callable[[Any], None], owner: str = "somebody") -> None:
        self.completion = completion
        self.owner = owner
        self.bodies: list[dict[str, Any]] = []


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            card = {"id": "m", "object": "model", "owned_by": script.owner}
            self.answer(200, "application/json", json.dumps({"object": "list", "data": [card]}).encode())

        def do_POST(self) -> None:
            script.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if callable(script.completion):
                script.completion(self)
            else:
                self.answer(*script.completion)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def events(*chunks: dict[str, Any], done: bool = True) -> tuple[int, str, bytes]:
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    return 200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def text_chunk(text: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": text, "finish_reason": reason, **more}]}


def outcome(completion: tuple[int, str, bytes] | Callable[[Any], None], **settings: Any) -> str:
    """The text of a generation from a scripted server, or the message of the error that ended it."""
    with scripted(Script(completion)) as url, connected(url) as remote:
        try:
            return remote.submit(request(**settings)).result(5).text
        except PlaygroundError as error:
            return str(error)


def test_a_plain_openai_server_is_sent_openais_settings_alone() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 9, "total_tokens": 13}}
    script = Script(events(text_chunk("a"), text_chunk("b", "stop"), usage))
    with scripted(script) as url, connected(url) as remote:
        unsupported = set(remote.info.unsupported)
        assert unsupported >= {"top_k", "min_p", "repetition_penalty"}
        assert unsupported == {one.name for one in sent_settings() if one.origin != "openai"}
        assert "max length bounds new tokens alone" in remote.info.device_name
        result = remote.submit(request()).result(5)
        assert (result.text, result.finish_reason) == ("ab", FinishReason.EOS)
        assert (result.metrics.prompt_tokens, result.metrics.output_tokens) == (4, 9)
        assert not {"top_k", "min_p", "repetition_penalty", "return_token_ids"} & set(script.bodies[0])
        for settings in ({"top_k": 5}, {"min_p": 0.1}, {"repetition_penalty": 1.1}, {"stop_at": "length"}):
            with pytest.raises(InvalidInput, match=next(iter(settings))):
                remote.submit(request(**settings))
        with pytest.raises(InvalidInput, match="another choice, and ignore_eos, which means 'length', must be false: "):
            remote.submit(request(stop_at="length"))
        assert remote.count_tokens("a") is None


def test_characters_that_only_some_call_line_ends_do_not_break_events() -> None:
    strange = "a\u2028b\x85c\u2029d\x0ce"
    assert outcome(events(text_chunk(strange), text_chunk("", "stop"))) == strange


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (400, "application/json", b'{"error": {"message": "too long"}}'),
            "the backend 127.0.0.1:.* takes, .*: too long",
        ),
        ((401, "application/json", b'{"error": {"message": "bad key"}}'), "refuses the key.*bad key"),
        ((404, "application/json", b'{"detail": "Not Found"}'), "does not know the address or the model"),
        ((429, "text/html", b"<h1>later</h1>"), "too busy"),
        ((503, "application/json", b'{"message": "warming up"}'), "starting or overloaded.*warming up"),
        ((500, "text/plain", b"oops"), "answers with HTTP 500"),
        (events({"error": {"message": "out of memory"}}), "failed: out of memory"),
        (events({"choices": "?"}), "no completion chunk"),
        ((200, "text/html", b"data: <html>\n\n"), "no completion chunk"),
        (events(text_chunk("a"), text_chunk("", "abort")), "ended the text with 'abort'"),
        (events(text_chunk("a"), done=False), "lost after 1 tokens"),
        ((200, "text/event-stream", b""), "lost after 0 tokens"),
    ],
)
def test_whatever_a_server_answers_becomes_a_clear_message(answer: tuple[int, str, bytes], words: str) -> None:
    assert re.search(words, outcome(answer))


JSON = "application/json"
BUSY = (
    b'{"error": {"message": "The queue is full: 64 are waiting. Please try again in a moment.", "code": "queue_full"}}'
)


def openai_error(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        (
            (400, JSON, openai_error("At most 9.", param="max_tokens")),
            "max_new_tokens",
            "16 is not allowed.*: At most 9.",
        ),
        ((422, JSON, b'{"detail": [{"loc": ["body", "top_p"], "msg": "too low"}]}'), "top_p", "0.95 is.*: too low."),
        ((400, JSON, openai_error("A bad day", param="the moon")), "request", "this one is not allowed.*: A bad day."),
        ((413, "text/html", b"<h1>large</h1>"), "request", "this one is not.* which answers with HTTP 413."),
        (events({"error": {"message": "Too hot", "code": 400, "param": "seed"}}), "seed", "3 is not .*: Too hot."),
        (events(json.loads(openai_error("No", type="invalid_request_error"))), "request", "this one is not.*: No."),
    ],
)
def test_what_a_server_finds_wrong_with_a_request_is_told_as_a_wrong_value(
    answer: tuple[int, str, bytes], field: str, words: str
) -> None:
    with scripted(Script(answer)) as url, connected(url) as remote, pytest.raises(BackendRefused) as caught:
        remote.submit(request(seed=3)).result(5)
    assert caught.value.field == field
    assert re.fullmatch(f"{field}: {words}", str(caught.value))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((429, JSON, BUSY), Busy),
        (events({"error": {"message": "later", "type": "rate_limit_error"}}), Busy),
        (events({"error": {"message": "it goes home", "code": "cancelled"}}), ModelUnavailable),
        ((503, JSON, b"{}"), ModelUnavailable),
        ((400, JSON, openai_error("there is no m", param="model")), ModelUnavailable),
        (events({"error": {"message": "out of memory"}}), GenerationFailed),
        (events(text_chunk("a"), {"error": {"message": "late", "code": 400}}), GenerationFailed),
    ],
)
def test_a_server_that_is_at_fault_itself_is_not_held_against_the_request(
    answer: tuple[int, str, bytes], kind: type[PlaygroundError]
) -> None:
    with scripted(Script(answer)) as url, connected(url) as remote, pytest.raises(kind):
        remote.submit(request()).result(5)


def test_one_busy_server_makes_it_busy_although_the_other_is_down() -> None:
    with scripted(Script((429, JSON, BUSY))) as url, connected(f"http://127.0.0.1:{free_port()}/v1", url) as remote:
        with pytest.raises(Busy) as caught:
            remote.submit(request()).result(5)
        assert "cannot be reached" in str(caught.value)


def test_no_message_says_anything_twice() -> None:
    told = outcome((429, JSON, BUSY))
    assert told.endswith(" is too busy (HTTP 429): The queue is full: 64 are waiting. Please try again in a moment.")
    lost = "Lost. The text so far is kept; please generate again or continue from it."
    assert outcome(events({"error": {"message": lost}})).endswith(" failed: Lost. The text so far is kept.")


def test_the_api_passes_a_refusal_on_with_its_status() -> None:
    answers = {
        (400, "invalid_value", "max_tokens"): (400, JSON, openai_error("At most 9.", param="max_tokens")),
        (429, "queue_full", None): (429, JSON, BUSY),
        (503, "model_unavailable", None): (503, JSON, b'{"message": "warming up"}'),
    }
    for (status, code, param), answer in answers.items():
        with scripted(Script(answer)) as url, connected(url) as remote:
            service = Service(["outer"], lambda name, progress, remote=remote: Loaded(remote))  # type: ignore[misc]
            service.start()
            wait_until(lambda service=service: service.status().phase is Phase.READY)  # type: ignore[misc]
            with running(api_app(service)) as outer:
                told = httpx.post(f"{outer}/v1/completions", json={"prompt": "x"})
                assert told.status_code == status
                assert (told.json()["error"]["code"], told.json()["error"]["param"]) == (code, param)
                assert ("retry-after" in told.headers) == (status != 400)
                # In a chain of playgrounds the error comes within the stream that the outer one reads.
                with connected(f"{outer}/v1") as far, pytest.raises(PlaygroundError) as caught:
                    far.submit(request()).result(5)
                kinds = {400: BackendRefused, 429: Busy, 503: ModelUnavailable}
                assert isinstance(caught.value, kinds[status])


def test_a_kept_alive_connection_that_died_is_replaced_unnoticed() -> None:
    good = events(text_chunk("fine", "stop"))
    calls = []

    def once_broken(handler: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            handler.connection.close()
        else:
            handler.answer(*good)

    assert outcome(once_broken) == "fine"


def test_a_server_that_stops_answering_probes_ends_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen_ui.remote.pool.PROBE_SECONDS", 0.05)
    monkeypatch.setattr("codegen_ui.remote.pool.PROBE_DOWN_SECONDS", 0.05)
    monkeypatch.setattr("codegen_ui.remote.backend.PROBE_TIMEOUT", 0.2)
    port = free_port()
    process = start_inner(port, 0.05)
    try:
        with connected(f"http://127.0.0.1:{port}/v1") as remote:
            generation = remote.submit(request(max_new_tokens=100))
            wait_until(lambda: generation.snapshot().text != "")
            os.kill(process.pid, signal.SIGSTOP)
            with pytest.raises(GenerationFailed, match="does not answer in time"):
                generation.result(10)
            os.kill(process.pid, signal.SIGCONT)
            assert remote.wait_until_up(10) == ""
    finally:
        process.kill()
        process.wait()


def start_inner(port: int, seconds: float) -> subprocess.Popen[bytes]:
    here = Path(__file__).parent
    command = [sys.executable, str(here / "inner_server.py"), str(port), str(seconds)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": f"{here.parent}:{here}"})


def test_killing_and_restarting_the_inner_server_loses_only_its_streams() -> None:
    port = free_port()
    survivor = FakeEngine(tuple(f"    word{number}\n" for number in range(50)), seconds=0.05)
    process = start_inner(port, 0.05)
    with ExitStack() as stack:
        stack.callback(lambda: (process.kill(), process.wait()))  # type: ignore[func-returns-value]
        other = stack.enter_context(running(api_app(serve(survivor))))
        urls = [f"http://127.0.0.1:{port}/v1", f"{other}/v1"]
        service = Service(["fake"], make_loader(urls, "fake"))
        service.start()
        stack.callback(service.close)
        wait_until(lambda: service.status().phase is Phase.READY)
        engine = service.engine()
        assert isinstance(engine, RemoteEngine)
        wait_until(lambda: not engine.down(), 20)
        url = stack.enter_context(running(api_app(service)))
        client = stack.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0))

        def streamed() -> Iterator[str]:
            stream = client.completions.create(model="fake", prompt="x", max_tokens=60, stream=True)
            return (chunk.choices[0].text for chunk in stream)

        streams = [streamed(), streamed()]
        started = [next(stream) for stream in streams]
        assert survivor.active == 1
        process.kill()
        process.wait()
        ends: list[str] = []
        for first, stream in zip(started, streams, strict=True):
            try:
                ends.append(first + "".join(stream))
            except openai.APIError as error:
                ends.append(str(error))
        lost, whole = sorted(ends, key=lambda text: text.startswith("    word0\n"))
        assert "The connection to the backend was lost after" in lost
        assert f"127.0.0.1:{port}" in lost
        assert whole == "".join(survivor.script)
        assert client.completions.create(model="fake", prompt="x", max_tokens=1).choices[0].text == "    word0\n"

        process = start_inner(port, 0.05)
        wait_until(lambda: not engine.down(), 20)

        def shared() -> bool:
            before = len(survivor.requests)
            pair = [streamed(), streamed()]
            assert [next(stream) for stream in pair] == ["    word0\n"] * 2
            return len(survivor.requests) == before + 1

        # Not always at once: a server that has just started may be slow to answer a probe and be passed over again.
        wait_until(shared, 20)


def test_the_api_over_a_remote_engine_answers_as_the_inner_one(remote: RemoteEngine) -> None:
    service = Service(["outer"], lambda name, progress: Loaded(remote))
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY)
    with running(api_app(service)) as url:
        body = {"prompt": "def f(n):", "logprobs": 1, "n": 2, "return_token_ids": True, "max_tokens": 3}
        answer = httpx.post(f"{url}/v1/completions", json=body).json()
        assert [choice["text"] for choice in answer["choices"]] == ["    return n *"] * 2
        assert answer["choices"][0]["token_ids"] == [10, 11, 12]
        assert answer["usage"]["prompt_tokens"] == 2
        assert httpx.post(f"{url}/tokenize", json={"prompt": "a bb"}).json()["tokens"] == [1, 2]
        assert 'codegen:generation_tokens_total{model_name="outer"} 6.0' in httpx.get(f"{url}/metrics").text
        too_long = httpx.post(f"{url}/v1/completions", json={"prompt": "a " * CONTEXT})
        assert too_long.json()["error"]["code"] == "context_length_exceeded"


def test_the_server_is_not_ready_while_every_backend_is_down(inner: FakeEngine) -> None:
    port = free_port()
    with running(api_app(serve(inner)), port) as url:
        service = Service(["inner"], make_loader([f"{url}/v1"], None))
        service.start()
        wait_until(lambda: service.status().phase is Phase.READY)
        with running(api_app(service)) as outer:
            assert httpx.get(f"{outer}/readyz").status_code == 200
    with running(api_app(service)) as outer:
        wait_until(lambda: httpx.get(f"{outer}/readyz").status_code == 503, 30)
        assert f"127.0.0.1:{port}" in httpx.get(f"{outer}/readyz").json()["reason"]
    service.close()
