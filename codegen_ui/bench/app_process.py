"""A playground in a process of its own, started as an operator would."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import codegen_ui

ROOT = Path(codegen_ui.__file__).parent.parent
START_SECONDS = 300.0


class AppProcess:
    """`python app.py` on a free port, from its start to its end. A context manager.

    Attributes:
        page_seconds: from the start to the page's first answer.
        ready_seconds: from the start to the model being ready.
    """

    def __init__(self, *arguments: str, root: Path = ROOT) -> None:
        """`root`: the checkout whose `app.py` is run."""
        self.url = f"http://127.0.0.1:{free_port()}"
        self.page_seconds = self.ready_seconds = 0.0
        command = [sys.executable, "app.py", "--port", self.url.rpartition(":")[2], *arguments]
        self._begin = time.monotonic()
        self._process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> AppProcess:
        self.page_seconds = self._wait("/")
        self.ready_seconds = self._wait("/readyz")
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, path: str) -> float:
        """Seconds from the start until `path` answers 200. Raises `RuntimeError` where it never does."""
        while time.monotonic() - self._begin < START_SECONDS:
            if self._process.poll() is not None:
                raise RuntimeError(f"app.py ended with {self._process.returncode}")
            try:
                with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                    if answer.status == 200:
                        return time.monotonic() - self._begin
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.02)
        raise RuntimeError(f"{path} did not answer within {START_SECONDS:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
