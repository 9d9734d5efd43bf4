"""A real web server on a free loopback port, for tests that talk to one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fake_engine import wait_until
from fastapi import FastAPI

from codegen_ui import api
from codegen_ui.server import KEEP_ALIVE_SECONDS
from codegen_ui.service import Service


@contextmanager
def running(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve `app` from a thread, at a free port if none is given; yields its address, without a slash at the end."""
    listener = socket.create_server(("127.0.0.1", port))
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


def api_app(service: Service, keys: Iterable[str] | None = None, **options: Any) -> FastAPI:
    """The API without a page."""
    app = FastAPI(title="CodeGen Playground", docs_url=None, redoc_url=None)
    api.register(app, service, keys, **options)
    return app
