"""The completions API, through the real `openai` client and curl against a real server."""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fake_engine import CONTEXT, FakeEngine, FakeGeneration, serve, wait_until
from fastapi import FastAPI
from web import api_app, running

from codegen_ui import api
from codegen_ui.api.schemas import CompletionBody, CompletionResponse
from codegen_ui.door.gate import read_keys
from codegen_ui.errors import Busy, InvalidInput
from codegen_ui.generation import Engine, EngineStats, ModelInfo
from codegen_ui.request import GenerationRequest, StopAt
from codegen_ui.service import Loaded, Service

SCRIPT = ("    return", " n", " *", " 2", "\n")
TEXT = "".join(SCRIPT)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    engine = FakeEngine(SCRIPT)
    yield engine
    engine.close()


@pytest.fixture
def url(engine: FakeEngine) -> Iterator[str]:
    with running(api_app(serve(engine))) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=20) as client:
        yield client


def sse(text: str) -> list[str]:
    """The data of every server-sent event."""
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


def post(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/completions", json={"model": "fake", "prompt": "def f(n):", **body}, timeout=20)


def test_a_prompt_is_completed_and_its_tokens_are_counted(client: openai.OpenAI, engine: FakeEngine) -> None:
    completion = client.completions.create(model="fake", prompt="def f(n):", temperature=0, seed=5)
    assert completion.choices[0].text == TEXT
    assert completion.choices[0].finish_reason == "stop"
    assert completion.object == "text_completion"
    assert completion.model == "fake"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (2, len(SCRIPT) + 1)
    assert completion.usage.total_tokens == 3 + len(SCRIPT)
    [request] = engine.requests
    assert (request.max_new_tokens, request.stop_at) == (16, StopAt.EOS)
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.seed) == (0, 1, 5)


def test_a_stream_has_a_chunk_a_token_then_the_reason_then_done(url: str) -> None:
    events = sse(post(url, stream=True, max_tokens=3).text)
    assert events[-1] == "[DONE]"
    chunks = [CompletionResponse.model_validate_json(event) for event in events[:-1]]
    assert [chunk.choices[0].text for chunk in chunks] == [*SCRIPT[:3], ""]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "length"]
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_client_streams_while_the_model_still_generates(url: str, engine: FakeEngine) -> None:
    engine.seconds = 0.05
    with openai.OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        stream = client.completions.create(
            model="fake", prompt="x", stream=True, stream_options={"include_usage": True}
        )
        first = next(iter(stream))
        assert first.choices[0].text == SCRIPT[0]
        assert engine.active == 1
        rest = list(stream)
    assert first.choices[0].text + "".join(c.choices[0].text for c in rest if c.choices) == TEXT
    assert rest[-1].choices == []
    assert rest[-1].usage is not None
    assert rest[-1].usage.completion_tokens == len(SCRIPT) + 1


async def stream_text(client: openai.AsyncOpenAI, prompt: str) -> str:
    stream = await client.completions.create(model="fake", prompt=prompt, stream=True)
    return "".join([chunk.choices[0].text async for chunk in stream])


@pytest.mark.asyncio
async def test_the_async_client_runs_several_streams_at_once(url: str) -> None:
    import asyncio

    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        texts = await asyncio.gather(*(stream_text(client, f"prompt {i}") for i in range(5)))
        models = await client.models.list()
    assert texts == [TEXT] * 5
    assert [model.id for model in models.data] == ["fake"]


@pytest.mark.parametrize("stream", [False, True])
def test_every_prompt_gets_n_choices_each_with_its_own_random_stream(
    client: openai.OpenAI, engine: FakeEngine, stream: bool
) -> None:
    answer: Any = client.completions.create(model="fake", prompt=["a", "b"], n=2, seed=3, stream=stream)
    texts: dict[int, str] = {}
    for part in answer if stream else [answer]:
        for choice in part.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert texts == dict.fromkeys(range(4), TEXT)
    assert [request.prompt for request in engine.requests] == ["a", "a", "b", "b"]
    assert [request.sampling.sample_index for request in engine.requests] == [0, 1, 0, 1]


def test_prompts_may_be_token_ids(client: openai.OpenAI, engine: FakeEngine) -> None:
    client.completions.create(model="fake", prompt=[5, 6, 7])
    client.completions.create(model="fake", prompt=[[5, 6], [7]])
    assert [request.prompt for request in engine.requests] == [(5, 6, 7), (5, 6), (7,)]


