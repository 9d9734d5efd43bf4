"""One request to one server: its prompt counted and fitted, its body posted, its chunks taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from codegen_ui.engine.room import fit_prompt
from codegen_ui.errors import BackendRefused, GenerationFailed, InvalidInput
from codegen_ui.observe import quotes
from codegen_ui.remote.backend import Backend, Served, describe, refusal
from codegen_ui.remote.remote_generation import RemoteGeneration
from codegen_ui.remote.wire import (
    Piece,
    WireError,
    completion_body,
    error_param,
    error_status,
    event_data,
    parse_piece,
    parse_refusal,
)
from codegen_ui.request import MAX_LENGTH, FinishReason

CONNECT_TIMEOUT = 5.0
END_OF_TEXT = re.compile(r"(?<=<\|)(?=endoftext\|>)")
"""The place inside the word between punctuation and letters, where GPT-2's and CodeGen's tokenizers always cut."""


OUR_NAMES = {"max_tokens": "max_new_tokens"}
"""Fields of a body that `GenerationRequest` calls otherwise."""


class Unserved(Exception):
    """A server did not take a request, and no token was lost: another may be asked. The text fits after its name.

    `busy` is true where it would take it later.
    """

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        self.busy = busy
        super().__init__(reason)


async def tokenize(client: httpx.AsyncClient, backend: Backend, text: str) -> tuple[int, tuple[int, ...] | None] | None:
    """Number of tokens and, if told, their ids; None where the server cannot tell.

    Raises `Unserved`, or `BackendRefused` for a text that the server finds at fault.
    """
    if backend.served is None or not backend.served.abilities.tokenize:
        return None
    body = {"model": backend.served.model, "prompt": text}
    try:
        response = await client.post(backend.tokenize_url, json=body, headers=backend.headers, timeout=CONNECT_TIMEOUT)
    except httpx.HTTPError as error:
        raise Unserved(describe(error)) from error
    if response.status_code in (404, 405, 501):
        return None
    if response.status_code != 200:
        raise refused(backend, response.status_code, parse_refusal(response.content), body)
    try:
        found = response.json()
        ids = found.get("tokens")
        return int(found["count"]), None if ids is None else tuple(int(token) for token in ids)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unserved("answers /tokenize with something else than tokens") from error


async def tokenize_as_text(
    client: httpx.AsyncClient, backend: Backend, text: str
) -> tuple[int, tuple[int, ...] | None] | None:
    """Like `tokenize`, but `<|endoftext|>` in the text is text, where a server would make one special token of it.

    The text is cut inside the word, where byte-level BPE never joins what comes before and after, so that the ids are
    those of the whole text without special tokens.
    """
    counts, ids = 0, []
    for part in END_OF_TEXT.split(text):
        found = await tokenize(client, backend, part)
        if found is None:
            return None
        counts += found[0]
        ids.append(found[1])
    return counts, None if None in ids else tuple(token for part_ids in ids for token in part_ids or ())


async def prepare(
    client: httpx.AsyncClient, backend: Backend, served: Served, generation: RemoteGeneration
) -> dict[str, Any]:
    """The body to send, its prompt fitted to the context where the server counts.

    Raises `Unserved`, or `InvalidInput` where prompt and length do not go together.
    """
    request = generation.request
    context = served.context or MAX_LENGTH
    prompt: str | list[int]
    ids: tuple[int, ...] | None
    if isinstance(request.prompt, str):
        prompt = request.prompt
        count, ids = await tokenize_as_text(client, backend, prompt) or (None, None)
        if ids is not None and END_OF_TEXT.search(prompt):
            prompt = list(ids)
    else:
        prompt, ids, count = list(request.prompt), tuple(request.prompt), len(request.prompt)
    if count is None:
        max_tokens = request.max_new_tokens or min(request.max_length, context - 1)
        generation.prepare(0, (), dropped=0, max_new_tokens=max_tokens)
    else:
        room = fit_prompt(count, request.max_length, request.max_new_tokens, context)
        max_tokens = room.new_tokens
        kept = () if ids is None else ids[len(ids) - room.kept :]
        if room.kept < count:
            if ids is None:
                raise InvalidInput("prompt", f"a text of {count} tokens", f"at most {room.kept} tokens")
            prompt = list(kept)
        generation.prepare(room.kept, kept, dropped=count - room.kept, max_new_tokens=max_tokens)
    return completion_body(
        request,
        model=served.model,
        prompt=prompt,
        max_tokens=max_tokens,
        seed=generation.seed,
        abilities=served.abilities,
    )


async def stream(
    client: httpx.AsyncClient,
    backend: Backend,
    body: dict[str, Any],
    generation: RemoteGeneration,
    count: Callable[[int], None],
) -> FinishReason:
    """Post a body and take its chunks until the text ends; `count` hears of new tokens.

    Leaving early, because a rule of ours ended the text, closes the connection, which frees the server's slot. Raises
    `Unserved` or `BackendRefused` before the first token and `GenerationFailed` after it.
    """
    told: FinishReason | None = None
    timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)
    url = f"{backend.url}/completions"
    try:
        async with client.stream("POST", url, json=body, headers=backend.headers, timeout=timeout) as response:
            if response.status_code != 200:
                raise refused(backend, response.status_code, parse_refusal(await response.aread()), body)
            generation.start()
            async for data in event_data(response):
                piece = parse_piece(data)
                new, reason = generation.add(piece)
                if new:
                    count(new)
                if reason is not None:
                    return reason
                if piece.reason is not None:
                    # The usage that follows the reason is worth waiting for: it has the true counts.
                    told = finish_reason(piece)
    except httpx.HTTPError as error:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            backend.mark_down(describe(error))
        if told is None and generation.count:
            raise lost_connection(f"{backend.name} {describe(error)}", generation.count) from error
        if told is None:
            raise Unserved(describe(error)) from error
    except WireError as error:
        if error.refusal is not None and not generation.count and (status := error_status(error.refusal)) != 500:
            raise refused(backend, status, error.refusal, body) from error
        raise GenerationFailed(f"The backend {backend.name} failed: {error}. The text so far is kept.") from error
    if told is None:
        raise lost_connection(f"{backend.name} closed the stream before its end", generation.count)
    return told


def refused(backend: Backend, status: int, told: object, body: dict[str, Any]) -> Exception:
    """What a status other than 200 means: another server may be asked, or the request itself is at fault.

    `told` is the server's answer to `body`. The model's name in there is the operator's, not the visitor's.
    """
    reason = refusal(status, told)
    param = error_param(told)
    if status in (400, 413, 422) and param != "model":
        if param not in body:
            return BackendRefused(backend.name, reason)
        return BackendRefused(backend.name, reason, OUR_NAMES.get(param, param), body[param])
    if status in (400, 401, 403, 404, 422):
        # This is shown and logged, and belongs to nobody's request.
        backend.mark_down(f"answers with HTTP {status}" if quotes(reason, str(body.get("prompt"))) else reason)
    return Unserved(reason, busy=status == 429)


def finish_reason(piece: Piece) -> FinishReason:
    """A server's reason in our words. Its `stop` can only be the model's own end: it is sent no stop strings."""
    if piece.reason == "stop":
        return FinishReason.EOS
    if piece.reason == "length":
        return FinishReason.DEADLINE if piece.detail == "deadline" else FinishReason.LENGTH
    raise WireError(f"it ended the text with {piece.reason!r}")


def lost_connection(what: str, tokens: int) -> GenerationFailed:
    return GenerationFailed(
        f"The connection to the backend was lost after {tokens} tokens: {what}. "
        "The text so far is kept; please generate again or continue from it."
    )
