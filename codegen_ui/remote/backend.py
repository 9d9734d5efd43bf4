"""One server: its address, whether it is up, what it serves, and how busy we keep it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import httpx

from codegen_ui.errors import InvalidInput
from codegen_ui.remote.wire import KNOWN, Abilities, error_message, parse_refusal

logger = logging.getLogger(__name__)

PROBE_TIMEOUT = 5.0


@dataclass(frozen=True)
class Served:
    """What a server said of the model: its name there, the context in tokens if told, and the kind of server."""

    model: str
    context: int | None
    owner: str

    @property
    def abilities(self) -> Abilities:
        return KNOWN.get(self.owner, Abilities())


class Backend:
    """A server as the event loop's thread sees it; other threads only read.

    Attributes:
        name: `host:port`, for messages.
        up: whether the last probe or request found it serving.
        reason: why it is not up, in words that fit after its name.
        active: requests of ours that it is working on.
        misses: probes in a row that failed.
    """

    def __init__(self, url: str, model: str | None, key: str | None) -> None:
        """Raises `InvalidInput` for what is no http(s) address."""
        try:
            parsed = httpx.URL(url.rstrip("/"))
        except (httpx.InvalidURL, TypeError) as error:
            raise InvalidInput("backend_url", url, "an address such as http://host:8000/v1") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise InvalidInput("backend_url", url, "an address such as http://host:8000/v1")
        self.url = str(parsed)
        self.name = parsed.netloc.decode("ascii")
        self.headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.up = False
        self.reason = "has not answered yet"
        self.served: Served | None = None
        self.active = 0
        self.misses = 0
        self._wanted = model

    @property
    def tokenize_url(self) -> str:
        """vLLM has it beside `/v1`, not under it."""
        return f"{self.url.removesuffix('/v1')}/tokenize"

    async def probe(self, client: httpx.AsyncClient) -> None:
        """Ask what it serves, and note whether it is up. Raises nothing for whatever the server does."""
        try:
            response = await client.get(f"{self.url}/models", headers=self.headers, timeout=PROBE_TIMEOUT)
        except httpx.HTTPError as error:
            self.mark_down(describe(error))
            return
        if response.status_code != 200:
            self.mark_down(refusal(response.status_code, parse_refusal(response.content)))
            return
        try:
            self._read_models(response.json())
        except (ValueError, TypeError, KeyError, AttributeError):
            self.mark_down("does not answer as an OpenAI-compatible server; does the URL end in /v1?")

    def _read_models(self, body: dict[str, Any]) -> None:
        cards = {str(card["id"]): card for card in body["data"]}
        if not cards:
            self.mark_down("serves no model")
            return
        wanted = self._wanted or next(iter(cards))
        if wanted not in cards:
            self.mark_down(f"does not serve {wanted}; it serves {', '.join(cards)}"[:300])
            return
        card = cards[wanted]
        if card.get("status", "ready") != "ready":
            notice = error_message({"message": card.get("notice") or ""})
            self.mark_down(f"is not ready: its model is {card['status']}. {notice}".rstrip())
            return
        context = card.get("max_model_len")
        self.mark_up(Served(wanted, int(context) if context else None, str(card.get("owned_by", ""))))

    def mark_up(self, served: Served) -> None:
        if not self.up:
            logger.info("backend %s is up: serves %s", self.name, served.model)
        self.up, self.reason, self.served, self.misses = True, "", served, 0

    def mark_down(self, reason: str) -> None:
        if self.up:
            logger.warning("backend %s is down: it %s", self.name, reason)
        self.up, self.reason = False, reason
        self.misses += 1


def describe(error: httpx.HTTPError) -> str:
    """A transport error in words that fit after the server's name."""
    if isinstance(error, httpx.ConnectTimeout):
        return "does not answer (timed out while connecting)"
    if isinstance(error, httpx.ConnectError):
        return "cannot be reached (is it running, and is the address right?)"
    if isinstance(error, httpx.TimeoutException):
        return "does not answer in time"
    return f"closed the connection ({type(error).__name__})"


def refusal(status: int, body: object) -> str:
    """A status other than 200 in words that fit after the server's name."""
    message = error_message(body)
    told = f": {message}" if message else ""
    if status in (401, 403):
        return f"refuses the key it was sent (HTTP {status}){told}"
    if status == 404:
        return f"does not know the address or the model (HTTP 404){told}"
    if status == 429:
        return f"is too busy (HTTP 429){told}"
    if status in (502, 503, 504):
        return f"is starting or overloaded (HTTP {status}){told}"
    return f"answers with HTTP {status}{told}"
