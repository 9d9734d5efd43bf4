"""The answer for `/`: Gradio's, with something to see before its scripts have run, and what those will ask for.

Gradio's page is empty until its scripts have made it, and they ask for each other in four rounds. Here the browser is
told of all of them at once, shows the page's head meanwhile, and is sent a fifth of the bytes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codegen_ui.door.answers import path_of
from codegen_ui.ui.assets import ASK, GRADIO, GRADIO_PREFIX, Content

STATIC = Path(__file__).parent / "static"
PRELOADED = STATIC / "preloaded.txt"
"""Which of Gradio's files the page asks for while it is made; a test compares it with what a browser asks for."""
ADDRESS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
"""The headers by which Gradio finds the address that it writes into its answer."""
REMEMBERED = 16
"""Answers that are kept, one for each name that the server is reached by."""


class Front:
    """ASGI middleware. What Gradio answers for `/` depends on the address alone, and takes it 10 ms each time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known: OrderedDict[tuple[object, ...], Content] = OrderedDict()
        self._links = links(preloaded())
        self._shell = (STATIC / "shell.html").read_text(encoding="utf-8")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or path_of(scope) != "/":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = (scope["scheme"], scope.get("root_path"), *(headers.get(name) for name in ADDRESS))
        content = None if scope["query_string"] else self._known.get(key)
        if content is None:
            start, body = await answer_of(self._app, scope, receive)
            if start["status"] != 200:
                await send(start)
                await send({"type": "http.response.body", "body": body})
                return
            # Compressing takes milliseconds: not on the loop that carries everybody's streams.
            content = await asyncio.to_thread(Content.of, self._furnished(body.decode()).encode())
            if not scope["query_string"]:
                self._remember(key, content)
        answer = content.answer(Request(scope), "text/html; charset=utf-8", **{"cache-control": ASK})
        await answer(scope, receive, send)

    def _furnished(self, page: str) -> str:
        """Gradio's page with the links at the end of its head, and the shell before its own element."""
        page = page.replace("</head>", f"{self._links}</head>", 1)
        return page.replace("<gradio-app", f"{self._shell}<gradio-app", 1)

    def _remember(self, key: tuple[object, ...], content: Content) -> None:
        self._known[key] = content
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


async def answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """What an application answers: how it begins, and its whole body."""
    start: Message = {}
    parts: list[bytes] = []

    async def keep(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return start, b"".join(parts)


def preloaded() -> list[str]:
    """The names in `PRELOADED` that this Gradio has: another release calls its files otherwise."""
    names = PRELOADED.read_text(encoding="utf-8").split()
    return [name for name in names if (GRADIO / name).is_file()]


def links(names: Iterable[str]) -> str:
    """Tells the browser to fetch, and of scripts to compile, what will be asked for."""
    kinds = {".js": 'rel="modulepreload"', ".css": 'rel="preload" as="style"'}
    return "".join(f'<link {kinds[Path(name).suffix]} crossorigin href=".{GRADIO_PREFIX}/{name}">' for name in names)
