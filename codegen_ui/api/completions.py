"""`POST /v1/completions`: whole, or as server-sent events with a chunk a token."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from codegen_ui.api.convert import (
    check_context,
    count_usage,
    end_choice,
    fingerprint,
    generation_requests,
    token_logprobs,
    whole_choice,
)
from codegen_ui.api.problems import Problem, from_error
from codegen_ui.api.route import visitor
from codegen_ui.api.schemas import Choice, CompletionBody, CompletionResponse, ProblemResponse
from codegen_ui.api.watch import Update, follow, unless_disconnected
from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import Generation
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Service

HEARTBEAT_SECONDS = 15.0
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Job:
    """The generations that answer one HTTP request, and what every piece of the answer says."""

    body: CompletionBody
    model: str
    system_fingerprint: str
    generations: tuple[Generation, ...]
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def response(self, choices: list[Choice]) -> CompletionResponse:
        return CompletionResponse(
            id=self.id,
            object="text_completion",
            created=self.created,
            model=self.model,
            system_fingerprint=self.system_fingerprint,
            choices=choices,
        )

    def cancel(self) -> None:
        for generation in self.generations:
            generation.cancel()


def add_completions(router: APIRouter, service: Service) -> None:
    """Add the route to a router that checks keys and shapes errors."""

    @router.post(
        "/v1/completions",
        response_model=CompletionResponse,
        summary="Complete prompts",
        tags=["OpenAI"],
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
            "4XX": {"model": ProblemResponse, "description": "The request is at fault, or too many wait (429)."},
            "5XX": {"model": ProblemResponse, "description": "The server is at fault, or still loading (503)."},
        },
    )
    async def create_completion(body: CompletionBody, request: Request) -> Response:
        requests = generation_requests(body, visitor(request))
        # Tokenizing a long prompt takes milliseconds: not on the loop that carries everybody's streams.
        job = await asyncio.to_thread(start, service, body, requests)
        if body.stream:
            return EventStream(job)
        completions = await unless_disconnected(request, job.generations)
        if completions is None:
            return Response(status_code=499)
        choices = [whole_choice(index, completion, body) for index, completion in enumerate(completions)]
        if body.echo:
            for choice, wanted in zip(choices, requests, strict=True):
                choice.text = f"{wanted.prompt}{choice.text}"
        response = job.response(choices)
        response.usage = count_usage([completion.metrics for completion in completions], body.n)
        return JSONResponse(response.model_dump(exclude_unset=True))


def start(service: Service, body: CompletionBody, requests: Sequence[GenerationRequest]) -> Job:
    """Submit every request, or none. Raises `Problem` or `PlaygroundError`."""
    engine = service.engine(body.model)
    for request in requests[:: body.n]:
        prompt = request.prompt
        tokens = engine.count_tokens(prompt) if isinstance(prompt, str) else len(prompt)
        check_context(tokens, body.max_tokens, engine.info.context)
    generations: list[Generation] = []
    try:
        for request in requests:
            generations.append(service.submit(request, body.model))
    except PlaygroundError:
        for generation in generations:
            generation.cancel()
        raise
    return Job(body, service.status(body.model).name, fingerprint(engine.info), tuple(generations))


class EventStream(StreamingResponse):
    """The chunks of a job. However the response ends, the generations are cancelled, so that their slots are free."""

    def __init__(self, job: Job) -> None:
        super().__init__(events(job), headers=STREAM_HEADERS, media_type="text/event-stream")
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._job.cancel()


async def events(job: Job) -> AsyncIterator[str]:
    """Server-sent events: chunks, the usage if wanted, `[DONE]`; an error as OpenAI's object; comments as heartbeat."""
    chunks = Chunks(job)
    try:
        for chunk in chunks.echoed():
            yield event(chunk)
        async for update in follow(job.generations, heartbeat=HEARTBEAT_SECONDS):
            yield ": waiting\n\n" if update is None else event(chunks.chunk(update))
        options = job.body.stream_options
        if options is not None and options.include_usage:
            yield event(chunks.usage([]))
    except PlaygroundError as error:
        yield failure(from_error(error))
    except Problem as problem:
        yield failure(problem)
    yield "data: [DONE]\n\n"


def event(chunk: BaseModel) -> str:
    return f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"


def failure(problem: Problem) -> str:
    return f"data: {json.dumps(problem.body())}\n\n"


class Chunks:
    """Makes a job's chunks, keeping what has been sent of each choice."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._sent = [0] * len(job.generations)
        self._offsets = [0] * len(job.generations)

    def echoed(self) -> list[CompletionResponse]:
        """The prompts as first chunks, where they are to be echoed."""
        if not self._job.body.echo:
            return []
        return [
            self._job.response([Choice(index=index, text=str(generation.request.prompt), logprobs=None)])
            for index, generation in enumerate(self._job.generations)
        ]

    def chunk(self, update: Update) -> CompletionResponse:
        """A token's chunk, or the last one of a choice, which has what is left of the text and the reason."""
        body = self._job.body
        if update.completion is not None:
            rest = update.completion.text[self._sent[update.index] :]
            choice = end_choice(update.index, rest, update.completion.finish_reason)
        else:
            assert update.token is not None
            self._sent[update.index] += len(update.token.text)
            choice = Choice(index=update.index, text=update.token.text, logprobs=None, finish_reason=None)
            if body.logprobs is not None:
                choice.logprobs = token_logprobs([update.token], self._offsets[update.index])
                self._offsets[update.index] += sum(len(token) for token in choice.logprobs.tokens)
            if body.return_token_ids:
                choice.token_ids = [] if update.token.token_id is None else [update.token.token_id]
        if body.stream_options is not None and body.stream_options.continuous_usage_stats:
            return self.usage([choice])
        return self._job.response([choice])

    def usage(self, choices: list[Choice]) -> CompletionResponse:
        """A chunk that tells the usage so far."""
        response = self._job.response(choices)
        metrics = [generation.snapshot().metrics for generation in self._job.generations]
        response.usage = count_usage(metrics, self._job.body.n)
        return response
