"""What a server is like under load: its memory, its processor time, how soon it says that it is alive."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

EVERY_SECONDS = 0.1
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass
class Health:
    """Samples over time; seconds and bytes."""

    answers: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)

    @property
    def slope(self) -> float:
        """Bytes a minute that the memory grows by, least squares over the second half of the time."""
        points = self.memory[len(self.memory) // 2 :]
        if len(points) < 2:
            return 0.0
        when = sum(time for time, _ in points) / len(points)
        much = sum(size for _, size in points) / len(points)
        spread = sum((time - when) ** 2 for time, _ in points)
        return 60 * sum((time - when) * (size - much) for time, size in points) / spread if spread else 0.0


async def watch(url: str, pid: int, health: Health) -> None:
    """Ask `/healthz` ten times a second, each on a connection of its own, until cancelled."""
    begin = time.monotonic()
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_keepalive_connections=0)) as http:
        while True:
            asked = time.monotonic()
            (await http.get(f"{url}/healthz")).raise_for_status()
            health.answers.append(time.monotonic() - asked)
            health.memory.append((asked - begin, resident(pid)))
            await asyncio.sleep(EVERY_SECONDS)


def resident(pid: int) -> int:
    """A process's memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def idle_share(pid: int, seconds: float) -> float:
    """The share of one core that a process takes within the next `seconds`."""
    before = processor_seconds(pid)
    await asyncio.sleep(seconds)
    return (processor_seconds(pid) - before) / seconds
