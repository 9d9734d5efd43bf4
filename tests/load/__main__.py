"""Load a playground with visitors who come by the page and by the API, and say how it bore them.

    python -m tests.load                              # 64 visitors, 3 minutes, the bundled checkpoint
    python -m tests.load --visitors 16 --seconds 20 --cold

The KV cache is filled first, for it grows as visitors come and would hide what else does; `--cold` leaves that out.
The visitors have loopback addresses of their own (Linux), and their process, which on a real day is many browsers
elsewhere, is the one that waits where it and the server want the same core. Ends with one JSON object, and with status
1 where a request was lost, doubled or crossed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass

import httpx

from codegen_ui.bench.app_process import AppProcess
from codegen_ui.pace import percentile

from .fill import fill
from .visitor import Tally, Visitor
from .watch import Health, processor_seconds, watching

SETTLE_SECONDS = 3.0
POLITE = 5
"""By how much the visitors' process gives way."""
GAUGES = ("codegen:num_requests_running", "codegen:num_requests_waiting")


@dataclass(frozen=True)
class Outcome:
    """How the server bore it. `left` is what it still runs after all visitors have gone; seconds, bytes, shares."""

    tally: Tally
    health: Health
    idle: float
    left: float

    @property
    def faults(self) -> list[str]:
        """Requests that were lost, doubled or crossed, and what was never freed."""
        tally = self.tally
        kinds = {"lost": tally.lost, "doubled": tally.duplicated, "crossed": tally.crossed}
        found = [f"{kind}: {one}" for kind, ones in kinds.items() for one in ones]
        accounted = tally.finished + tally.cancelled + tally.vanished + tally.busy + len(found)
        if accounted != tally.asked:
            found.append(f"{tally.asked} requests, of which {accounted} are accounted for")
        return found + ([f"{self.left:g} requests still run"] if self.left else [])

    def figures(self) -> dict[str, float | None]:
        tally, first, gaps = self.tally, sorted(self.tally.first), sorted(self.tally.gaps)
        memory = [one.memory for one in self.health.samples]
        return {
            "requests": tally.asked,
            "finished": tally.finished,
            "cancelled": tally.cancelled,
            "vanished": tally.vanished,
            "refused with 429": tally.busy,
            "lost, doubled or crossed": len(self.faults),
            "TTFT p50, s": percentile(first, 0.5),
            "TTFT p95, s": percentile(first, 0.95),
            "gap between pieces p95, s": percentile(gaps, 0.95),
            "/healthz max, s": max(self.health.answers),
            "/healthz p99, s": percentile(sorted(self.health.answers), 0.99),
            "memory at first, MB": memory[0] / 1e6,
            "memory at most, MB": max(memory) / 1e6,
            "memory growth in the second half, MB a minute": self.health.slope / 1e6,
            "the same without the KV cache, MB a minute": self.health.slope_beside_cache / 1e6,
            "KV cache at the end, MB": self.health.samples[-1].kept / 1e6,
            "idle afterwards, share of a core": self.idle,
        }


async def load(url: str, pid: int, visitors: int, seconds: float, idle_seconds: float, polite: int = 0) -> Outcome:
    """Send visitors for so long, then see what is left. `polite`: by how much this process gives way meanwhile."""
    tally = Tally()
    with watching(url, pid) as health:
        os.nice(polite)
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(Visitor(url, number, tally).stay(until) for number in range(visitors)))
    await asyncio.sleep(SETTLE_SECONDS)
    idle = await idle_share(pid, idle_seconds)
    return Outcome(tally, health, idle, await running(url))


async def idle_share(pid: int, seconds: float) -> float:
    """The share of one core that a process takes within the next `seconds`."""
    before = processor_seconds(pid)
    await asyncio.sleep(seconds)
    return (processor_seconds(pid) - before) / seconds


async def running(url: str) -> float:
    """How many requests the server has, by its metrics."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{url}/metrics")).raise_for_status().text
    return sum(float(value) for name in GAUGES for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--visitors", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--cold", action="store_true", help="begin with an empty KV cache")
    parser.add_argument("options", nargs="*", help="options for app.py, after --")
    chosen = parser.parse_args()
    with AppProcess("--model", "bundled", *chosen.options) as server:
        if not chosen.cold:
            asyncio.run(fill(server.url))
        outcome = asyncio.run(
            load(server.url, server.pid, chosen.visitors, chosen.seconds, chosen.idle_seconds, POLITE)
        )
    for fault in outcome.faults[:20]:
        print(fault)
    figures = outcome.figures()
    print("\n| figure | value |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {'–' if value is None else f'{value:,.4g}'} |")
    print(json.dumps(figures))
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
