"""What goes over the wire: bodies of requests, chunks of streams, refusals. Servers are trusted with nothing here."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from codegen_ui.generation import TokenLogprob
from codegen_ui.request import GenerationRequest, StopAt, api_settings
from codegen_ui.table import Setting

MAX_LINE_BYTES = 1 << 20
MAX_MESSAGE = 300
CLOSING = re.compile(
    r"(?:[\s.;]|please try again in a moment|the text so far is kept|please generate again or continue from it)+$",
    re.IGNORECASE,
)
"""What a message may end with, our own servers' not least, that ours says again after quoting it."""


class WireError(Exception):
    """A server's answer that says it failed, or that makes no sense; the text says which.

    `refusal` is the error that it sent within the stream, where it sent one.
    """

    def __init__(self, message: str, refusal: Mapping[str, Any] | None = None) -> None:
        self.refusal = refusal
        super().__init__(message)


@dataclass(frozen=True)
class Abilities:
    """What a kind of server takes beyond OpenAI's own completions API.

    Attributes:
        settings: the settings that it knows, by their `origin`; one that knows vLLM's knows `ignore_eos` too.
        token_ids: `return_token_ids` and `continuous_usage_stats`.
        tokenize: `POST /tokenize` beside `/v1`.
    """

    settings: tuple[str, ...] = ("openai",)
    token_ids: bool = False
    tokenize: bool = False


KNOWN = {
    "vllm": Abilities(("openai", "vllm"), token_ids=True, tokenize=True),
    "codegen-playground": Abilities(("openai", "vllm", "ours"), token_ids=True, tokenize=True),
    "sglang": Abilities(("openai", "vllm")),
}
"""By the `owned_by` of `/v1/models`; of any other server only OpenAI's own API is expected."""


@dataclass(frozen=True)
class Piece:
    """One chunk of a stream.

    Attributes:
        tokens: how many tokens it carries; None where the chunk does not tell.
        logprobs: for each of its tokens the token and the likeliest, best first; empty unless asked for.
        reason: why it ended, `"stop"`, `"length"` or another word; None while it goes on.
        detail: our own servers' closer reason.
        usage: prompt tokens and completion tokens so far, where the chunk tells.
    """

    text: str = ""
    tokens: int | None = None
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[tuple[TokenLogprob, tuple[TokenLogprob, ...]], ...] = ()
    reason: str | None = None
    detail: str | None = None
    usage: tuple[int, int] | None = None


def completion_body(
    request: GenerationRequest,
    *,
    model: str,
    prompt: str | list[int],
    max_tokens: int,
    seed: int,
    abilities: Abilities,
) -> dict[str, Any]:
    """The JSON body that asks for one streamed completion. Stop rules stay here: they are applied to the text."""
    known = [one.name for one in sent_settings(type(request)) if one.origin in abilities.settings]
    body: dict[str, Any] = {
        "model": model,
        "prompt": prompt,
        "max_tokens": max_tokens,
        **{name: getattr(request, name) for name in known},
        "seed": seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.logprobs is not None:
        body["logprobs"] = request.logprobs
    if "vllm" in abilities.settings:
        body["top_k"] = request.top_k or -1
        body["ignore_eos"] = request.stop_at is StopAt.LENGTH
    if abilities.token_ids:
        body["return_token_ids"] = True
    return body


def sent_settings(table: type = GenerationRequest) -> tuple[Setting, ...]:
    """The settings that a server must know to honour them: all but the stop rules."""
    return tuple(one for one in api_settings(table) if one.name not in ("stop", "stop_at"))


async def event_data(response: httpx.Response) -> AsyncIterator[str]:
    """The data of a response's server-sent events, up to `[DONE]` (which is left out) or the end.

    Lines end at a newline and nowhere else: httpx's own `aiter_lines` also splits at U+2028 and the like, which JSON
    may carry as they are. Raises `WireError` for a line over `MAX_LINE_BYTES`.
    """
    buffer = b""
    async for data in response.aiter_bytes():
        *lines, buffer = (buffer + data).split(b"\n")
        if len(buffer) > MAX_LINE_BYTES:
            raise WireError("it sent a line that is too long to be an event")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            event = line.removeprefix(b"data:").strip().decode("utf-8", "replace")
            if event == "[DONE]":
                return
            yield event


def parse_piece(data: str) -> Piece:
    """One event's data as a `Piece`. Raises `WireError` for an error event, or for what is no completion chunk."""
    try:
        chunk = json.loads(data)
        if "error" in chunk:
            raise WireError(error_message(chunk) or "it reported an error without a message", chunk)
        choices = chunk.get("choices") or []
        usage = parse_usage(chunk.get("usage"))
        if not choices:
            return Piece(tokens=0, usage=usage)
        choice = choices[0]
        logprobs = parse_logprobs(choice.get("logprobs"))
        ids = tuple(int(token) for token in choice.get("token_ids") or ())
        return Piece(
            text=str(choice.get("text") or ""),
            tokens=len(ids) or len(logprobs) or None,
            token_ids=ids,
            logprobs=logprobs,
            reason=choice.get("finish_reason"),
            detail=choice.get("finish_detail"),
            usage=usage,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WireError(f"it sent something that is no completion chunk: {data[:80]!r}") from error


def parse_usage(usage: Mapping[str, Any] | None) -> tuple[int, int] | None:
    return None if usage is None else (int(usage["prompt_tokens"]), int(usage["completion_tokens"]))


def parse_logprobs(logprobs: Mapping[str, Any] | None) -> tuple[tuple[TokenLogprob, tuple[TokenLogprob, ...]], ...]:
    if logprobs is None:
        return ()
    tops = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
    found = []
    for token, value, top in zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True):
        ranked = sorted((top or {}).items(), key=lambda pair: pair[1], reverse=True)
        likeliest = tuple(TokenLogprob(str(name), float(number)) for name, number in ranked)
        found.append((TokenLogprob(str(token), float(value)), likeliest))
    return tuple(found)


def error_message(body: object) -> str:
    """The message of OpenAI's, vLLM's or FastAPI's error shape, shortened; empty if there is none.

    It has no full stop at its end, nor a closing sentence that ours has as well: it is quoted within a sentence.
    """
    if not isinstance(body, Mapping):
        return ""
    found: object = body.get("error", body)
    if isinstance(found, Mapping):
        found = found.get("message") or found.get("detail") or found.get("reason") or ""
    if isinstance(found, list) and found and isinstance(found[0], Mapping):
        found = found[0].get("msg") or found
    return CLOSING.sub("", " ".join(str(found).split())[:MAX_MESSAGE])


def error_param(body: object) -> str | None:
    """The argument that an error names, in OpenAI's and vLLM's shape or in FastAPI's."""
    if not isinstance(body, Mapping):
        return None
    error = body.get("error", body)
    found = error.get("param") if isinstance(error, Mapping) else None
    details = body.get("detail")
    if isinstance(details, list) and details and isinstance(details[0], Mapping):
        found = next((part for part in details[0].get("loc") or () if part != "body"), None)
    return found if isinstance(found, str) else None


def error_status(body: Mapping[str, Any]) -> int:
    """The HTTP status that an error within a stream would have had, had the server known it before: 500 if unknown."""
    error = body.get("error")
    if not isinstance(error, Mapping):
        return 500
    code, kind = error.get("code"), error.get("type")
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    if kind in ("invalid_request_error", "BadRequestError"):
        return 400
    if kind == "rate_limit_error":
        return 429
    return 503 if code in ("model_unavailable", "cancelled") else 500


def parse_refusal(content: bytes) -> object:
    """A refusal's body, which may be anything; None where it is no JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return None
