"""A real web server on a free loopback port, for tests that talk to one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from fake_engine import wait_until
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from codegen_ui import api
from codegen_ui.door.answers import with_headers
from codegen_ui.door.door import Door, Rules
from codegen_ui.door.gate import Gate
from codegen_ui.gallery import Example
from codegen_ui.listen import KEEP_ALIVE_SECONDS, listen
from codegen_ui.options import Options
from codegen_ui.service import Service


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve `app` from a thread, at a free port if none is given; yields its address, without a slash at the end."""
    listener = listen("127.0.0.1", port)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def page_app(service: Service, examples: Sequence[Example] = (), **options: Any) -> FastAPI:
    """The page and the API, behind their door."""
    # A server without a page, in a process of its own, starts in a quarter of the time that Gradio takes to import.
    from codegen_ui.server import create_app
    from codegen_ui.ui.page import build_page

    return create_app(service, build_page(service, examples), Options(**options))


class Headers:
    """ASGI middleware: the door's headers without the rest of it, for routes that only a test has."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, with_headers(send) if scope["type"] == "http" else send)


def api_app(service: Service, keys: Iterable[str] | None = None, **options: Any) -> FastAPI:
    """The API without a page, behind its door."""
    app = FastAPI(title="CodeGen Playground", docs_url=None, redoc_url=None)
    gate = Gate(keys)
    app.add_middleware(Door, rules=Rules(allowed_hosts=("*",)), gate=gate)
    api.register(app, service, gate, **options)
    return app
