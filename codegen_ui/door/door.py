"""What a request passes, in this order: trusted proxies, the host's name, the rate, the list of routes, the gate.

Which routes are open at all is listed here: Gradio brings many more than this page uses, and every release may bring
others.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from codegen_ui.door.answers import Refusal, header, path_of, with_headers
from codegen_ui.door.bodies import Envelopes, bounded, read, with_blame, with_body
from codegen_ui.door.gate import Gate
from codegen_ui.door.hosts import Hosts, known_hosts
from codegen_ui.door.visitors import Proxies, Rate, visitor_of
from codegen_ui.escaping import quoted

logger = logging.getLogger(__name__)

PROBES = ("/healthz", "/readyz")
"""Asked by machines that have no credentials and must not be refused."""
LINES_A_MINUTE = 6
"""Refusals of one visitor that are logged: a flood of requests must not become a flood of lines."""
API = r"/v1(/.*)?|/tokenize"
OPERATIONS = r"/healthz|/readyz|/metrics|/docs|/openapi\.json"
FILES = (
    r"/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon(/\w+)?"
    r"|/(assets|static|svelte|own)/[\w./+@~-]{1,300}"
)
READ = (
    r"/|/config/?|/gradio_api/(info/?|app_id/?|theme\.css|startup-events|queue/data)"
    r"|/gradio_api/(heartbeat|call/generate)/[\w-]{1,64}"
)
WRITE = r"/gradio_api/(queue/join|run/predict/?|reset/?|cancel|call/generate/?)"

_api, _operations, _static = re.compile(API), re.compile(OPERATIONS), re.compile(FILES)
_read, _write = re.compile(f"{FILES}|{READ}"), re.compile(WRITE)


@dataclass(frozen=True)
class Rules:
    """What the operator chose.

    Attributes:
        allowed_hosts: names that the server answers to.
        trusted_proxies: addresses and networks of proxies whose word on the visitor's address counts.
        requests_per_minute: of one visitor; 0 is no limit.
        open_page: the page asks for no key where the API does.
    """

    allowed_hosts: tuple[str, ...] = field(default_factory=lambda: known_hosts("127.0.0.1"))
    trusted_proxies: tuple[str, ...] = ()
    requests_per_minute: int = 0
    open_page: bool = False


class Door:
    """ASGI middleware around everything. The API's routes ask the same gate themselves, to refuse in their own shape.

    The visitor's name, by which requests are counted, is left in the scope as `codegen_ui.visitor`.
    """

    def __init__(self, app: ASGIApp, rules: Rules, gate: Gate, envelopes: Envelopes | None = None) -> None:
        """`envelopes`: what the page's routes take, where there is a page."""
        self.app = app
        self._gate = gate
        self._envelopes = envelopes
        self._open_page = rules.open_page
        self._hosts = Hosts(rules.allowed_hosts)
        self._rate = Rate(rules.requests_per_minute)
        self._lines = Rate(LINES_A_MINUTE)
        self._entry = Proxies(self._enter, rules.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._entry(scope, receive, with_headers(send))
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = visitor_of(scope)
        receive, path = bounded(scope, receive), path_of(scope)
        try:
            await self._check(scope, visitor)
            if self._envelopes is not None and scope["method"] == "POST" and self._envelopes.holds(path):
                scope, receive = with_body(scope, receive, self._envelopes.open(path, await read(receive)))
                send = with_blame(send)
        except Refusal as refusal:
            self._log(scope, visitor, refusal)
            await refusal.answer(scope, send)
            return
        scope["codegen_ui.visitor"] = visitor
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            if not isinstance(error.__cause__, HTTPException):
                raise
            # Gradio has begun its answer and told there what it now wants to tell by a status.
            await send({"type": "http.response.body", "body": b""})

    async def _check(self, scope: Scope, visitor: str) -> None:
        """Raises `Refusal`."""
        path = path_of(scope)
        self._hosts.check(scope)
        if not is_static(path) and path not in PROBES:
            self._rate.hit(visitor)
        if not is_open(scope["method"], path):
            raise Refusal(404, "This server has no such route.", "unknown_url")
        if self._asks(path):
            await self._gate.admit(header(scope, b"authorization"), visitor, browser=True)

    def _asks(self, path: str) -> bool:
        """Whether the door itself asks for credentials there."""
        if is_api(path) or path in PROBES:
            return False
        if is_operations(path):
            return self._gate.has_users
        return self._gate.has_users or (self._gate.has_keys and not self._open_page)

    def _log(self, scope: Scope, visitor: str, refusal: Refusal) -> None:
        try:
            self._lines.hit(visitor)
        except Refusal:
            return
        logger.warning(
            "refused visitor=%s method=%s path=%s status=%d code=%s",
            visitor, quoted(scope["method"][:20]), quoted(scope["path"][:200]), refusal.status_code, refusal.code,
        )  # fmt: skip


def is_open(method: str, path: str) -> bool:
    """Whether the page, the API or an operator has a use for that route.

    The API says itself, in its own shape, what it has not.
    """
    if is_api(path) or is_operations(path):
        return True
    wanted = _read if method in ("GET", "HEAD") else _write if method == "POST" else None
    return wanted is not None and wanted.fullmatch(path) is not None and ".." not in path


def is_api(path: str) -> bool:
    return _api.fullmatch(path) is not None


def is_operations(path: str) -> bool:
    return _operations.fullmatch(path) is not None


def is_static(path: str) -> bool:
    """Files that are the same for everybody."""
    return _static.fullmatch(path) is not None
