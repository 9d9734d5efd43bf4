"""The page as its own script talks to the server: Gradio's queue, its events and their differences."""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from gradio_client.utils import apply_diff

TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Shown:
    """What the page shows at one moment: the output's text, the live panel's state, its note."""

    text: str
    state: str
    note: str
    ended: bool


class Page:
    """One tab, opened by `open`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.session = secrets.token_hex(6)
        self._buttons: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._names: list[str | None] = []

    async def open(self) -> None:
        """Load the page and find out what its buttons do."""
        (await self._http.get("/")).raise_for_status()
        self.know((await self._http.get("/config")).raise_for_status().json())

    async def open_like(self, other: Page) -> None:
        """Load the page, of which another tab has found out what its buttons do: the same for all."""
        (await self._http.get("/")).raise_for_status()
        self._buttons, self._inputs, self._names = other._buttons, other._inputs, other._names

    def know(self, config: dict[str, Any]) -> None:
        names = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        self._buttons = {
            name: next(one for one in config["dependencies"] if [names[name], "click"] in one["targets"])
            for name in ("cg-generate", "cg-stop")
        }
        values = {part["id"]: part["props"].get("value") for part in config["components"]}
        self._inputs = [values[one] for one in self._buttons["cg-generate"]["inputs"]]
        self._names = [
            next((name for name, number in names.items() if number == one), None)
            for one in self._buttons["cg-generate"]["inputs"]
        ]

    async def stay_open(self) -> None:
        """Tell the server that the tab is open, for as long as this is awaited."""
        path = f"/gradio_api/heartbeat/{self.session}"
        async with self._http.stream("GET", path, timeout=None) as beats:
            async for _ in beats.aiter_raw():
                pass

    async def generate(self, prompt: str, max_length: int) -> AsyncIterator[Shown]:
        """Press Generate and see every update to the last."""
        values = list(self._inputs)
        values[0], values[1] = prompt, max_length
        event = await self._press("cg-generate", values, "/gradio_api/queue/join")
        seen: list[Any] = [[], {}]
        async with self._http.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.session}, timeout=None
        ) as events:
            events.raise_for_status()
            async for line in events.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message.get("event_id") not in (event, None):
                    continue
                if message["msg"] == "process_generating":
                    seen = merged(seen, message["output"]["data"])
                    yield shown(seen, ended=False)
                elif message["msg"] == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"the page failed: {message['output']}")
                    yield shown(seen, ended=True)
                    return
        raise RuntimeError("the page's stream ended early")

    async def stop(self) -> None:
        """Press Stop."""
        await self._press("cg-stop", [], "/gradio_api/run/predict")

    async def _press(self, button: str, values: list[Any], path: str) -> str | None:
        body = {"data": values, "fn_index": self._buttons[button]["id"], "session_hash": self.session}
        answer = await self._http.post(path, json=body)
        answer.raise_for_status()
        found: str | None = answer.json().get("event_id")
        return found


def merged(seen: list[Any], news: list[Any]) -> list[Any]:
    """Every output with what came: a value at first, then edits of it."""
    return [
        old if is_skip(new) else apply_diff(old, new) if is_edits(new) else new
        for old, new in zip(seen, news, strict=True)
    ]


def is_edits(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, list) and len(one) == 3 for one in value)


def is_skip(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update" and "value" not in value


def shown(outputs: list[Any], *, ended: bool) -> Shown:
    lines, figures = outputs
    text = html.unescape(TAG.sub("", "\n".join(lines)))
    return Shown(text, figures.get("state", ""), figures.get("note", ""), ended)
