"""The server: one port for page and API, closed to foreign origins, and a start that the terminal can follow."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fake_engine import FakeEngine, serve, wait_until
from starlette.testclient import TestClient
from test_proxy import proxied
from web import api_app, page_app, running

from codegen_ui.errors import InvalidInput
from codegen_ui.listen import address_of, bind, listen
from codegen_ui.options import DEFAULT_PORT, Options
from codegen_ui.server import SHUTDOWN_SECONDS, Server, create_app, warn_if_open
from codegen_ui.service import Loaded, Service
from codegen_ui.ui.page import build_page

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    service = Service(["fake"], lambda name, progress: Loaded(FakeEngine()))
    options = Options(allowed_hosts=("testserver", "box.example"))
    with TestClient(create_app(service, build_page(service, []), options)) as client:
        yield client


def test_the_page_and_the_api_share_a_port(client: TestClient) -> None:
    assert "CodeGen Playground" in client.get("/").text
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/models").json()["data"][0]["id"] == "fake"


def test_no_foreign_origin_may_read_an_answer(client: TestClient) -> None:
    answer = client.get("/config", headers={"Origin": "http://elsewhere.example", "Host": "box.example"})
    assert answer.status_code == 200
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_the_browser_is_told_to_ask_no_other_host(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy
    assert "*" not in policy
    for directive in ("frame-ancestors 'self'", "object-src 'none'", "form-action 'none'", "connect-src 'self'"):
        assert directive in policy
    assert client.get("/").headers["x-content-type-options"] == "nosniff"
    assert client.get("/nowhere").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/file=http://127.0.0.1/x",
        "/gradio_api/proxy=http://x",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/process_recording",
        "/gradio_api/component_server",
        "/gradio_api/deep_link",
        "/gradio_api/vibe-edit",
        "/gradio_api/stream/x",
        "/gradio_api/token",
        "/gradio_api/dev/reload",
        "/gradio_api/queue/status",
        "/login",
        "/assets/%2e%2e/config",
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(client: TestClient, path: str) -> None:
    assert client.get(path).json()["error"]["code"] == "unknown_url"
    assert client.post(path).json()["error"]["code"] == "unknown_url"


def test_the_route_around_the_queue_is_closed(client: TestClient) -> None:
    assert client.post("/gradio_api/run/generate", json={"data": ["x"]}).status_code in (403, 404)


def test_a_port_in_use_is_named_when_asked_for_and_passed_over_when_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidInput, match=f"port: '{port}' is not allowed"):
            bind("127.0.0.1", port)
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
    assert len(set(ports)) == 2
    assert all(DEFAULT_PORT <= port < DEFAULT_PORT + 100 for port in ports)


def test_a_host_that_is_not_this_machine_is_named() -> None:
    with pytest.raises(InvalidInput, match="host: 'no such host'"):
        bind("no such host", None)


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "auth_file": "file"}, False),
        ({"host": "0.0.0.0", "api_key_file": "file"}, False),
        ({"host": "0.0.0.0", "api_key_file": "file", "open_page": True}, True),
    ],
)
def test_it_listens_to_nobody_else_unless_told_and_warns_where_it_is_open(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, options: dict[str, Any], warned: bool
) -> None:
    assert Options().host == "127.0.0.1"
    (tmp_path / "file").touch()
    files = {name: tmp_path / value for name, value in options.items() if name.endswith("_file")}
    warn_if_open(Options(**{**options, **files}))
    assert ("for whoever reaches it" in caplog.text) == warned


def test_the_address_to_open_is_one_that_a_browser_here_can_reach() -> None:
    with bind("0.0.0.0", None) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener) == f"http://127.0.0.1:{port}"


async def sends_at_once(listener: socket.socket) -> bool:
    """Whether asyncio sends at once on a connection to `listener`: its TCP_NODELAY."""
    met: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        met.set_result(bool(sent))
        writer.close()

    async with await asyncio.start_server(meet, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        found = await met
        writer.close()
        return found


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_what_is_written_is_sent_at_once_and_waits_for_no_acknowledgement(host: str) -> None:
    try:
        listener = listen(host, 0)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert await sends_at_once(listener)


def test_a_shutdown_ends_what_runs_with_a_message(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine(seconds=0.05)
    service = serve(engine)
    app = page_app(service)
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=SHUTDOWN_SECONDS)
    server = Server(config, service)
    url = address_of(listener)
    body = {"prompt": "x", "max_tokens": 100, "ignore_eos": True}

    def beat() -> None:
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("GET", f"{url}/gradio_api/heartbeat/abc", timeout=20) as response,
        ):
            response.read()

    with ThreadPoolExecutor() as pool:
        serving = pool.submit(server.run, [listener])
        wait_until(lambda: server.started)
        whole = pool.submit(httpx.post, f"{url}/v1/completions", json=body, timeout=20)
        stream = pool.submit(httpx.post, f"{url}/v1/completions", json={**body, "stream": True}, timeout=20)
        page = pool.submit(beat)
        wait_until(lambda: engine.active == 2 and len(server.server_state.connections) == 3)
        wait_until(lambda: all(generation.snapshot().text for generation in engine.generations))
        begin = time.monotonic()
        server.should_exit = True
        answer, events = whole.result(), stream.result().text.strip().split("\n\n")
        page.result()
        serving.result()
    assert time.monotonic() - begin < SHUTDOWN_SECONDS
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "cancelled")
    assert answer.headers["retry-after"]
    assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "cancelled"
    assert events[-1] == "data: [DONE]"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_body_that_is_too_large_gets_our_answer_through_the_proxy_as_well() -> None:
    engine = FakeEngine()
    with running(api_app(serve(engine))) as url, proxied(int(url.rpartition(":")[2])) as front:
        body = {"prompt": "x" * (4 * 1024 * 1024)}
        answer = httpx.post(f"{front}/playground/v1/completions", json=body, timeout=20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_relative_paths_of_the_two_servers_script_are_looked_up_where_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("sk-one\n")
    script = ROOT / "examples/deploy/two-vllm.sh"
    command = ["bash", str(script), "model", "--api-key-file", "keys", "--port", "70000"]
    environ = {**os.environ, "VLLM": "true", "PYTHON": sys.executable}
    out = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert "app.py: port: 70000 is not allowed" in out.stderr
