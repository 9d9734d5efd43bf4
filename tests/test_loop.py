"""The event loop carries everybody's streams: nothing that one visitor sends holds it for long."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from asgi import alive, call
from fake_engine import FakeEngine, serve
from web import page_app

from codegen_ui.collector import spare
from codegen_ui.door.bodies import MAX_BODY_BYTES

LONGEST_SECONDS = 0.02
"""On an ordinary machine, which does the work of `reference` in `REFERENCE_SECONDS`; one that is slower has longer."""
REFERENCE_SECONDS = 0.015
NUMBERS, NESTED = 300_000, "[" + "[]," * 100_000 + "1]"
SIZE = 180_000
PROMPTS = {
    "one line": "x + " * (SIZE // 4),
    "a line of a string": "'" + "\\N{" * (SIZE // 3),
    "nothing but lines": "\n" * SIZE,
    "brackets": "(" * SIZE,
    "an open docstring": '"""' + "word \\\n" * (SIZE // 7),
    "emoji": "\U0001f4a5" * (SIZE // 4),
}


@dataclass(frozen=True)
class Served:
    """The page and the API, and the loop in which they live."""

    app: Any
    loop: asyncio.AbstractEventLoop

    def within(self, monkeypatch: pytest.MonkeyPatch, doing: Coroutine[Any, Any, Any]) -> tuple[Any, list[float]]:
        """What comes of it, and the processor seconds of each callback meanwhile."""

        async def run() -> tuple[Any, list[float]]:
            with longest_callback(monkeypatch) as spent:
                return await asyncio.create_task(doing), spent

        return self.loop.run_until_complete(run())


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """After a first run, in which everything was loaded.

    The garbage collector leaves alone what lives on, as in the server; here that is what all tests have made.
    """
    service = serve(FakeEngine(("    pass\n",) * 30, seconds=0.05, context=10**6))
    app = page_app(service, requests_per_minute=0, per_visitor=0)
    loop = asyncio.new_event_loop()
    life = alive(app)
    loop.run_until_complete(life.__aenter__())
    loop.run_until_complete(generate(app, "def f():\n"))
    spare()
    yield Served(app, loop)
    gc.unfreeze()
    loop.run_until_complete(life.__aexit__(None, None, None))
    waiting = asyncio.all_tasks(loop)  # Gradio's, which asyncio.run would end so as well
    for task in waiting:
        task.cancel()
    loop.run_until_complete(asyncio.wait(waiting))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def reference() -> float:
    """Processor seconds that this thread needs, now, for what callbacks do: some of Python's steps, some objects."""
    return statistics.median(once() for _ in range(5))


def once() -> float:
    begin = time.thread_time()
    sum(number for number in range(NUMBERS))
    json.loads(NESTED)
    return time.thread_time() - begin


@contextmanager
def longest_allowed() -> Iterator[Callable[[], float]]:
    """Gives a function: `LONGEST_SECONDS` on this machine, as slow as it was before or after what was measured."""
    before = reference()
    yield lambda: LONGEST_SECONDS * max(1.0, before / REFERENCE_SECONDS, reference() / REFERENCE_SECONDS)


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


async def post(app: Any, path: str, body: dict[str, Any]) -> Any:
    headers = ((b"content-type", b"application/json"),)
    return await call(app, "POST", path, headers=headers, body=json.dumps(body, ensure_ascii=False).encode())


async def generate(app: Any, prompt: str) -> str:
    """Load the page, press Generate and read to the end."""
    config = json.loads((await call(app, "GET", "/config")).body)
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
def test_a_huge_prompt_on_the_page(served: Served, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with longest_allowed() as longest:
        seen, spent = served.within(monkeypatch, generate(served.app, PROMPTS[kind]))
        allowed = longest()
    assert "process_completed" in seen
    assert "pass" in seen
    spent.sort()
    assert spent[-1] < 3 * allowed, (allowed, spent[-5:])
    assert spent[-3] < allowed, (allowed, spent[-5:])


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
def test_the_largest_body_allowed(served: Served, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes) -> None:
    assert len(body) <= MAX_BODY_BYTES
    headers = ((b"content-type", b"application/json"),)
    with longest_allowed() as longest:
        _, spent = served.within(monkeypatch, call(served.app, "POST", path, headers=headers, body=body))
        allowed = longest()
    assert max(spent) < 3 * allowed, (allowed, sorted(spent)[-5:])
