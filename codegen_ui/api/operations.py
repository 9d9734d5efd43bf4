"""The operator's routes: is it alive, can it serve, how is it doing. Open to whoever reaches the port."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from codegen_ui.service import Phase, Service

TAGS: list[str] = ["operations"]


def add_operations(router: APIRouter, service: Service, registry: CollectorRegistry) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`."""

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="Alive: the process answers", tags=[*TAGS])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        summary="Ready: the first model can generate",
        tags=[*TAGS],
        responses={503: {"description": "It cannot; `reason` says why."}},
    )
    async def readyz() -> JSONResponse:
        reason = why_not_ready(service)
        body = {"status": "unavailable", "reason": reason} if reason else {"status": "ok", "reason": ""}
        return JSONResponse(body, 503 if reason else 200)

    @router.head("/metrics", include_in_schema=False)
    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        tags=[*TAGS],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def metrics() -> Response:
        page = await asyncio.to_thread(generate_latest, registry)
        return Response(page, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def why_not_ready(service: Service) -> str:
    """Empty when the first model serves; otherwise what it lacks, in words."""
    status = service.status()
    engine = service.engines().get(status.name)
    if engine is not None:
        unavailable = engine.stats().unavailable
        return f"{status.name} cannot generate: {unavailable}" if unavailable else ""
    if status.phase is Phase.FAILED:
        return f"{status.name} could not be loaded: {status.message}"
    if status.phase is Phase.IDLE:
        return f"{status.name} is not loading yet."
    return f"{status.name} is loading: {status.stage}."
