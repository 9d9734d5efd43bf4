"""One visitor: asks again and again, by the page or by the API, sometimes cancels and sometimes vanishes.

Every prompt carries a marker, which its own stream must show and no other may.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from .page import Page

CANCELLED, VANISHED = 0.2, 0.1
"""Shares of the requests that end so."""
MARKER = re.compile(r"m\d+x\d+m")
PROMPTS = (
    "def add(a, b):\n",
    'def is_prime(n):\n    """Whether n is a prime number."""\n',
    "def binary_search(items, target):\n",
    "def merge_sort(items):\n    if len(items) < 2:\n        return items\n",
)
FILLER = "total = total + value  # and so on\n"
PLAIN = ssl.create_default_context()
"""One for all: each would take the visitors' process tens of milliseconds, and none is used."""
PAUSE_SECONDS = 1.0
"""The mean of a visitor's pauses between two requests."""


@dataclass
class Tally:
    """What came of all visitors' requests; times in seconds."""

    asked: int = 0
    finished: int = 0
    cancelled: int = 0
    vanished: int = 0
    busy: int = 0
    crossed: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def left(self, fate: str) -> None:
        if fate == "vanishes":
            self.vanished += 1
        else:
            self.cancelled += 1


class Visitor:
    """Comes from a loopback address of its own, and is random only by its number. Keeps one tab open until it vanishes,
    and comes back with another."""

    def __init__(self, url: str, number: int, tally: Tally) -> None:
        self._url = url
        self._number = number
        self._tally = tally
        self._random = random.Random(number)
        self._address = f"127.0.{1 + number // 200}.{1 + number % 200}"
        self._http: httpx.AsyncClient | None = None
        self._page: Page | None = None
        self._open: asyncio.Task[None] | None = None

    async def stay(self, until: float) -> None:
        """Ask until the event loop's time `until`, and see the last answer to its end."""
        loop = asyncio.get_running_loop()
        count = 0
        await asyncio.sleep(self._random.uniform(0, PAUSE_SECONDS))
        while loop.time() < until:
            count += 1
            await self._ask(f"m{self._number}x{count}m")
            await asyncio.sleep(self._random.expovariate(1 / PAUSE_SECONDS))
        await self._leave()

    def _come(self) -> httpx.AsyncClient:
        if self._http is None:
            transport = httpx.AsyncHTTPTransport(local_address=self._address, verify=PLAIN)
            self._http = httpx.AsyncClient(base_url=self._url, transport=transport, timeout=60)
        return self._http

    async def _leave(self) -> None:
        """With all connections, whatever comes by them: nobody reads on, and nobody says so."""
        http, self._http, self._page = self._http, None, None
        if self._open is not None:
            self._open.cancel()
            await asyncio.wait([self._open])
            self._open = None
        if http is not None:
            await http.aclose()

    async def _ask(self, marker: str) -> None:
        tally, choice = self._tally, self._random
        size = choice.choice((0, 0, 0, 10, 60))
        prompt = f"# {marker}\n" + FILLER * size + choice.choice(PROMPTS)
        new_tokens = choice.choice((16, 48, 128))
        fate = choice.choices(("stays", "cancels", "vanishes"), (1 - CANCELLED - VANISHED, CANCELLED, VANISHED))[0]
        leaves_at = choice.randint(1, 6) if fate != "stays" else None
        ask = self._by_page if choice.random() < 0.5 else self._by_api
        tally.asked += 1
        try:
            await ask(self._come(), marker, prompt, size, new_tokens, fate, leaves_at)
        except (httpx.HTTPError, RuntimeError) as error:
            tally.lost.append(f"{marker} ({ask.__name__}, {fate}): {type(error).__name__} {error}")
            await self._leave()
        if fate == "vanishes":
            await self._leave()

    async def _by_page(
        self, http: httpx.AsyncClient, marker: str, prompt: str, size: int, new: int, fate: str, leaves_at: int | None
    ) -> None:
        if self._page is None:
            page = Page(http)
            await page.open()
            self._page, self._open = page, asyncio.create_task(page.stay_open())
        page = self._page
        begin, clock = time.monotonic(), Clock(self._tally)
        state, text, count = "", "", 0
        async for shown in page.generate(prompt, min(2048, 60 + 14 * size + new)):
            count += 1
            if shown.text and not self._own(marker, shown.text):
                return
            if len(shown.text) > max(len(prompt), len(text)) and shown.state == "decoding":
                clock.piece(begin)
            state, text = shown.state, shown.text or text
            if leaves_at is not None and count >= leaves_at and fate == "vanishes":
                self._tally.left(fate)
                return
            if leaves_at is not None and count == leaves_at:
                await page.stop()
        if state == "stopped" or (fate == "cancels" and state == "done"):
            self._tally.cancelled += 1
        elif state == "done" and text.startswith(prompt) and marker in text:
            self._tally.finished += 1
        else:
            self._tally.lost.append(f"{marker} (page, {fate}): ended as {state!r} {shown.note!r} with {text[-80:]!r}")

    async def _by_api(
        self, http: httpx.AsyncClient, marker: str, prompt: str, size: int, new: int, fate: str, leaves_at: int | None
    ) -> None:
        options = {"include_usage": True}
        body = {"prompt": prompt, "max_tokens": new, "temperature": 0, "stream": True, "echo": True}
        begin, clock = time.monotonic(), Clock(self._tally)
        text, chunks, reason, usage = "", 0, None, None
        async with http.stream("POST", "/v1/completions", json={**body, "stream_options": options}) as answer:
            if answer.status_code == 429:
                assert answer.headers["retry-after"]
                self._tally.busy += 1
                return
            answer.raise_for_status()
            async for event in events(answer):
                if "error" in event:
                    raise RuntimeError(str(event["error"]))
                usage = event.get("usage") or usage
                for choice in event["choices"]:
                    reason = choice.get("finish_reason") or reason
                    text += choice["text"]
                    if reason is None and text != prompt:
                        chunks += 1
                        clock.piece(begin)
                if leaves_at is not None and chunks >= leaves_at:
                    break
        if not self._own(marker, text):
            return
        if leaves_at is not None and reason is None:
            self._tally.left(fate)
        elif reason is None or usage is None or not text.startswith(prompt):
            self._tally.lost.append(f"{marker} (api): ended by {reason!r} with {text[-80:]!r}")
        elif usage["completion_tokens"] != chunks:
            self._tally.duplicated.append(f"{marker}: {chunks} chunks of {usage['completion_tokens']} tokens")
        else:
            self._tally.finished += 1

    def _own(self, marker: str, text: str) -> bool:
        """Whether a stream shows its own marker once and no other."""
        found = MARKER.findall(text)
        if set(found) - {marker}:
            self._tally.crossed.append(f"{marker} saw {sorted(set(found))}")
        elif len(found) > 1:
            self._tally.duplicated.append(f"{marker} {len(found)} times")
        elif found:
            return True
        else:
            self._tally.lost.append(f"{marker}: not in {text[:80]!r}")
        return False


class Clock:
    """Times the pieces of one stream."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._last: float | None = None

    def piece(self, begin: float) -> None:
        """A piece came, of a request that was sent at `begin`."""
        now = time.monotonic()
        if self._last is None:
            self._tally.first.append(now - begin)
        else:
            self._tally.gaps.append(now - self._last)
        self._last = now


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The objects of server-sent events, up to `[DONE]`."""
    async for line in answer.aiter_lines():
        if line == "data: [DONE]":
            return
        if line.startswith("data:"):
            yield json.loads(line[5:])
    raise RuntimeError("the stream ended without [DONE]")
