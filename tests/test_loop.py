"""The event loop carries everybody's streams: nothing that one visitor sends holds it for long."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgi import alive, call
from fake_engine import FakeEngine, serve
from web import page_app

from codegen_ui.collector import spare
from codegen_ui.door.bodies import MAX_BODY_BYTES

LONGEST_SECONDS = 0.02
SIZE = 180_000
PROMPTS = {
    "one line": "x + " * (SIZE // 4),
    "a line of a string": "'" + "\\N{" * (SIZE // 3),
    "nothing but lines": "\n" * SIZE,
    "brackets": "(" * SIZE,
    "an open docstring": '"""' + "word \\\n" * (SIZE // 7),
    "emoji": "\U0001f4a5" * (SIZE // 4),
}


@pytest.fixture(autouse=True)
def spared() -> Iterator[None]:
    """The garbage collector leaves alone what lives on, as in the server; here that is what all tests have made."""
    spare()
    yield
    gc.unfreeze()


@contextmanager
def longest_callback(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Processor seconds of each callback of the loop while this lasts: other work on the machine hardly counts.

    What is to be measured must be a task of its own: of one that runs already nothing may be called back.
    """
    spent: list[float] = []
    original = events.Handle._run

    def timed(handle: Any) -> None:
        begin = time.thread_time()
        original(handle)
        spent.append(time.thread_time() - begin)

    with monkeypatch.context() as patched:
        patched.setattr(events.Handle, "_run", timed)
        yield spent


def make_app(engine: FakeEngine) -> Any:
    service = serve(engine)
    return page_app(service, requests_per_minute=0, per_visitor=0)


async def post(app: Any, path: str, body: dict[str, Any]) -> Any:
    headers = ((b"content-type", b"application/json"),)
    return await call(app, "POST", path, headers=headers, body=json.dumps(body, ensure_ascii=False).encode())


async def generate(app: Any, config: dict[str, Any], prompt: str) -> str:
    """Press Generate and read to the end."""
    names = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    button = [names["cg-generate"], "click"]
    press = next(one for one in config["dependencies"] if button in one["targets"])
    values = {part["id"]: part["props"].get("value") for part in config["components"]}
    data = [prompt, *(values[one] for one in press["inputs"][1:])]
    joined = await post(app, "/gradio_api/queue/join", {"data": data, "fn_index": press["id"], "session_hash": "tab"})
    assert joined.status == 200, joined.body
    read = await call(app, "GET", "/gradio_api/queue/data", query=b"session_hash=tab", stays=True)
    return read.body.decode()


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_huge_prompt_on_the_page(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    app = make_app(FakeEngine(("    pass\n",) * 30, seconds=0.05, context=10**6))

    async def run() -> list[float]:
        async with alive(app):
            config = json.loads((await call(app, "GET", "/config")).body)
            await generate(app, config, "def f():\n")
            with longest_callback(monkeypatch) as spent:
                seen = await asyncio.create_task(generate(app, config, PROMPTS[kind]))
            assert "process_completed" in seen
            assert "pass" in seen
            return spent

    spent = sorted(asyncio.run(run()))
    assert spent[-1] < 3 * LONGEST_SECONDS, spent[-5:]
    assert spent[-3] < LONGEST_SECONDS, spent[-5:]


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [' + b"[]," * 340_000 + b"1]}",
        b'{"data": [' + b"{}," * 340_000 + b"1]}",
        b'{"data": [' + b"1," * 510_000 + b"1]}",
        b'{"prompt": [' + b"1," * 500_000 + b"1]}",
        b'{"prompt": "' + b"\\u00e9" * 170_000 + b'"}',
    ],
    ids=["lists", "objects", "numbers", "token ids", "escapes"],
)
@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/run/predict", "/v1/completions"])
def test_the_largest_body_allowed(monkeypatch: pytest.MonkeyPatch, path: str, body: bytes) -> None:
    assert len(body) <= MAX_BODY_BYTES
    app = make_app(FakeEngine())

    async def run() -> list[float]:
        async with alive(app):
            await call(app, "GET", "/config")
            with longest_callback(monkeypatch) as spent:
                posted = call(app, "POST", path, headers=((b"content-type", b"application/json"),), body=body)
                await asyncio.create_task(posted)
            return spent

    assert max(asyncio.run(run())) < 3 * LONGEST_SECONDS
