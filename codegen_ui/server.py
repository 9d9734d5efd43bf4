"""One web server for the page and the API: FastAPI with Gradio mounted last, behind the door."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI

from codegen_ui import api
from codegen_ui.announce import Announcer, place, say
from codegen_ui.collector import spare, uncollected
from codegen_ui.door.bodies import Envelopes
from codegen_ui.door.connections import PatientProtocol
from codegen_ui.door.door import Door, Rules
from codegen_ui.door.gate import Gate, read_keys, read_users
from codegen_ui.door.hosts import known_hosts
from codegen_ui.escaping import LineFormatter
from codegen_ui.gallery import load_gallery
from codegen_ui.listen import KEEP_ALIVE_SECONDS, address_of, bind, is_loopback
from codegen_ui.options import Options
from codegen_ui.reloads import watch
from codegen_ui.service import Loader, Service
from codegen_ui.status import ModelStatus, Phase
from codegen_ui.table import Option, rows
from codegen_ui.ui.assets import add_assets
from codegen_ui.ui.front import Front
from codegen_ui.ui.page import Page, build_page

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 3
HANG_UP_SECONDS = 1
DRAIN_LOOK_SECONDS = 0.05


class Server(uvicorn.Server):
    """uvicorn's server, which lets the generations end, or ends them, before it shuts down.

    By itself it would first wait for requests to end and then cancel those that do not, who hear nothing of why; the
    application is told only after that. A second interrupt does not wait.
    """

    def __init__(self, config: uvicorn.Config, service: Service, drain_seconds: float = 0.0) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._service.drain()
        until = loop.time() + self._drain_seconds
        # Looked at, once in a server's life: what a second interrupt sets is a flag of uvicorn's, which wakes nobody.
        while self._service.busy and loop.time() < until and not self.force_exit:
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        await self._close_engines()
        hanging_up = loop.call_later(HANG_UP_SECONDS, self._hang_up)
        await super().shutdown(sockets)
        hanging_up.cancel()

    async def _close_engines(self) -> None:
        """In a thread that nobody has to wait for: an engine whose step is stuck never closes."""
        closed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def close() -> None:
            self._service.close()
            loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=close, name="close engines", daemon=True).start()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(closed.wait(), SHUTDOWN_SECONDS)

    def _hang_up(self) -> None:
        """Every answer has been sent by now: what is still open is a page's heartbeat, which never ends by itself."""
        for connection in list(self.server_state.connections):
            connection.transport.close()


def make_service(options: Options, announce: Announcer) -> Service:
    """The operator's models, none loaded yet: on this machine, or on the servers of `--backend-url`."""
    load: Loader
    if options.backend_url:
        from codegen_ui.remote import make_loader as make_remote_loader

        load = make_remote_loader(
            options.backend_url,
            options.backend_model,
            options.backend_key_file,
            deadline_seconds=options.deadline_seconds,
        )
        return Service([options.backend_model or "remote"], load, announce, per_visitor=options.per_visitor)
    from codegen_ui.loading import LoadPlan, make_loader

    load = make_loader(**{row.name: getattr(options, row.name) for row in rows(LoadPlan, Option)})
    return Service(options.model, load, announce, per_visitor=options.per_visitor)


def make_gate(options: Options) -> Gate:
    """Who may come in. Raises `InvalidInput` where a file of keys or users cannot be used."""
    return Gate(read_keys(options.api_key_file), read_users(options.auth_file))


def make_rules(options: Options) -> Rules:
    return Rules(
        allowed_hosts=(*known_hosts(options.host), *options.allowed_hosts),
        trusted_proxies=options.trusted_proxies,
        requests_per_minute=options.requests_per_minute,
        open_page=options.open_page,
    )


def make_envelopes(page: Page) -> Envelopes:
    """What the page's handlers take."""
    handlers = [one for one in page.blocks.get_config_file()["dependencies"] if one["backend_fn"]]
    generate = next(len(one["inputs"]) for one in handlers if one["api_name"] == "generate")
    return Envelopes({one["id"]: len(one["inputs"]) for one in handlers}, generate)


def create_app(service: Service, page: Page, options: Options) -> FastAPI:
    """The API's routes, then the page, behind the door. The first model begins to load when the server listens.

    Raises `InvalidInput` where a file of keys or users cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        watching = asyncio.create_task(watch(service, options.step_seconds))
        yield
        watching.cancel()
        service.drain()

    gate = make_gate(options)
    app = FastAPI(title="CodeGen Playground", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Front)  # within the door
    app.add_middleware(Door, rules=make_rules(options), gate=gate, envelopes=make_envelopes(page))
    api.register(
        app,
        service,
        gate,
        log_prompts=options.log_prompts,
        root_path=options.root_path,
    )
    add_assets(app)
    page.mount(app, options.root_path)
    return app


def serve(options: Options) -> None:
    """Serve until interrupted. Raises `InvalidInput` where the port or an option cannot be used."""
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[to_terminal])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    listener = bind(options.host, options.port)
    address = place(address_of(listener), options.root_path)
    warn_if_open(options)
    with uncollected():
        service = make_service(options, Announcer(address, say))
        page = build_page(service, load_gallery(options.examples))
        app = create_app(service, page, options)
    spare()
    say(f"The page answers at {address} while the model loads.")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        log_level="warning",
        http=PatientProtocol,
        proxy_headers=False,  # the door's `Proxies` reads them
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    try:
        with service.watching(spare_loaded):
            Server(config, service, options.drain_seconds).run(sockets=[listener])
    finally:
        service.close()


def spare_loaded(status: ModelStatus) -> None:
    """A model that has loaded stays, and so does what was imported for it."""
    if status.phase is Phase.READY:
        spare()


def warn_if_open(options: Options) -> None:
    """Say so where strangers can come in."""
    closed = options.auth_file is not None or (options.api_key_file is not None and not options.open_page)
    if not closed and not is_loopback(options.host):
        logger.warning(
            "listening on %s for whoever reaches it; --auth-file asks for a user name and a password", options.host
        )
