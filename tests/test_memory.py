"""Memory is bounded by what door/README.md states, whatever visitors do: many runs, many tabs, readers that stop."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from asgi import alive
from fake_engine import FakeEngine, FakeGeneration, serve, wait_until
from load.page import Page
from taken import taken_since
from tiny import tiny
from web import page_app, running

from codegen_ui.options import Options
from codegen_ui.request import GenerationRequest
from codegen_ui.server import create_app
from codegen_ui.ui import sessions as all_sessions
from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.page import build_page
from codegen_ui.ui.session import MAX_RECORDS
from codegen_ui.ui.sessions import AHEAD, Sessions

RUNS = 3_000
REQUESTS = 1_000
TABS, AT_ONCE = 200, 50
ROW_BYTES, TAB_BYTES = 3_000, 75_000
"""What the README says of a row of figures and of an open tab."""
SLACK_BYTES = 2_000_000


class Forgetful(FakeEngine):
    """Remembers nobody, as a real one does; the test's own memory shall not be counted."""

    def submit(self, request: GenerationRequest) -> FakeGeneration:
        self.generations = [one for one in self.generations if not one.ended]
        self._threads = [one for one in self._threads if one.is_alive()]
        self.requests.clear()
        return super().submit(request)


class AtOnce(Forgetful):
    """Has said everything when it has taken a request: where thousands come, a thread for each would cost most."""

    def _start(self, generation: FakeGeneration) -> None:
        self._run(generation)


def test_thousands_of_finished_runs_leave_their_rows_and_nothing_else() -> None:
    tabs = 5
    service = serve(AtOnce(context=10_000))
    app = page_app(service, log_prompts=True)
    sessions = Sessions(service)

    async def run(numbers: range) -> None:
        await asyncio.gather(*(run_in(tab, numbers[tab::tabs]) for tab in range(tabs)))

    async def run_in(tab: int, numbers: range) -> None:
        for number in numbers:
            inputs = Inputs(f"def f{number}():\n")
            async for _ in sessions.run(f"tab {tab}", inputs, None, f"192.0.2.{number % 250} tab"):
                continue

    async def all_runs(taken: Callable[[], int]) -> tuple[int, int]:
        async with alive(app):
            await run(range(RUNS // 2))
            half = taken()
            await run(range(RUNS // 2, RUNS))
            return half, taken()

    half, whole = asyncio.run(all_runs(taken_since()))
    rows = sum(len(sessions.records(f"tab {number}")) for number in range(tabs))
    assert rows == tabs * MAX_RECORDS
    assert whole < rows * ROW_BYTES + SLACK_BYTES
    assert whole - half < RUNS // 2 * ROW_BYTES / 30


def test_finished_requests_leave_nothing_in_the_engine() -> None:
    with tiny().engine(lookup=True, prefix_cache_mb=1) as engine:
        taken = taken_since()

        def run(count: int) -> int:
            for _ in range(count // 4):
                text = f"def {secrets.token_hex(8)}("
                generations = [
                    engine.submit(GenerationRequest(text, max_new_tokens=1, stop_at="length")) for _ in range(4)
                ]
                for generation in generations:
                    generation.result(60)
            return taken()

        half = run(2 * REQUESTS)  # as many as fill what is bounded: recent steps, waits, kept beginnings
        whole = run(REQUESTS)
        assert engine.stats().active == engine.stats().waiting == 0
    assert whole - half < SLACK_BYTES


async def open_tabs(url: str, count: int) -> list[httpx.AsyncClient]:
    """So many tabs of one visitor, each of which has pressed Generate and shows what came; they stay open."""
    clients = []

    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        first = Page(http)
        await first.open()

    async def open_one() -> None:
        http = httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=2))
        clients.append(http)
        page = Page(http)
        await page.open_like(first)
        async for shown in page.generate("def f():\n", 100):
            if shown.state in ("decoding", "failed"):
                return

    for _ in range(0, count, AT_ONCE):
        await asyncio.gather(*(open_one() for _ in range(AT_ONCE)))
    return clients


def test_two_hundred_tabs_of_one_visitor_take_their_places_and_give_them_back() -> None:
    engine = Forgetful(("    return 1\n",) * 50, seconds=1.0, context=2048)
    service = serve(engine)
    service.places.most = 64
    page = build_page(service, [])
    settings = Options(requests_per_minute=0)
    with running(create_app(service, page, settings)) as url:
        taken = taken_since()

        async def visit() -> tuple[int, int]:
            clients = await open_tabs(url, TABS)
            busy, memory = engine.active, taken()
            for http in clients:
                await http.aclose()
            return busy, memory

        busy, memory = asyncio.run(visit())
        wait_until(lambda: engine.active == 0, 60)
        assert 0 < busy <= 64
        assert memory < TABS * TAB_BYTES + SLACK_BYTES
        # Those who come after find room.
        assert httpx.post(f"{url}/v1/completions", json={"prompt": "x", "max_tokens": 1}, timeout=30).status_code == 200


def test_readers_that_stop_are_sent_no_more_and_what_they_asked_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """On connections of their own, which take some megabytes before they are full."""
    monkeypatch.setattr(all_sessions, "ABSENT_SECONDS", 1.0)
    readers = 4
    engine = FakeEngine(("x" * 20_000 + "\n",), seconds=0.01, context=100_000)
    service = serve(engine)
    page = build_page(service, [])
    with running(create_app(service, page, Options())) as url:
        taken = taken_since()
        tabs = [secrets.token_hex(6) for _ in range(readers)]
        sockets = [stops_reading(url, tab) for tab in tabs]
        wait_until(lambda: len(engine.generations) == readers, 30)
        most = 0

        def all_ended() -> bool:
            nonlocal most
            most = max([most, *(page.blocks.unread(tab) for tab in tabs)])
            return all(generation.cancelled.is_set() for generation in engine.generations)

        wait_until(all_ended, 120)
        for one in sockets:
            one.close()
        assert 0 < most <= AHEAD + 2
        written = sum(len(generation.snapshot().text) for generation in engine.generations)
        # The text itself, its highlighted lines, and messages that wait: each is at most the whole text once more.
        assert taken() < (4 + AHEAD) * written + SLACK_BYTES


def stops_reading(url: str, tab: str) -> socket.socket:
    """Press Generate in a tab, ask for what comes of it, and read nothing."""
    config = httpx.get(f"{url}/config", timeout=30).json()
    names = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    press = next(one for one in config["dependencies"] if [names["cg-generate"], "click"] in one["targets"])
    values = {part["id"]: part["props"].get("value") for part in config["components"]}
    data = [values[one] for one in press["inputs"]]
    data[0] = "def f():\n"
    kinds = {part["props"].get("elem_id"): press["inputs"].index(part["id"])
             for part in config["components"] if part["id"] in press["inputs"]}  # fmt: skip
    data[kinds["cg-stop-at"]], data[kinds["cg-max-length"]] = "length", 2048
    body = {"data": data, "fn_index": press["id"], "session_hash": tab}
    httpx.post(f"{url}/gradio_api/queue/join", json=body, timeout=30).raise_for_status()
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    parts = urlsplit(url)
    made.connect((parts.hostname, parts.port))
    made.sendall(f"GET /gradio_api/queue/data?session_hash={tab} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return made
