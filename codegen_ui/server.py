"""One web server for the page and the API: FastAPI with Gradio mounted last, behind a security middleware."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Before gradio is imported: no telemetry, no version check, no request to any other host.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codegen_ui import api
from codegen_ui.announce import Announcer, place
from codegen_ui.errors import InvalidInput
from codegen_ui.gallery import load_gallery
from codegen_ui.options import DEFAULT_PORT, Settings
from codegen_ui.service import Loader, Service
from codegen_ui.table import Option, rows
from codegen_ui.ui.assets import add_assets
from codegen_ui.ui.page import Page, build_page

PORTS_TO_TRY = 100
SHUTDOWN_SECONDS = 3
HANG_UP_SECONDS = 1
KEEP_ALIVE_SECONDS = 75
"""Longer than a proxy keeps an idle connection to us (nginx: 60 s): a request that it sends into one that we are just
closing would be lost, since a POST is not sent again."""
BLOCKED = ("/gradio_api/upload", "/gradio_api/file=http", "/gradio_api/proxy=", "/monitoring")
"""Gradio routes that this page does not use and that would take files or fetch other hosts' addresses."""
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
"""Gradio compiles its templates in the browser, hence the inline scripts; no other host is ever asked."""


class Security:
    """ASGI middleware: keeps `BLOCKED` routes shut, adds `HEADERS`, and lets no foreign origin read an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.startswith(BLOCKED):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"This route is closed.\n"})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Gradio answers any Origin with credentials allowed; same-origin pages need none of those headers.
                kept = [(k, v) for k, v in message["headers"] if not k.lower().startswith(b"access-control-")]
                # A route with a policy of its own (the sandbox of the checks) keeps it: two would both have to hold.
                own = {k.lower() for k, _ in kept}
                message = {**message, "headers": [*kept, *(header for header in HEADERS if header[0] not in own)]}
            await send(message)

        await self.app(scope, receive, guarded)


class Server(uvicorn.Server):
    """uvicorn's server, which ends the generations before it shuts down.

    By itself it would first wait for requests to end and then cancel those that do not, who hear nothing of why; the
    application is told only after that.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._service.close)
        hanging_up = asyncio.get_running_loop().call_later(HANG_UP_SECONDS, self._hang_up)
        await super().shutdown(sockets)
        hanging_up.cancel()

    def _hang_up(self) -> None:
        """Every answer has been sent by now: what is still open is a page's heartbeat, which never ends by itself."""
        for connection in list(self.server_state.connections):
            connection.transport.close()


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the port asked for, or on the first free one. Raises `InvalidInput`."""
    ports = [settings.port] if settings.port else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TO_TRY)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, port))
            return listener
        except socket.gaierror:
            listener.close()
            raise InvalidInput("host", settings.host, "an address of this machine, such as 127.0.0.1") from None
        except (OSError, OverflowError) as error:
            listener.close()
            reason = error
    where = f"{settings.port}" if settings.port else f"{DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TO_TRY - 1}"
    raise InvalidInput("port", where, f"a port that is free on {settings.host} ({reason})")


def make_service(settings: Settings, announce: Announcer) -> Service:
    """The operator's models, none loaded yet: on this machine, or on the servers of `--backend-url`."""
    load: Loader
    if settings.backend_url:
        from codegen_ui.remote import make_loader as make_remote_loader

        load = make_remote_loader(
            settings.backend_url,
            settings.backend_model,
            settings.backend_key_file,
            deadline_seconds=settings.deadline_seconds,
        )
        return Service([settings.backend_model or "remote"], load, announce)
    from codegen_ui.loading import LoadPlan, make_loader

    load = make_loader(**{row.name: getattr(settings, row.name) for row in rows(LoadPlan, Option)})
    return Service(settings.model, load, announce)


def create_app(service: Service, page: Page, settings: Settings) -> FastAPI:
    """The API's routes, then the page. The first model begins to load when the server has begun to listen."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(title="CodeGen Playground", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Security)
    api.register(
        app,
        service,
        keys=api.read_keys(settings.api_key_file),
        log_prompts=settings.log_prompts,
        root_path=settings.root_path,
    )
    add_assets(app)
    gr.mount_gradio_app(
        app,
        page.blocks,
        path="/",
        root_path=settings.root_path or None,
        theme=page.theme,
        css=page.css,
        head=page.head,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        max_file_size=0,
        ssr_mode=False,
    )
    return app


def serve(settings: Settings) -> None:
    """Serve until interrupted. Raises `InvalidInput` where the port or an option cannot be used."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    listener = bind(settings)
    address = place(address_of(listener), settings.root_path)
    service = make_service(settings, Announcer(address, say))
    page = build_page(service, load_gallery(settings.examples))
    app = create_app(service, page, settings)
    say(f"The page answers at {address} while the model loads.")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    try:
        Server(config, service).run(sockets=[listener])
    finally:
        service.close()


def address_of(listener: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def say(line: str) -> None:
    print(line, flush=True)
