"""A small model hub on loopback, speaking what huggingface_hub asks of a model repository, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves one folder as the repository `repo`.

    Faults, to be set at any time:
        status: answer every question with this status (and the hub's error code for it).
        drop_after: end the connection after so many bytes of a weights file, `drops` times.
        reset: end it by a reset instead of politely.
        chunk_delay: seconds between 64 kB pieces of a file.
        answer_delay: seconds before any answer.
    `requests` lists what was asked, as (method, path); `ranges` the Range headers seen.
    """

    def __init__(self, folder: Path, repo: str = "Salesforce/codegen-350M-mono") -> None:
        self.folder = folder
        self.repo = repo
        self.status = 200
        self.error_code = ""
        self.error_message = ""
        self.drop_after: int | None = None
        self.drops = 0
        self.reset = False
        self.chunk_delay = 0.0
        self.answer_delay = 0.0
        self.requests: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        self.tokens: list[str] = []
        hub = self

        class Handler(FakeHubHandler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fetched(self) -> set[str]:
        """Names of the files that were downloaded."""
        return {path.rsplit("/", 1)[-1] for method, path in self.requests if method == "GET" and "/resolve/" in path}


class FakeHubHandler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `hub.requests` is the log."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        if "Authorization" in self.headers:
            hub.tokens.append(self.headers["Authorization"])
        time.sleep(hub.answer_delay)
        if hub.status != 200:
            self.refuse(hub.status, hub.error_code, hub.error_message)
        elif path.startswith(f"/api/models/{hub.repo}"):
            self.info(path)
        elif path.startswith(f"/{hub.repo}/resolve/"):
            self.file(path)
        else:
            self.refuse(404, "RepoNotFound", "Repository not found")

    def refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def info(self, path: str) -> None:
        revision = path.partition("/revision/")[2] or "main"
        if revision not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        files = sorted(file for file in self.hub.folder.iterdir() if file.is_file())
        siblings = [{"rfilename": f.name, "size": f.stat().st_size, "blobId": digest(f)[:40]} for f in files]
        body = json.dumps({"id": self.hub.repo, "modelId": self.hub.repo, "sha": COMMIT, "siblings": siblings}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def file(self, path: str) -> None:
        file = self.hub.folder / path.rsplit("/", 1)[-1]
        if not file.is_file():
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        content, start = file.read_bytes(), 0
        wanted = self.headers.get("Range")
        if wanted:
            self.hub.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{digest(file)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self.send(file.name, content[start:])

    def send(self, name: str, content: bytes) -> None:
        hub = self.hub
        for at in range(0, len(content), 65_536):
            piece = content[at : at + 65_536]
            is_weights = name.endswith((".bin", ".safetensors"))
            if is_weights and hub.drops and hub.drop_after is not None and at + len(piece) > hub.drop_after:
                hub.drops -= 1
                self.break_off(piece[: max(0, hub.drop_after - at)])
                return
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(hub.chunk_delay)

    def break_off(self, last: bytes) -> None:
        self.wfile.write(last)
        self.wfile.flush()
        time.sleep(0.05)
        if self.hub.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.close_connection = True


def point_client_at(monkeypatch: pytest.MonkeyPatch, url: str, cache: Path) -> None:
    """Make the hub's client, in this process, ask `url` and keep its files in `cache`, whatever the environment."""
    from huggingface_hub import close_session, constants

    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", constants.DEFAULT_ETAG_TIMEOUT)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    close_session()


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
