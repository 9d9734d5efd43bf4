"""Behind a real nginx with the configuration of examples/deploy, under a path prefix: page, events and API work."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import give_up
from fake_engine import FakeEngine, serve, wait_until
from visit import until
from web import page_app, running

from codegen_ui.gallery import load_gallery

ROOT = Path(__file__).parent.parent
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SCRIPT = tuple(f"    line_{number} = {number}\n" for number in range(60))


@contextmanager
def proxied(port: int) -> Iterator[str]:
    """nginx in front of `port`; yields its address, without a path."""
    if NGINX is None:
        give_up("nginx is not installed on this machine")
    nginx = str(NGINX)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        front = int(probe.getsockname()[1])
    site = (ROOT / "examples/deploy/nginx.conf").read_text(encoding="utf-8")
    assert "listen 80;" in site
    assert "server 127.0.0.1:7860;" in site
    site = site.replace("listen 80;", f"listen 127.0.0.1:{front};").replace("127.0.0.1:7860;", f"127.0.0.1:{port};")
    with tempfile.TemporaryDirectory() as folder:
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy"))
        # Of nginx's other modules not every build has all; a folder of its own is set only for those in use.
        whole = f"worker_processes 1; pid {folder}/pid; events {{}} http {{ access_log off; {paths} {site} }}"
        Path(folder, "nginx.conf").write_text(whole, encoding="utf-8")
        os.chmod(folder, 0o755)
        command = [nginx, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log", "-g", "daemon off;"]
        process = subprocess.Popen(command)
        try:
            wait_until(lambda: process.poll() is not None or answers(front))
            assert process.poll() is None, Path(folder, "error.log").read_text(encoding="utf-8")
            yield f"http://127.0.0.1:{front}"
        finally:
            process.terminate()
            process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    engine = FakeEngine(SCRIPT, seconds=0.05)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def front(engine: FakeEngine) -> Iterator[str]:
    app = page_app(serve(engine), load_gallery(ROOT / "examples"), root_path="/playground")
    with running(app) as url, proxied(int(url.rpartition(":")[2])) as front:
        yield front


def test_events_pass_one_by_one(front: str) -> None:
    body = {"model": "fake", "prompt": "def f():", "max_tokens": 10, "stream": True}
    arrivals: list[float] = []
    with httpx.stream("POST", f"{front}/playground/v1/completions", json=body, timeout=20) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if line.startswith("data: {"):
                assert "error" not in json.loads(line.removeprefix("data: "))
                arrivals.append(time.monotonic())
    assert len(arrivals) == 11
    assert arrivals[8] - arrivals[0] > 0.2


def test_a_client_that_hangs_up_at_the_proxy_frees_its_slot(front: str, engine: FakeEngine) -> None:
    body = {"model": "fake", "prompt": "def f():", "max_tokens": 100, "stream": True, "ignore_eos": True}
    with httpx.stream("POST", f"{front}/playground/v1/completions", json=body, timeout=20) as response:
        lines = response.iter_lines()  # kept: an iterator that is dropped closes the connection at once
        first = next(lines)
        assert (response.status_code, first[:7]) == (200, "data: {"), first
        assert engine.active == 1, first
    wait_until(lambda: engine.active == 0, 2)


def test_the_operators_routes_stay_inside(front: str) -> None:
    for route in ("metrics", "healthz", "readyz"):
        assert httpx.get(f"{front}/playground/{route}").status_code == 404
    assert httpx.get(f"{front}/playground/v1/models").status_code == 200
    assert httpx.get(f"{front}/playground", follow_redirects=True).status_code == 200
    assert "openapi.json" in httpx.get(f"{front}/playground/docs").text


@pytest.mark.browser
def test_the_page_streams_in_a_browser_through_the_proxy(
    browser: Any, front: str, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "seconds", 0.2)
    seen: list[tuple[str, int]] = []
    page = browser.new_page()
    page.on("response", lambda response: seen.append((response.url, response.status)))
    page.goto(f"{front}/playground/")
    page.wait_for_selector("#cg-live [data-tone]", state="attached")
    page.fill("#cg-prompt textarea", "def f():\n")
    # The server has counted the prompt: the page is alive.
    until(page, "() => document.querySelector('#cg-meter').innerText.includes('2 prompt tokens')")
    page.click("#cg-generate")
    lengths: set[int] = set()

    def growing() -> bool:
        page.wait_for_timeout(50)
        lengths.add(len(page.text_content("#cg-output pre")))
        return len(lengths) >= 4

    wait_until(growing, 30)
    page.close()
    outside = [url for url, _ in seen if not url.startswith((f"{front}/playground/", "data:", "blob:"))]
    assert outside == []
    assert [(url, status) for url, status in seen if status >= 400] == []
