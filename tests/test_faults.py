"""What may befall the process: signals at any moment, a terminal that goes, full disks, a taken port, dawdlers."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fake_engine import FakeEngine, serve, wait_until
from small_checkpoints import new_layout
from web import page_app

from codegen_ui.door import connections
from codegen_ui.door.connections import PatientProtocol
from codegen_ui.errors import InvalidInput, ModelUnavailable
from codegen_ui.listen import address_of, bind
from codegen_ui.loading import make_loader
from codegen_ui.reloads import Watched
from codegen_ui.request import GenerationRequest
from codegen_ui.server import Server
from codegen_ui.service import Loaded, Service
from codegen_ui.status import ModelStatus, Phase

ROOT = Path(__file__).parent.parent
BODY = {"prompt": "x", "max_tokens": 100, "ignore_eos": True, "stream": True}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    new_layout(folder)
    return folder


def hear_interrupts() -> None:
    """In a program to be: what is started in the background, tests and all that they start, ignores them otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def playground(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """`python app.py` in a process of its own."""
    command = [sys.executable, "-u", "app.py", "--device", "cpu", *arguments]
    environ = {**os.environ, "CODEGEN_UI_SLOTS": "2", "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, text=True, preexec_fn=hear_interrupts, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def lines_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """What the process says up to the line that has `wanted` in it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if wanted in line:
            return lines
    raise AssertionError("\n".join(lines))


def ends_well(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """At a signal it says that it stopped, no more than that, and exits as a shell expects."""
    process.send_signal(number)
    assert process.stdout is not None
    rest = process.stdout.read()
    assert process.wait(20) == (130 if number == signal.SIGINT else 0)
    assert "Traceback" not in rest
    assert "Stopped." in rest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until_ready(port: int) -> str:
    """The server's address, once it can generate."""
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(ready, 120)
    return url


class TestSignals:
    @pytest.mark.parametrize(
        ("moment", "number"),
        [
            ("importing the web server", signal.SIGINT),
            ("The page answers", signal.SIGTERM),
            ("loading", signal.SIGINT),
        ],
        ids=["importing", "listening", "loading"],
    )
    def test_a_signal_at_any_moment_of_the_start_ends_it_well(
        self, checkpoint: Path, moment: str, number: signal.Signals
    ) -> None:
        with playground("--model", str(checkpoint)) as process:
            lines_until(process, moment)
            ends_well(process, number)

    @pytest.mark.parametrize("delay", [0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.4, 0.8, 1.6])
    def test_an_interrupt_after_any_time_ends_it_as_a_shell_expects(self, checkpoint: Path, delay: float) -> None:
        with playground("--model", str(checkpoint)) as process:
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        if "Traceback" in said:  # Python's own start, before the first line of app.py
            assert "app.py" not in said, said
            assert "codegen_ui" not in said, said
        else:
            # The signal itself is 130 to a shell.
            assert process.returncode in (130, -signal.SIGINT), said

    def test_an_interrupt_while_modules_are_imported_leaves_no_trace_of_where_it_was(self) -> None:
        """From the first line of app.py on: a module that is imported there stands for all of them."""
        code = (
            "import sys, runpy, os, signal, importlib.abc\n"
            "class Interrupt(importlib.abc.MetaPathFinder):\n"
            "    def find_spec(self, name, path, target=None):\n"
            "        if name == os.environ['INTERRUPT']: os.kill(os.getpid(), 2)\n"
            "sys.meta_path.insert(0, Interrupt())\n"
            "del sys.modules['signal']\n"
            "runpy.run_path('app.py', run_name='__main__')\n"
        )
        modules = ("signal", "codegen_ui", "codegen_ui.main", "codegen_ui.options", "gradio", "codegen_ui.server")
        for module in modules:
            out = subprocess.run(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env={**os.environ, "INTERRUPT": module},
                preexec_fn=hear_interrupts,
                capture_output=True,
                text=True,
                check=False,
            )
            assert out.returncode in (130, -signal.SIGINT), (module, out.stderr)
            assert out.stderr == "", module


class Running:
    """A server on a thread, over a fake engine."""

    def __init__(self, engine: FakeEngine, drain_seconds: float) -> None:
        self.engine = engine
        self.service = serve(engine)
        app = page_app(self.service)
        self.listener = bind("127.0.0.1", free_port())
        self.url = address_of(self.listener)
        config = uvicorn.Config(app, log_config=None, http=PatientProtocol, timeout_graceful_shutdown=3)
        self.server = Server(config, self.service, drain_seconds)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        wait_until(lambda: self.server.started)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self.wait()

    def stop(self) -> None:
        """As a signal does."""
        self.server.should_exit = True

    def wait(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def events(answer: httpx.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


class TestDraining:
    def test_what_runs_goes_on_to_its_end_and_newcomers_are_told(self) -> None:
        with Running(FakeEngine(("a ",) * 200, seconds=0.02), 60) as running:
            with httpx.stream("POST", f"{running.url}/v1/completions", json=BODY, timeout=30) as stream:
                wait_until(lambda: bool(running.engine.generations))
                running.stop()
                wait_until(lambda: running.service.draining)
                refused = httpx.post(f"{running.url}/v1/completions", json=BODY)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unavailable")
                assert "shutting down" in refused.json()["error"]["message"]
                assert refused.headers["retry-after"]
                ready = httpx.get(f"{running.url}/readyz")
                assert (ready.status_code, "shutting down" in ready.json()["reason"]) == (503, True)
                found = events(stream)
            assert found[-1]["choices"][0]["finish_reason"] == "length"
            running.wait()

    def test_what_does_not_end_in_time_ends_with_a_reason(self) -> None:
        with Running(FakeEngine(("a ",) * 10_000, seconds=0.05), 0.3) as running:
            with httpx.stream("POST", f"{running.url}/v1/completions", json=BODY, timeout=30) as stream:
                wait_until(lambda: bool(running.engine.generations))
                running.stop()
                assert events(stream)[-1]["error"]["code"] == "cancelled"
            running.wait()

    def test_a_second_interrupt_does_not_wait(self) -> None:
        with Running(FakeEngine(("a ",) * 10_000, seconds=0.05), 3600) as running:
            with httpx.stream("POST", f"{running.url}/v1/completions", json=BODY, timeout=30) as stream:
                wait_until(lambda: bool(running.engine.generations))
                running.server.handle_exit(signal.SIGINT, None)
                wait_until(lambda: running.service.draining)
                running.server.handle_exit(signal.SIGINT, None)
                with suppress(AssertionError, httpx.HTTPError):  # it may be cut off or hear the reason
                    assert events(stream)[-1]["error"]["code"] == "cancelled"
            running.wait()


class TestTerminal:
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
    def test_a_reader_that_goes_and_a_full_disk_for_the_log_stop_nobody(self, checkpoint: Path) -> None:
        """`app.py 2>log | head -1`."""
        port = free_port()
        with (
            open("/dev/full", "w") as full,
            playground("--model", str(checkpoint), "--port", str(port), stderr=full) as process,
        ):
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            url = until_ready(port)
            for _ in range(3):
                answer = httpx.post(f"{url}/v1/completions", json={"prompt": "x", "max_tokens": 2}, timeout=60)
                assert answer.status_code == 200
            assert httpx.post(f"{url}/v1/completions", json={"prompt": 1}).status_code == 400
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0

    def test_a_listener_of_the_status_that_raises_makes_no_model_fail(self) -> None:
        def broken(status: ModelStatus) -> None:
            raise BrokenPipeError

        service = Service(["m"], lambda name, progress: Loaded(FakeEngine()), broken)
        service.start()
        wait_until(lambda: service.status().phase is Phase.READY)


class TestPorts:
    def test_two_servers_started_together_tell_every_stage_answer_at_different_addresses_and_end_well(
        self, checkpoint: Path
    ) -> None:
        with playground("--model", str(checkpoint)) as one, playground("--model", str(checkpoint)) as other:
            addresses = set()
            for process in (one, other):
                lines = lines_until(process, "Open http")
                address = lines[-1].removeprefix("Open ")
                assert f"The page answers at {address} while the model loads." in lines
                assert any("loading weights" in line for line in lines)
                assert any("Loaded in" in line and "2 slots" in line for line in lines)
                answer = httpx.post(f"{address}/v1/completions", json={"prompt": "def f(", "max_tokens": 3}, timeout=60)
                assert answer.json()["usage"]["completion_tokens"] >= 1
                addresses.add(address)
            assert len(addresses) == 2
            ends_well(one, signal.SIGTERM)
            begin = time.monotonic()
            ends_well(other, signal.SIGINT)
            assert time.monotonic() - begin < 15

    def test_nobody_gets_a_port_that_somebody_has_chosen(self) -> None:
        port = free_port()
        taken, start = [], threading.Barrier(8)

        def choose() -> None:
            start.wait()
            with suppress(InvalidInput):
                taken.append(bind("127.0.0.1", port))

        threads = [threading.Thread(target=choose) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1
        taken[0].close()


class TestCheckpointGone:
    def test_the_page_stays_and_says_so(self, checkpoint: Path, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        new_layout(gone)
        for file in gone.glob("*.safetensors"):
            file.unlink()
        with playground("--model", str(gone)) as process:
            lines = lines_until(process, "The page stays up")
            url = re.search(r"http://\S+", lines[-1])
            assert url is not None
            assert httpx.get(url.group()).status_code == 200
            assert httpx.get(f"{url.group()}/readyz").status_code == 503
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert "Traceback" not in "\n".join(lines)

    @pytest.mark.parametrize("quantize", ["none", "int8"])
    def test_what_is_loaded_is_served_from_memory_and_a_reload_names_what_is_missing(
        self, tmp_path: Path, quantize: str
    ) -> None:
        folder = tmp_path / "served"
        new_layout(folder)
        service = Service([str(folder)], make_loader(device="cpu", quantize=quantize, slots=2, prefix_cache_mb=0))
        service.start()
        try:
            wait_until(lambda: service.status().phase is Phase.READY, 60)
            if sys.platform == "linux":
                # A mapped file that is written anew would change, or end, what is served.
                assert str(folder) not in Path("/proc/self/maps").read_text()
            shutil.rmtree(folder)
            request = GenerationRequest("def f(", max_new_tokens=3, stop_at="length")
            assert len(service.submit(request).result(60).token_ids) == 3
            engine = service.engine()
            assert isinstance(engine, Watched)
            engine.give_up("as a test wants it")
            wait_until(lambda: service.status().phase is Phase.FAILED)
            service.request_load()
            wait_until(lambda: "there is no such folder" in service.status().message, 60)
            with pytest.raises(ModelUnavailable, match=re.escape(str(folder))):
                service.submit(request)
        finally:
            service.close()


class TestDawdlers:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
        monkeypatch.setattr(connections, "BODY_SECONDS", 0.3)
        monkeypatch.setattr(connections, "READ_SECONDS", 0.5)

    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
            b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
            b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /healthz HTTP/1.1\r\nHo",
        ],
        ids=["nothing", "half a header", "half a body", "half a second request"],
    )
    def test_who_sends_too_slowly_is_cut_off(self, sent: bytes) -> None:
        with Running(FakeEngine(), 0) as running, dial(running) as connection:
            connection.sendall(sent)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except ConnectionResetError:
                pass
            wait_until(lambda: not running.server.server_state.connections)
        assert answer.startswith(b"HTTP/1.1 200") if sent.startswith(b"GET /healthz") else answer == b""

    def test_who_stops_reading_is_cut_off_and_what_it_asked_for_ends(self) -> None:
        with Running(FakeEngine(("x" * 20_000,) * 5000, seconds=0.001, context=20_000), 0) as running:
            body = json.dumps({**BODY, "max_tokens": 2000}).encode()
            head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            with dial(running) as connection:
                connection.sendall(head.replace("Host: x", "Host: 127.0.0.1").encode())
                connection.sendall(b"Content-Type: application/json\r\n\r\n" + body)
                wait_until(lambda: bool(running.engine.generations))
                wait_until(lambda: running.engine.generations[0].cancelled.is_set(), 30)

    def test_a_connection_that_was_reset_leaves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "HEADER_SECONDS", 30)
        with Running(FakeEngine(), 0) as running, dial(running) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            connection.recv(65536)
            known = weakref.WeakSet(running.server.server_state.connections)
            assert len(known) == 1
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            # Well before its keep-alive would have run out.
            wait_until(lambda: gc.collect() >= 0 and not known, 3)

    def test_one_address_opens_so_many_connections_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "PER_ADDRESS", 5)
        monkeypatch.setattr(connections, "HEADER_SECONDS", 30)
        with Running(FakeEngine(), 0) as running:
            held = [dial(running) for _ in range(8)]
            wait_until(lambda: len(running.server.server_state.connections) == 5)
            for connection in held:
                connection.close()
            wait_until(lambda: not running.server.server_state.connections)
            assert httpx.get(f"{running.url}/healthz").status_code == 200


def dial(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.listener.getsockname()[1]), timeout=20)
