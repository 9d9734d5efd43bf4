"""`GET /v1/models` and vLLM's `POST /tokenize`: what there is, and how it counts."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, runtime_checkable

from fastapi import APIRouter

from codegen_ui.api.problems import Problem
from codegen_ui.api.schemas import ModelCard, ModelList, ProblemResponse, TokenizeBody, TokenizeResponse
from codegen_ui.request import check_text
from codegen_ui.service import ModelStatus, Service


def add_models(router: APIRouter, service: Service) -> None:
    """Add the routes to a router that checks keys and shapes errors."""
    started = int(time.time())

    @router.get("/v1/models", summary="The operator's models", tags=["OpenAI"])
    async def list_models() -> ModelList:
        return ModelList(data=[card(service.status(name), started) for name in service.names])

    @router.get(
        "/v1/models/{model:path}",
        summary="One of the operator's models",
        tags=["OpenAI"],
        responses={404: {"model": ProblemResponse}},
    )
    async def get_model(model: str) -> ModelCard:
        return card(service.status(model), started)

    @router.post(
        "/tokenize",
        summary="Count a text's tokens, as vLLM does",
        tags=["OpenAI"],
        responses={400: {"model": ProblemResponse}, 503: {"model": ProblemResponse}},
    )
    async def tokenize(body: TokenizeBody) -> TokenizeResponse:
        return await asyncio.to_thread(count, service, body)


def card(status: ModelStatus, created: int) -> ModelCard:
    info = status.info
    return ModelCard(
        id=status.name,
        created=created,
        root=None if info is None else info.name,
        max_model_len=None if info is None else info.context,
        status=status.phase.value,
        notice=status.notice or status.message,
    )


@runtime_checkable
class Encodes(Protocol):
    """An engine that can also tell a text's token ids."""

    def encode(self, text: str) -> tuple[int, ...] | None: ...


def count(service: Service, body: TokenizeBody) -> TokenizeResponse:
    """Raises `InvalidInput`, or `Problem` 501 where the backend cannot count."""
    engine = service.engine(body.model)
    text = check_text(body.prompt)
    tokens = engine.encode(text) if isinstance(engine, Encodes) else None
    number = engine.count_tokens(text) if tokens is None else len(tokens)
    if number is None:
        raise Problem(501, "The backend of this model does not count tokens.", type="server_error", code="unsupported")
    return TokenizeResponse(
        count=number, max_model_len=engine.info.context, tokens=None if tokens is None else list(tokens)
    )