def test_logprobs_name_each_token_with_its_likeliest_rivals(client: openai.OpenAI) -> None:
    completion = client.completions.create(model="fake", prompt="x", logprobs=2, max_tokens=3)
    found = completion.choices[0].logprobs
    assert found is not None
    assert found.tokens == list(SCRIPT[:3])
    assert found.token_logprobs == [-0.25] * 3
    assert found.top_logprobs is not None
    assert found.top_logprobs[0] == {"alt0": -1.0, "alt1": -2.0, SCRIPT[0]: -0.25}
    assert found.text_offset == [0, len(SCRIPT[0]), len(SCRIPT[0] + SCRIPT[1])]


def test_a_streams_logprobs_are_those_of_the_whole_answer(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="fake", prompt="x", logprobs=1).choices[0].logprobs
    parts = [
        chunk.choices[0].logprobs
        for chunk in client.completions.create(model="fake", prompt="x", logprobs=1, stream=True)
        if chunk.choices[0].logprobs is not None
    ]
    assert whole is not None
    assert [token for part in parts for token in part.tokens or []] == whole.tokens
    assert [offset for part in parts for offset in part.text_offset or []] == whole.text_offset


@pytest.mark.parametrize("stream", [False, True])
def test_echo_puts_the_prompt_first(client: openai.OpenAI, stream: bool) -> None:
    answer: Any = client.completions.create(model="fake", prompt="def f(n):\n", echo=True, stream=stream)
    parts = answer if stream else [answer]
    assert "".join(part.choices[0].text for part in parts) == "def f(n):\n" + TEXT


def test_stop_strings_end_the_text_before_them(client: openai.OpenAI) -> None:
    completion = client.completions.create(model="fake", prompt="x", stop=[" *", "never"])
    assert completion.choices[0].text == "    return n"
    assert completion.choices[0].finish_reason == "stop"


def test_the_answer_says_which_rule_ended_it(url: str) -> None:
    def detail(**body: Any) -> tuple[str, str]:
        choice = post(url, **body).json()["choices"][0]
        return choice["finish_reason"], choice["finish_detail"]

    assert detail() == ("stop", "eos")
    assert detail(stop="*") == ("stop", "stop")
    assert detail(max_tokens=2) == ("length", "length")
    assert detail(ignore_eos=True, max_tokens=20) == ("length", "length")


def test_vllms_extras_reach_the_engine(client: openai.OpenAI, engine: FakeEngine) -> None:
    extras = {"top_k": -1, "min_p": 0.1, "repetition_penalty": 1.2, "stop_at": "function"}
    client.completions.create(model="fake", prompt="x", top_p=0.9, extra_body=extras)
    sampling = engine.requests[0].sampling
    assert (sampling.top_k, sampling.min_p, sampling.repetition_penalty, sampling.top_p) == (0, 0.1, 1.2, 0.9)
    assert engine.requests[0].stop_at is StopAt.FUNCTION


def test_token_ids_are_told_when_asked_for(url: str) -> None:
    choice = post(url, return_token_ids=True, max_tokens=2).json()["choices"][0]
    assert (choice["token_ids"], choice["prompt_token_ids"]) == ([10, 11], [3, 5])
    chunks = [json.loads(event) for event in sse(post(url, return_token_ids=True, max_tokens=2, stream=True).text)[:-1]]
    assert [chunk["choices"][0].get("token_ids") for chunk in chunks] == [[10], [11], None]


def test_every_chunk_tells_the_usage_so_far_when_asked_to(url: str) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = [json.loads(event) for event in sse(post(url, stream=True, stream_options=options).text)[:-1]]
    assert all("usage" in chunk for chunk in chunks)
    assert chunks[-1]["usage"]["completion_tokens"] == len(SCRIPT) + 1


