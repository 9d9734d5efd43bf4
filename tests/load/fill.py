"""Prompts that fill the KV cache, so that what follows is measured on a server that has been up for a while."""

from __future__ import annotations

import asyncio

import httpx

from .visitor import FILLER
from .watch import KEPT

LINES = 184
"""Of a prompt: nearly the 2,048 tokens that the bundled checkpoint takes."""
AT_ONCE = 16
MOST_ROUNDS = 30


async def fill(url: str) -> None:
    """Ask for one token after each of ever new long prompts until the KV cache grows no more. Raises `RuntimeError`
    where it never stops growing."""
    before = -1.0
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        for number in range(MOST_ROUNDS):
            await asyncio.gather(*(ask(http, f"# {number} {one}\n" + FILLER * LINES) for one in range(AT_ONCE)))
            now = await written(http)
            if now <= before:
                return
            before = now
    raise RuntimeError(f"the KV cache grew beyond {before / 1e6:.0f} MB still after {MOST_ROUNDS * AT_ONCE} prompts")


async def ask(http: httpx.AsyncClient, prompt: str) -> None:
    body = {"prompt": prompt, "max_tokens": 1, "temperature": 0}
    (await http.post("/v1/completions", json=body)).raise_for_status()


async def written(http: httpx.AsyncClient) -> float:
    """Bytes of the KV cache that have been written by now."""
    found = KEPT.search((await http.get("/metrics")).raise_for_status().text)
    return 0.0 if found is None else float(found.group(1))
