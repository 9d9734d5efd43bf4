"""`GET /v1/models` and vLLM's `POST /tokenize`: what there is, and how it counts."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, runtime_checkable

from fastapi import APIRouter

from codegen_ui.api.documentation import may_refuse
from codegen_ui.api.problems import Problem
from codegen_ui.api.schemas import ModelCard, ModelList, TokenizeBody, TokenizeResponse
from codegen_ui.errors import ModelUnavailable
from codegen_ui.exactness import exactness
from codegen_ui.service import Service
from codegen_ui.texts import PROMPT


def add_models(router: APIRouter, service: Service) -> None:
    """Add the routes to a router that checks keys and shapes errors."""
    started = int(time.time())

    @router.head("/v1/models", include_in_schema=False)
    @router.head("/v1/models/", include_in_schema=False)
    @router.get("/v1/models/", include_in_schema=False)
    @router.get(
        "/v1/models",
        summary="The operator's models: what really runs, its context, how exact its tokens are, whether it is loaded",
        tags=["OpenAI"],
        responses=may_refuse(401),
    )
    async def list_models() -> ModelList:
        return ModelList(data=[card(service, name, started) for name in service.names])

    @router.head("/v1/models/{model:path}", include_in_schema=False)
    @router.get(
        "/v1/models/{model:path}",
        summary="One of the operator's models",
        tags=["OpenAI"],
        responses=may_refuse(401, 404),
    )
    async def get_model(model: str) -> ModelCard:
        return card(service, model, started)

    @router.post(
        "/tokenize",
        summary="How many tokens a text has, and which, as vLLM tells it",
        tags=["OpenAI"],
        responses=may_refuse(400, 401, 404, 413, 501, 503),
    )
    async def tokenize(body: TokenizeBody) -> TokenizeResponse:
        return await asyncio.to_thread(count, service, body)


def card(service: Service, name: str, created: int) -> ModelCard:
    """What is known of a model. Raises `InvalidInput` for a name that is not the operator's."""
    status = service.status(name)
    info = status.info
    unavailable = why_unavailable(service, status.name)
    return ModelCard(
        id=status.name,
        created=created,
        root=None if info is None else info.name,
        max_model_len=None if info is None else info.context,
        exactness="" if info is None else exactness(info),
        status="unavailable" if unavailable else status.phase.value,
        notice=unavailable or status.notice or status.message,
    )


def why_unavailable(service: Service, name: str) -> str:
    """Why a model that is loaded cannot generate now; empty when it can, or while it is not loaded."""
    engine = service.engines().get(name)
    return "" if engine is None else engine.stats().unavailable


@runtime_checkable
class Encodes(Protocol):
    """An engine that can also tell a text's token ids."""

    def encode(self, text: str) -> tuple[int, ...] | None: ...


def count(service: Service, body: TokenizeBody) -> TokenizeResponse:
    """Raises `InvalidInput`, `ModelUnavailable` while a backend is down, or `Problem` 501 where none can count."""
    engine = service.engine(body.model)
    text = PROMPT.check_text("prompt", body.prompt)
    tokens = engine.encode(text) if isinstance(engine, Encodes) else None
    number = engine.count_tokens(text) if tokens is None else len(tokens)
    if number is None:
        name = service.status(body.model).name
        unavailable = why_unavailable(service, name)
        if unavailable:
            raise ModelUnavailable(name, f"its tokens cannot be counted now: {unavailable}")
        raise Problem(501, "The backend of this model does not count tokens.", type="server_error", code="unsupported")
    return TokenizeResponse(
        count=number, max_model_len=engine.info.context, tokens=None if tokens is None else list(tokens)
    )