def test_usage_on_the_way_counts_what_was_sent_of_every_choice(url: str, engine: FakeEngine) -> None:
    """Several tokens of one step exist before the first of them is sent."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    text = post(url, stream=True, stream_options=options, n=2).text
    chunks = [json.loads(event) for event in sse(text)[:-1]]
    *parts, last = chunks
    tokens = [0 if part["choices"][0]["finish_reason"] else 1 for part in parts]
    assert [part["usage"]["completion_tokens"] for part in parts] == list(itertools.accumulate(tokens))
    assert last["usage"]["completion_tokens"] == 2 * (len(SCRIPT) + 1)


def test_usage_on_the_way_needs_usage_to_be_asked_for(url: str) -> None:
    events = sse(post(url, stream=True, stream_options={"continuous_usage_stats": True}).text)[:-1]
    assert all("usage" not in json.loads(event) for event in events)


def test_the_log_names_a_completion_as_its_answer_does(
    url: str, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "codegen_ui.requests"):
        answer = post(url).json()["id"].removeprefix("cmpl-")
        wait_until(lambda: any(f"id=gen-{answer} " in record.getMessage() for record in caplog.records))
    assert engine.generations[0].id == f"gen-{answer}"


@pytest.mark.parametrize(
    ("param", "body", "words"),
    [
        ("n", {"n": 4}, "n: 4 is not allowed; it must be at most 3 completions a request (generated at"),
        ("n", {"n": 2, "prompt": ["a", "b"]}, "n: 2 for each of 2 prompts is not allowed"),
        ("prompt", {"prompt": list("abcd")}, "prompt: a list of 4 prompts is not allowed; it must be at most 3"),
    ],
)
def test_more_choices_than_the_server_can_ever_take_are_no_reason_to_try_again(
    url: str, engine: FakeEngine, param: str, body: dict[str, Any], words: str
) -> None:
    def submit(request: GenerationRequest) -> FakeGeneration:
        """One slot and two that wait."""
        if engine.active >= 3:
            raise Busy(2)
        return take(request)

    take, engine.seconds = engine.submit, 30
    engine.submit = submit  # type: ignore[method-assign]
    response = post(url, **body)
    assert response.status_code == 400
    assert "retry-after" not in response.headers
    assert response.json()["error"]["param"] == param
    assert words in response.json()["error"]["message"]
    wait_until(lambda: engine.active == 0)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"temperature": -1}, "temperature", "temperature: -1 is not allowed; it must be a number from 0 to 5."),
        ({"temperature": True}, "temperature", "temperature: True is not allowed; it must be a number from 0 to 5."),
        ({"temperature": "0.5"}, "temperature", "temperature: '0.5' is not allowed"),
        ({"top_p": 0}, "top_p", "top_p: 0 is not allowed; it must be a number above 0 to 1."),
        ({"min_p": 1}, "min_p", "min_p: 1 is not allowed; it must be a number from 0 and below 1."),
        ({"max_tokens": 0}, "max_tokens", "max_tokens: 0 is not allowed; it must be a whole number from 1 to 2047."),
        ({"max_tokens": "9"}, "max_tokens", "max_tokens: '9' is not allowed; it must be a whole number from 1"),
        ({"n": 99}, "n", "n: 99 is not allowed; it must be a whole number from 1 to 16."),
        ({"n": 16, "prompt": ["a"] * 5}, "prompt", "exceed 64"),
        ({"logprobs": 6}, "logprobs", "logprobs: 6 is not allowed; it must be a whole number from 0 to 5."),
        ({"stream": "yes"}, "stream", "stream: 'yes' is not allowed; it must be true or false."),
        ({"stop": list("abcde")}, "stop", "a list of up to 4 strings of 1 to 200 characters."),
        ({"stop": [""]}, "stop", "stop: [''] is not allowed; it must be a string of 1 to 200 characters or a list"),
        ({"stop": ""}, "stop", "stop: '' is not allowed; it must be a string of 1 to 200 characters or a list"),
        ({"stop": 5}, "stop", "stop: 5 is not allowed; it must be a string of 1 to 200 characters or a list of up"),
        ({"stop_at": "end"}, "stop_at", "'end' is not allowed; it must be one of function, paper, eos, length."),
        ({"prompt": ""}, "prompt", "at least one character"),
        ({"prompt": []}, "prompt", "at least one element"),
        ({"prompt": [[]]}, "prompt", "at least one token"),
        ({"prompt": [1, "a"]}, "prompt", "prompt: [1, 'a'] is not allowed; it must be a string of 1 to 200,000"),
        ({"prompt": {"str": 1}}, "prompt", "a list of token ids or a list of lists of token ids."),
        ({"prompt": "a\0b"}, "prompt", "NUL"),
        ({"prompt": None}, "prompt", "prompt: None is not allowed; it must be a string"),
        ({"prompt": "x" * 200_001}, "prompt", "'a text of 200,001 characters' is not allowed"),
        ({"seed": -1}, "seed", "seed: -1 is not allowed; it must be a whole number from 0 to 9223372036854775807."),
        ({"seed": 10**100}, "seed", "000… is not allowed"),
        ({"logit_bias": {"5": "x"}}, "logit_bias", "logit_bias: {'5': 'x'} is not allowed; it must be an object."),
        ({"stream_options": 5}, "stream_options", "it must be an object (StreamOptions)."),
        ({"stream_options": {"foo": 1}}, "stream_options.foo", "Unrecognized request argument supplied: stream_"),
        (
            {"stream_options": {"include_usage": "y"}},
            "stream_options.include_usage",
            "stream_options.include_usage: 'y' is not allowed; it must be true or false.",
        ),
        ({"suffix": "end"}, "suffix", "not supported"),
        ({"best_of": 3}, "best_of", "not supported"),
        ({"presence_penalty": 0.5}, "presence_penalty", "not supported"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "not supported"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "not supported"),
        ({"echo": True, "logprobs": 1}, "echo", "not supported"),
        ({"echo": True, "prompt": [1, 2]}, "echo", "token ids"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "stream"),
        ({"grammar": "x"}, "grammar", "Unrecognized request argument"),
        ({"prompt": "word " * CONTEXT}, "prompt", f"maximum context length is {CONTEXT}"),
    ],
)
def test_what_is_wrong_is_named_in_openais_shape(
    url: str, engine: FakeEngine, body: dict[str, Any], param: str, words: str
) -> None:
    response = post(url, **body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert words in error["message"]
    assert engine.requests == []


def post_raw(url: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
    return httpx.post(f"{url}/v1/completions", content=content, headers={"Content-Type": content_type}, timeout=20)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"prompt": "\\ud800"}', "lone surrogate"),
        (b'{"prompt": ', "Expecting value at line 1, column 12"),
        (b'{"prompt": "\xff"}', "byte 0xff at position 12 is not UTF-8"),
        (b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"prompt": ' + b"[" * 800 + b"]" * 800 + b"}", "it must be a string"),
        (b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}", "a number of more than 4,300 digits"),
        (b'{"prompt": "x", "temperature": NaN}', "temperature: nan is not allowed; it must be a number from 0 to 5"),
        (b'{"prompt": "x", "max_tokens": Infinity}', "max_tokens: inf is not allowed"),
        (b'{"prompt": "x", "\\ud800": 1}', "names: '\\ud800' is not allowed; it must be text that can be"),
        (b'{"prompt": "x", "stop": "\\ud800"}', "stop: '\\ud800' is not allowed; it must be text that can be written"),
        (b'{"prompt": "x", "' + b"y" * 1000 + b'": 1}', "yyy…"),
        (b"[1]", "must be a JSON object, sent with 'Content-Type: application/json'; [1] is not allowed"),
        (b"", "an empty body"),
        (b"null", "null is not allowed"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_what_is_wrong_with_it(url: str, content: bytes, words: str) -> None:
    response = post_raw(url, content)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]
    assert len(error["message"]) < 400


def test_a_body_of_another_type_is_told_the_type_that_is_wanted(url: str) -> None:
    response = post_raw(url, b'{"prompt": "x"}', "text/plain")
    assert response.status_code == 400
    assert "'Content-Type: application/json'; its Content-Type is text/plain" in response.json()["error"]["message"]


def test_null_is_the_default_wherever_there_is_one(url: str, engine: FakeEngine) -> None:
    names = set(CompletionBody.model_fields) - {"prompt", "model"}
    assert post(url, **dict.fromkeys(names)).status_code == 200
    assert post(url, stream=True, stream_options={"include_usage": None}).status_code == 200
    assert post(url).status_code == 200
    nulls, _, defaults = engine.requests
    assert nulls == defaults
    assert nulls.max_new_tokens == 16


def test_values_that_change_nothing_are_accepted(client: openai.OpenAI) -> None:
    completion = client.completions.create(
        model="fake",
        prompt="x",
        best_of=1,
        presence_penalty=0,
        frequency_penalty=0,
        logit_bias={},
        suffix="",
        user="me",
    )
    assert completion.choices[0].text == TEXT


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-9") as caught:
        client.completions.create(model="gpt-9", prompt="x")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_a_model_tells_its_context_and_what_really_runs(client: openai.OpenAI) -> None:
    model = client.models.retrieve("fake").model_dump()
    assert (model["id"], model["root"], model["max_model_len"], model["status"]) == ("fake", "fake", CONTEXT, "ready")


def test_a_slash_after_the_models_is_the_list_too(url: str) -> None:
    assert httpx.get(f"{url}/v1/models/").json() == httpx.get(f"{url}/v1/models").json()


def test_the_models_say_how_exact_their_tokens_are(url: str) -> None:
    assert httpx.get(f"{url}/v1/models/fake").json()["exactness"].startswith("float32: greedy tokens identical")


def test_a_model_whose_backend_is_down_is_not_called_ready(url: str, engine: FakeEngine) -> None:
    engine.stats = lambda: EngineStats(unavailable="gpu-box:8000 does not answer")  # type: ignore[method-assign]
    engine.encode = engine.count_tokens = lambda text: None  # type: ignore[assignment, method-assign]
    card = httpx.get(f"{url}/v1/models/fake").json()
    assert (card["status"], card["notice"]) == ("unavailable", "gpu-box:8000 does not answer")
    response = httpx.post(f"{url}/tokenize", json={"prompt": "x"})
    assert response.status_code == 503
    assert "gpu-box:8000 does not answer" in response.json()["error"]["message"]


def test_a_backend_that_counts_no_tokens_says_so(url: str, engine: FakeEngine) -> None:
    engine.encode = engine.count_tokens = lambda text: None  # type: ignore[assignment, method-assign]
    assert httpx.post(f"{url}/tokenize", json={"prompt": "x"}).status_code == 501


def test_names_with_slashes_are_found(engine: FakeEngine) -> None:
    with running(api_app(serve(engine, "Salesforce/codegen-350M-mono"))) as url:
        assert httpx.get(f"{url}/v1/models/Salesforce/codegen-350M-mono").json()["object"] == "model"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v1/chat/completions", 404, "use /v1/completions"),
        ("GET", "/v1/nothing", 404, "Unknown request URL: GET /v1/nothing"),
        ("GET", "/v1/completions", 405, "use POST"),
        ("POST", "/v1/models", 405, "use GET"),
        ("OPTIONS", "/v1/completions", 405, "use POST"),
    ],
)
def test_unknown_routes_are_refused_in_openais_shape(url: str, method: str, path: str, status: int, words: str) -> None:
    response = httpx.request(method, url + path)
    assert response.status_code == status
    assert words in response.json()["error"]["message"]


def test_a_full_queue_is_429_with_a_time_to_retry_and_leaves_nothing_running(url: str, engine: FakeEngine) -> None:
    engine.max_active, engine.seconds = 1, 30
    response = post(url, n=2)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["error"]["code"] == "queue_full"
    wait_until(lambda: engine.active == 0)


def test_while_the_model_loads_the_answer_is_503() -> None:
    service = Service(["slow"], lambda name, progress: Loaded(wait_forever()))
    service.start()
    with running(api_app(service)) as url:
        response = post(url, model="slow")
        assert httpx.get(f"{url}/v1/models").json()["data"][0]["status"] == "loading"
    assert response.status_code == 503
    assert "still loading" in response.json()["error"]["message"]
    assert "retry-after" in response.headers


def wait_forever() -> Engine:
    time.sleep(3600)
    raise AssertionError


def test_a_failing_engine_is_a_500_and_within_a_stream_an_event(url: str, engine: FakeEngine) -> None:
    engine.fail_after = 2
    response = post(url)
    assert response.status_code == 500
    assert "as it was told to" in response.json()["error"]["message"]
    events = sse(post(url, stream=True).text)
    assert "as it was told to" in json.loads(events[-2])["error"]["message"]
    assert events[-1] == "[DONE]"
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
        pytest.raises(openai.APIError, match="as it was told to"),
    ):
        list(client.completions.create(model="fake", prompt="x", stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_frees_its_slot(url: str, engine: FakeEngine, stream: bool) -> None:
    engine.seconds = 0.05
    body = json.dumps({"model": "fake", "prompt": "x", "stream": stream, "ignore_eos": True, "max_tokens": 100, "n": 2})
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        connection.sendall(f"{head}\r\n\r\n{body}".encode())
        wait_until(lambda: engine.active == 2)
        if stream:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    hung_up = time.monotonic()
    wait_until(lambda: engine.active == 0)
    assert time.monotonic() - hung_up < 1
    assert all(generation.cancelled.is_set() for generation in engine.generations)


def test_a_stream_that_waits_is_kept_alive_by_comments(
    url: str, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codegen_ui.api.completions.HEARTBEAT_SECONDS", 0.05)
    engine.seconds = 0.2
    text = post(url, stream=True, max_tokens=1).text
    assert text.startswith(": waiting\n\n")
    assert sse(text)[-1] == "[DONE]"


def test_a_body_over_the_limit_is_refused_declared_or_not(url: str, engine: FakeEngine) -> None:
    body = b'{"prompt": "' + b"x" * 5_000_000 + b'"}'

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    for content in (body, chunks()):
        try:
            response = httpx.post(
                f"{url}/v1/completions", content=content, headers={"Content-Type": "application/json"}
            )
        except httpx.WriteError:
            continue  # The server answered and closed before everything was sent, as it may.
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "body_too_large"
    assert engine.requests == []


def test_keys_are_asked_for_everywhere_but_at_the_operators_routes(engine: FakeEngine) -> None:
    with running(api_app(serve(engine), {"sk-one", "sk-two"})) as url:
        for path in ("/v1/models", "/v1/models/fake", "/v1/other"):
            assert httpx.get(url + path).status_code == 401
        response = httpx.post(f"{url}/v1/completions", content=b"no json")
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        for wrong in ("Bearer", "Bearer sk-on", "Basic sk-one", "Bearer sk-one2", "Bearer schl\xfcssel"):
            headers = [(b"Authorization", wrong.encode("latin-1"))]
            assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 401
        with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-two") as client:
            assert client.completions.create(model="fake", prompt="x").choices[0].text == TEXT
        assert httpx.get(f"{url}/healthz").status_code == 200
    assert engine.requests[0].visitor.startswith("key-")
    assert "sk-two" not in engine.requests[0].visitor


def test_a_key_file_has_one_key_a_line_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# the editors\nsk-one\n\n  sk-two  \n")
    assert read_keys(file) == frozenset({"sk-one", "sk-two"})
    assert read_keys(None) is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "two words\n", "schlüssel\n"])
def test_a_key_file_without_usable_keys_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(InvalidInput, match="api_key_file"):
        read_keys(file)
    with pytest.raises(InvalidInput, match="readable"):
        read_keys(tmp_path / "missing")


def test_texts_are_counted_as_vllm_does(url: str) -> None:
    found = httpx.post(f"{url}/tokenize", json={"prompt": "def f(n):"}).json()
    assert found == {"count": 2, "max_model_len": CONTEXT, "tokens": [3, 5]}
    assert httpx.get(f"{url}/tokenize").status_code == 405


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sees_a_stream_too(url: str) -> None:
    body = '{"model": "fake", "prompt": "def f(n):", "stream": true}'
    command = ["curl", "-sSN", f"{url}/v1/completions", "-H", "Content-Type: application/json", "-d", body]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    assert "".join(json.loads(event)["choices"][0]["text"] for event in sse(answer)[:-1]) == TEXT
    without_type = ["curl", "-sS", f"{url}/v1/completions", "-d", body]
    answer = subprocess.run(without_type, capture_output=True, text=True, check=True, timeout=20).stdout
    assert "application/json" in json.loads(answer)["error"]["message"]


def test_the_description_lists_every_argument_and_only_what_is_there(url: str) -> None:
    schema = httpx.get(f"{url}/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/completions", "/v1/models", "/v1/models/{model}", "/tokenize", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    fields = schema["components"]["schemas"]["CompletionBody"]["properties"]
    assert fields["max_tokens"]["default"] == 16
    assert fields["stop_at"]["default"] == "eos"
    assert all("description" in field for name, field in fields.items())
    page = httpx.get(f"{url}/docs").text
    assert "repetition_penalty" in page
    assert "://" not in page
    assert "<script" not in page


def statuses(schema: dict[str, Any], path: str) -> set[str]:
    [operation] = schema["paths"][path].values()
    return set(operation["responses"])


def test_the_description_lists_the_statuses_that_are_sent(url: str) -> None:
    schema = httpx.get(f"{url}/openapi.json").json()
    assert statuses(schema, "/v1/completions") == {"200", "400", "401", "404", "413", "429", "500", "503"}
    assert statuses(schema, "/v1/models") == {"200", "401"}
    assert statuses(schema, "/v1/models/{model}") == {"200", "401", "404"}
    assert statuses(schema, "/tokenize") == {"200", "400", "401", "404", "413", "501", "503"}
    assert "HTTPValidationError" not in json.dumps(schema)
    page = httpx.get(f"{url}/docs").text
    assert "<td>429<td>The queue is full" in page
    assert '<a href="#ProblemResponse">' in page


def test_the_description_tells_the_limits_as_they_are(url: str) -> None:
    schema = httpx.get(f"{url}/openapi.json").json()
    fields = schema["components"]["schemas"]["CompletionBody"]["properties"]
    assert fields["seed"]["anyOf"][0]["maximum"] == 2**63 - 1
    assert fields["max_tokens"]["anyOf"] == [{"type": "integer", "minimum": 1, "maximum": 2047}, {"type": "null"}]
    page = httpx.get(f"{url}/docs").text
    for words in (
        "a whole number from 1 to 2047 or null",
        "a whole number from 0 to 9223372036854775807",
        "a number above 0 to 1",
        "a string of 1 to 200,000 characters",
        "a list of up to 4 strings of 1 to 200 characters",
        "up to 64 a request",
        "Default: false.",
        "one of function, paper, eos, length",
    ):
        assert words in page, words


def test_the_description_asks_for_a_key_only_where_the_server_does(engine: FakeEngine) -> None:
    def described(keys: set[str] | None) -> dict[str, Any]:
        with running(api_app(serve(engine), keys)) as url:
            found: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
            return found

    assert "securitySchemes" not in described(None)["components"]
    closed = described({"sk-one"})
    assert closed["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    asking = [path for path, methods in closed["paths"].items() if any("security" in o for o in methods.values())]
    assert asking == ["/v1/completions", "/v1/models", "/v1/models/{model}", "/tokenize"]


def test_behind_a_proxy_the_description_has_its_prefix(engine: FakeEngine) -> None:
    app = FastAPI(docs_url=None, redoc_url=None)
    api.register(app, serve(engine), root_path="/playground")
    assert app.openapi()["servers"] == [{"url": "/playground"}]


def test_the_log_has_one_line_a_request_and_no_prompt_unless_asked(
    engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    secret = 'secret\nline "quoted"'

    def lines(log_prompts: bool) -> list[str]:
        caplog.clear()
        with (
            caplog.at_level("INFO", "codegen_ui.requests"),
            running(api_app(serve(engine), log_prompts=log_prompts)) as url,
        ):
            post(url, prompt=secret)
            wait_until(lambda: any(record.name == "codegen_ui.requests" for record in caplog.records))
        return [record.getMessage() for record in caplog.records if record.name == "codegen_ui.requests"]

    [line] = lines(False)
    assert "outcome=eos" in line
    assert f"output_tokens={len(SCRIPT) + 1}" in line
    assert "secret" not in line
    [line] = lines(True)
    assert "secret\\nline" in line
    assert "\n" not in line


def test_what_no_engine_took_is_logged_too(engine: FakeEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.max_active = 0
    with caplog.at_level("INFO", "codegen_ui.requests"), running(api_app(serve(engine))) as url:
        post(url)
    [line] = [record.getMessage() for record in caplog.records if record.name == "codegen_ui.requests"]
    assert line.startswith("refused model=fake")
    assert "queue is full" in line


def test_the_server_answers_others_while_an_engine_is_slow_to_take_a_request(engine: FakeEngine) -> None:
    count: Callable[[str], int | None] = engine.count_tokens

    def slow(text: str) -> int | None:
        time.sleep(1)
        return count(text)

    engine.count_tokens = slow  # type: ignore[method-assign]
    with running(api_app(serve(engine))) as url, httpx.Client() as client:
        with client.stream("GET", f"{url}/healthz"):
            pass
        import threading

        thread = threading.Thread(target=post, args=(url,))
        thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        assert client.get(f"{url}/healthz").status_code == 200
        assert time.monotonic() - started < 0.5
        thread.join()


def test_the_fingerprint_says_what_really_ran(url: str, engine: FakeEngine) -> None:
    engine.info = ModelInfo("bundled", "CodeGenForCausalLM", CONTEXT, dtype="float32", quantize="int8", device="cpu")
    assert post(url).json()["system_fingerprint"] == "bundled/float32/int8/cpu"
