"""The operator's routes: is it alive, can it serve, how is it doing. Open to whoever reaches the port.

`/metrics` has the engines' counters and the requests' histograms under vLLM's names with our prefix.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from codegen_ui.api.problems import Refusals
from codegen_ui.generation import Engine, EngineStats
from codegen_ui.observe import Ended, Refused
from codegen_ui.pace import step_gaps
from codegen_ui.request import FinishReason
from codegen_ui.service import Service
from codegen_ui.status import Phase

TAGS: list[str] = ["operations"]
PREFIX = "codegen:"
LABELS = ["model_name"]
TTFT_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 20, 40, 80, 160)
GAP_BUCKETS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5)
WHOLE_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300, 600)
TOKEN_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2048)

Reading = tuple[str, str, str]
"""Attribute of `EngineStats`, metric's name, help."""

GAUGES: tuple[Reading, ...] = (
    ("active", "num_requests_running", "Requests in a slot (at a remote: on their way)."),
    ("waiting", "num_requests_waiting", "Requests waiting for a slot."),
    ("slots", "num_slots", "Streams that are decoded together at most."),
    ("tokens_per_second", "generation_tokens_per_second", "Output tokens a second, over the last few seconds."),
    ("memory_used_bytes", "memory_used_bytes", "Memory in use on the device that generates."),
    ("memory_total_bytes", "memory_total_bytes", "Memory of the device that generates."),
    ("kv_cache_bytes", "kv_cache_bytes", "Memory of the slots' KV cache."),
    ("kv_cache_written_bytes", "kv_cache_written_bytes", "Memory of the KV cache that has been written by now."),
    ("prefix_cache_bytes", "prefix_cache_bytes", "Memory of the prefix cache."),
)
COUNTERS: tuple[Reading, ...] = (
    ("prompt_tokens_total", "prompt_tokens", "Prompt tokens given to the model."),
    ("generation_tokens_total", "generation_tokens", "Tokens generated."),
    ("prefix_cache_queries", "prefix_cache_queries", "Prompts looked up in the prefix cache."),
    ("prefix_cache_hits", "prefix_cache_hits", "Prompts of which a prefix was found there."),
    ("prefix_cache_hit_tokens", "prefix_cache_hit_tokens", "Prompt tokens whose prefill the prefix cache saved."),
    ("drafted_tokens", "spec_decode_num_draft_tokens", "Tokens drafted by prompt lookup."),
    ("accepted_tokens", "spec_decode_num_accepted_tokens", "Drafted tokens that the model accepted."),
)


@dataclass(frozen=True)
class Metrics:
    """What `/metrics` tells, and who is to be told of requests for it."""

    registry: CollectorRegistry
    histograms: RequestHistograms
    refusals: Refusals


def make_metrics(service: Service) -> Metrics:
    registry, refusals = CollectorRegistry(), Refusals()
    histograms = RequestHistograms(registry)
    registry.register(EngineCollector(service))
    registry.register(refusals)
    return Metrics(registry, histograms, refusals)


def add_operations(router: APIRouter, service: Service, registry: CollectorRegistry) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`."""

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="Alive: the process answers", tags=[*TAGS])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        summary="Ready: the first model can generate; if not, why",
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
        summary="Metrics for Prometheus",
        tags=[*TAGS],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def metrics() -> Response:
        page = await asyncio.to_thread(generate_latest, registry)
        return Response(page, media_type=CONTENT_TYPE_PLAIN_0_0_4)


def why_not_ready(service: Service) -> str:
    """Empty when the first model serves; otherwise what it lacks, in words."""
    if service.draining:
        return "the server is shutting down."
    status = service.status()
    engine = service.engines().get(status.name)
    if engine is not None:
        unavailable = engine.stats().unavailable
        return f"{status.name} cannot generate: {unavailable}" if unavailable else ""
    if status.phase is Phase.FAILED:
        return f"{status.name} cannot be used: {status.message}"
    if status.phase is Phase.IDLE:
        return f"{status.name} is not loading yet."
    return f"{status.name} is loading: {status.stage}."


class EngineCollector:
    """Reads every ready engine's `stats()` when it is scraped, so that nothing is counted twice."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        engines = self._service.engines()
        stats = {name: engine.stats() for name, engine in engines.items()}
        for attribute, name, text in GAUGES:
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=LABELS)
            add(gauge, attribute, stats)
            yield gauge
        for attribute, name, text in COUNTERS:
            counter = CounterMetricFamily(PREFIX + name, text, labels=LABELS)
            add(counter, attribute, stats)
            yield counter
        yield outcomes(stats)
        yield descriptions(engines)


def add(metric: GaugeMetricFamily | CounterMetricFamily, attribute: str, stats: dict[str, EngineStats]) -> None:
    """One sample a model; none where the backend does not tell."""
    for name, figures in stats.items():
        value = getattr(figures, attribute)
        if value is not None:
            metric.add_metric([name], value)


def outcomes(stats: dict[str, EngineStats]) -> Metric:
    """Requests by how they ended; every reason is present from the start, as alert rules need it."""
    metric = CounterMetricFamily(
        f"{PREFIX}request_finished", "Requests that ended, by reason.", labels=[*LABELS, "finished_reason"]
    )
    for name, figures in stats.items():
        for reason in FinishReason:
            metric.add_metric([name, reason.value], figures.finished.get(reason.value, 0))
    return metric


def descriptions(engines: dict[str, Engine]) -> Metric:
    metric = InfoMetricFamily(f"{PREFIX}model", "What is loaded.", labels=LABELS)
    for name, engine in engines.items():
        info = engine.info
        values = {"checkpoint": info.name, "dtype": info.dtype, "quantize": info.quantize, "device": info.device}
        metric.add_metric([name], values)
    return metric


class RequestHistograms:
    """Times and sizes of the requests that ended, observed once each; times are those taken at the token."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(PREFIX + name, text, LABELS, buckets=buckets, registry=registry)

        self._ttft = histogram("time_to_first_token_seconds", "Arrival to first token.", TTFT_BUCKETS)
        self._itl = histogram("inter_token_latency_seconds", "Gaps between steps that gave tokens.", GAP_BUCKETS)
        self._whole = histogram("e2e_request_latency_seconds", "Arrival to end.", WHOLE_BUCKETS)
        self._queue = histogram("request_queue_time_seconds", "Arrival to the first work on it.", TTFT_BUCKETS)
        self._prompt = histogram("request_prompt_tokens", "Prompt tokens of a request.", TOKEN_BUCKETS)
        self._output = histogram("request_generation_tokens", "Output tokens of a request.", TOKEN_BUCKETS)

    def ended(self, ended: Ended) -> None:
        figures = ended.snapshot.metrics
        self._whole.labels(ended.model).observe(figures.latency_seconds)
        self._prompt.labels(ended.model).observe(figures.prompt_tokens)
        self._output.labels(ended.model).observe(figures.output_tokens)
        if figures.queue_seconds is not None:
            self._queue.labels(ended.model).observe(figures.queue_seconds)
        if figures.ttft_seconds is not None:
            self._ttft.labels(ended.model).observe(figures.ttft_seconds)
        gaps = self._itl.labels(ended.model)
        for gap in step_gaps(ended.times):
            gaps.observe(gap)

    def refused(self, refused: Refused) -> None:
        """Nothing to time."""
