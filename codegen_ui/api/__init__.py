"""The OpenAI-compatible HTTP API and the operator's routes."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from codegen_ui.api.completions import add_completions
from codegen_ui.api.documentation import add_documentation, describe
from codegen_ui.api.models import add_models
from codegen_ui.api.operations import add_operations, make_metrics
from codegen_ui.api.route import add_unknown, add_unknown_operations, guarded_route
from codegen_ui.door.gate import Gate
from codegen_ui.observe import Reporter, RequestLog
from codegen_ui.service import Service

__all__ = ["make_metrics", "register"]


def register(
    app: FastAPI,
    service: Service,
    gate: Gate | None = None,
    *,
    log_prompts: bool = False,
    root_path: str = "",
) -> None:
    """Add every route to `app`, and have `service` report its requests to the log and the metrics.

    Call it before anything is mounted at `/`. `gate`: who may use `/v1` and `/tokenize`; None leaves them open.
    `root_path`: the prefix that a proxy takes off, for the description. Create `app` with `docs_url=None,
    redoc_url=None`: FastAPI's own pages load scripts from another host, ours does not.
    """
    metrics = make_metrics(service)
    reporter = Reporter([RequestLog(prompts=log_prompts), metrics.histograms, metrics.refusals, service.waits])
    service.observe(reporter)

    gate = gate or Gate()
    guarded = APIRouter(route_class=guarded_route(gate, metrics.refusals))
    add_completions(guarded, service)
    add_models(guarded, service)
    add_unknown(guarded)
    open_to_all = APIRouter(lifespan=reporter.reporting)
    add_operations(open_to_all, service, metrics.registry)
    add_documentation(open_to_all, app)
    unknown_to_all = APIRouter(route_class=guarded_route(Gate(), metrics.refusals))
    add_unknown_operations(unknown_to_all)
    for router in (guarded, open_to_all, unknown_to_all):
        app.include_router(router)
    describe(app, keys=gate.closed, root_path=root_path)
