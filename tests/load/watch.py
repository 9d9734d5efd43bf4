"""What a server is like under load: its memory, its processor time, how soon it says that it is alive.

    python tests/load/watch.py ADDRESS PID    # one sample a line, until it is ended

It is a process of its own and imports little, so that the visitors' work is not taken for the server's.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import urlsplit

EVERY_SECONDS = 0.1
LOOK_INSIDE_SECONDS = 2.0
KEPT = re.compile(r"^codegen:kv_cache_written_bytes\{.*\} (\S+)$", re.MULTILINE)
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Sample:
    """One answer of `/healthz` that was asked for `at`, after `answer` seconds; the process' memory then, and how much
    of it is the KV cache, which fills up by design, in bytes."""

    at: float
    answer: float
    memory: int
    kept: int


@dataclass
class Health:
    """Samples over time."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def answers(self) -> list[float]:
        return [one.answer for one in self.samples]

    @property
    def slope(self) -> float:
        """Bytes a minute by which the memory grows, least squares over the second half of the time."""
        return slope([(one.at, one.memory) for one in self.samples[len(self.samples) // 2 :]])

    @property
    def slope_beside_cache(self) -> float:
        """The same of what is not the KV cache."""
        return slope([(one.at, one.memory - one.kept) for one in self.samples[len(self.samples) // 2 :]])


def slope(points: list[tuple[float, int]]) -> float:
    """What is in the second place by the minute, the first being seconds."""
    if len(points) < 2:
        return 0.0
    when = sum(time for time, _ in points) / len(points)
    much = sum(size for _, size in points) / len(points)
    spread = sum((time - when) ** 2 for time, _ in points)
    return 60 * sum((time - when) * (size - much) for time, size in points) / spread if spread else 0.0


@contextmanager
def watching(url: str, pid: int) -> Iterator[Health]:
    """A process that watches, while it lasts; what it yields is filled at its end. Raises `RuntimeError` where nobody
    watched so long."""
    health = Health()
    # A file and no pipe, which would be full after two minutes and hold up who writes into it.
    with TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, "-S", __file__, url, str(pid)], stdout=said)
        try:
            yield health
        finally:
            process.terminate()
            process.wait()
        if process.returncode != -signal.SIGTERM:
            raise RuntimeError(f"nobody watched to the end: status {process.returncode}")
        said.seek(0)
        health.samples += [Sample(*json.loads(line)) for line in said if line.endswith("\n")]


def main(url: str, pid: int) -> None:
    """Ask `/healthz` ten times a second, each on a connection of its own."""
    begin, looked, kept = time.monotonic(), 0.0, 0
    while True:
        asked = time.monotonic()
        get(url, "/healthz")
        answered = time.monotonic()
        if asked - looked > LOOK_INSIDE_SECONDS:
            looked, found = asked, KEPT.search(get(url, "/metrics"))
            kept = 0 if found is None else int(float(found.group(1)))
        print(json.dumps([asked - begin, answered - asked, resident(pid), kept]), flush=True)
        time.sleep(EVERY_SECONDS)


def get(url: str, path: str) -> str:
    """A page of the server. Raises `ConnectionError` for any other status than 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise ConnectionError(f"{path} answered {answer.status}")
    return text


def resident(pid: int) -> int:
    """A process's memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
