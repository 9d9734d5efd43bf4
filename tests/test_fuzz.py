"""Whatever is sent to whatever route: no 5xx but the documented 503, no hang, no traceback, nothing left running.

`--fuzz-cases N` sends more of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from asgi import Answer, alive, call
from fake_engine import FakeEngine, serve
from web import page_app

DEEP = 900
TEXTS = (
    "",
    "\0",
    "\ud800",
    "\u2028\u2029\ufeff",
    "\x1b[31mred\r\nforged=1",
    "<img src=x onerror=alert(1)></textarea><script>alert(1)</script>",
    "{{value}} ${value} {% raw %} #{7*7}",
    "../../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "' OR 1=1 --",
    "http://127.0.0.1:22/",
    "function",
    "x" * 5000,
    "x" * 250_000,
    "'''" * 3000,
    "é\U0001f4a5" * 500,
    "<|endoftext|>",
)
NUMBERS = (0, -1, 1, 2**31, 2**63, 10**400, 0.1, -0.0, 1e308, True)
VALUES: tuple[Any, ...] = (
    None,
    *TEXTS,
    *NUMBERS,
    [],
    {},
    [None] * 50,
    {"__type__": "update", "value": "x"},
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"url": "http://127.0.0.1:22/", "path": "x", "meta": {"_type": "gradio.FileData"}},
    {"__class__": "x", "constructor": {"prototype": {}}, "": []},
    {"index": -1, "kind": "saved", "value": {}},
)
RAW = (
    b"",
    b"{",
    b"null",
    b"[]",
    b"NaN",
    b'{"data": NaN, "fn_index": Infinity}',
    b"\xff\xfe\x00",
    b'"' + b"\\ud800" * 100 + b'"',
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"[" * DEEP + b"]" * DEEP,
    b'{"data": [], "data": {}, "fn_index": 0, "fn_index": "x"}',
    b"1" * 5000,
    b'{"data": [' + b"[]," * 50_000 + b"1]}",
)
READ = (
    "/",
    "/config",
    "/theme.css",
    "/gradio_api/info",
    "/gradio_api/app_id",
    "/gradio_api/startup-events",
    "/gradio_api/queue/data",
    "/gradio_api/heartbeat/{}",
    "/gradio_api/call/generate/{}",
    "/assets/{}",
    "/static/{}",
    "/own/{}",
    "/pwa_icon/{}",
    "/gradio_api/{}",
    "/gradio_api/file={}",
    "/{}",
    "/v1/models/{}",
    "/healthz",
    "/metrics",
)
WRITE = (
    "/gradio_api/queue/join",
    "/gradio_api/run/predict",
    "/gradio_api/reset",
    "/gradio_api/cancel",
    "/gradio_api/call/generate",
    "/v1/completions",
    "/tokenize",
)
FIELDS = ("data", "fn_index", "session_hash", "event_data", "event_id", "trigger_id", "batched", "simple_format")
API_FIELDS = ("prompt", "model", "max_tokens", "stop", "n", "stream", "seed", "logprobs", "stop_at", "temperature")
HEADERS = (
    b"cookie",
    b"accept-language",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"authorization",
    b"origin",
    b"range",
)
JSON = (b"content-type", b"application/json")


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


class Corpus:
    """Requests as (method, path, query, headers, body), at random by a number and without end."""

    def __init__(self, config: dict[str, Any], seed: int) -> None:
        self._random = random.Random(seed)
        self._functions = [(one["id"], len(one["inputs"])) for one in config["dependencies"]]

    def __iter__(self) -> Iterator[tuple[str, str, bytes, tuple[tuple[bytes, bytes], ...], bytes]]:
        while True:
            yield self._random.choice((self._read, self._write, self._write, self._fill, self._fill, self._raw))()

    def _value(self) -> Any:
        return self._random.choice(VALUES)

    def _text(self) -> str:
        return self._random.choice(TEXTS)

    def _headers(self) -> tuple[tuple[bytes, bytes], ...]:
        if self._random.random() < 0.7:
            return (JSON,)
        odd = self._text()[:3000].encode("utf-8", "surrogatepass").translate(None, b"\0\r\n")
        return ((self._random.choice(HEADERS), odd), *self._random.choice(((JSON,), ())))

    def _read(self) -> tuple[str, str, bytes, tuple[tuple[bytes, bytes], ...], bytes]:
        path = self._random.choice(READ).format(self._text()[:2000])
        query = b"session_hash=" + self._text()[:2000].encode("utf-8", "surrogatepass")
        return self._random.choice(("GET", "HEAD", "OPTIONS", "DELETE")), path, query, self._headers(), b""

    def _write(self) -> tuple[str, str, bytes, tuple[tuple[bytes, bytes], ...], bytes]:
        """Any fields with any values."""
        path = self._random.choice(WRITE)
        names = API_FIELDS if path in ("/v1/completions", "/tokenize") else FIELDS
        body = {name: self._value() for name in self._random.sample(names, self._random.randint(0, len(names)))}
        return "POST", path, b"", self._headers(), encode(body)

    def _fill(self) -> tuple[str, str, bytes, tuple[tuple[bytes, bytes], ...], bytes]:
        """As the page sends it, but for the values of its widgets."""
        function, inputs = self._random.choice(self._functions)
        path = self._random.choice(("/gradio_api/run/predict", "/gradio_api/queue/join"))
        values = [self._value() for _ in range(inputs)]
        body = {"data": values, "fn_index": function, "session_hash": f"tab{self._random.randint(0, 50)}"}
        if self._random.random() < 0.3:
            body["event_data"] = self._value()
        return "POST", path, b"", (JSON,), encode(body)

    def _raw(self) -> tuple[str, str, bytes, tuple[tuple[bytes, bytes], ...], bytes]:
        return "POST", self._random.choice(WRITE), b"", self._headers(), self._random.choice(RAW)


def fault_of(answer: Answer) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if answer.status == 0:
        return "no answer"
    if answer.status >= 500 and answer.status != 503:
        return f"status {answer.status}: {answer.body[:200]!r}"
    if b"Traceback (most recent call last)" in answer.body or b'File "/' in answer.body:
        return f"a traceback: {answer.body[:200]!r}"
    return "" if answer.headers.get("x-content-type-options") == "nosniff" else "no security headers"


def test_a_corpus_of_hostile_inputs_at_every_route(request: pytest.FixtureRequest) -> None:
    wanted = request.config.getoption("--fuzz-cases")
    engine = FakeEngine(("one", " two"))
    service = serve(engine)
    app = page_app(service, requests_per_minute=0, per_visitor=0)
    faults: Counter[str] = Counter()
    seen: Counter[int] = Counter()
    examples: dict[str, Any] = {}

    async def run() -> None:
        async with alive(app):
            config = json.loads((await call(app, "GET", "/config")).body)
            corpus = iter(Corpus(config, 1))
            for _number in range(wanted):
                method, path, query, headers, body = next(corpus)
                try:
                    answer = await call(app, method, path, query=query, headers=headers, body=body)
                    fault = fault_of(answer)
                    seen[answer.status] += 1
                except Exception as error:  # noqa: BLE001 -- that is what is looked for
                    fault = f"{type(error).__name__}: {str(error)[:100]}"
                if fault:
                    kind = f"{method} {path[:40]} {fault[:120]}"
                    faults[kind] += 1
                    examples.setdefault(kind, (headers, body[:300]))
            until = time.monotonic() + 20
            while engine.active and time.monotonic() < until:
                await asyncio.sleep(0.01)

    asyncio.run(run())
    worst = [f"{count} x {kind}: {examples[kind]}" for kind, count in faults.most_common(8)]
    assert faults.total() == 0, "\n".join([f"{faults.total()} of {wanted}", *worst])
    assert engine.active == 0
    assert {200, 400, 404} <= set(seen), seen
