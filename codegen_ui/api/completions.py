"""`POST /v1/completions`: whole, or as server-sent events with a chunk a token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from codegen_ui.api.convert import count_usage, end_choice, generation_requests, token_logprobs, whole_choice
from codegen_ui.api.documentation import may_refuse
from codegen_ui.api.job import Job, completions, start
from codegen_ui.api.problems import Problem, from_error
from codegen_ui.api.route import visitor
from codegen_ui.api.schemas import Choice, CompletionBody, CompletionResponse
from codegen_ui.errors import PlaygroundError
from codegen_ui.follow import follow
from codegen_ui.generation import Completion, TokenEvent
from codegen_ui.service import Service

HEARTBEAT_SECONDS = 15.0
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def add_completions(router: APIRouter, service: Service) -> None:
    """Add the route to a router that checks keys and shapes errors."""

    @router.post(
        "/v1/completions",
        response_model=CompletionResponse,
        summary="Complete prompts, as a whole or, with `stream`, a chunk a token",
        tags=["OpenAI"],
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **may_refuse(400, 401, 404, 413, 429, 500, 503),
        },
    )
    async def create_completion(body: CompletionBody, request: Request) -> Response:
        requests = generation_requests(body, visitor(request))
        # Tokenizing a long prompt takes milliseconds: not on the loop that carries everybody's streams.
        job = await asyncio.to_thread(start, service, body, requests)
        if body.stream:
            return EventStream(job)
        try:
            completions = await unless_disconnected(request, job)
        except PlaygroundError as error:
            raise from_error(error, told=True) from error
        if completions is None:
            return Response(status_code=499)
        choices = [whole_choice(index, completion, body) for index, completion in enumerate(completions)]
        if body.echo:
            for choice, wanted in zip(choices, requests, strict=True):
                choice.text = f"{wanted.prompt}{choice.text}"
        response = job.response(choices)
        response.usage = count_usage([completion.metrics for completion in completions], body.n)
        return JSONResponse(response.model_dump(exclude_unset=True))


async def unless_disconnected(request: Request, job: Job) -> list[Completion] | None:
    """The completions, or None as soon as the client hangs up; the job is cancelled then.

    Raises the first error that ended any.
    """
    work = asyncio.ensure_future(completions(job.generations))
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        job.cancel()
        work.cancel()
        gone.cancel()


async def disconnected(request: Request) -> None:
    """Return when the client hangs up; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


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


async def events(job: Job) -> AsyncIterator[bytes]:
    """Server-sent events: chunks, the usage if wanted, `[DONE]`; an error as OpenAI's object; comments as heartbeat."""
    chunks = Chunks(job)
    try:
        for chunk in chunks.echoed():
            yield event(chunk)
        async for news in follow(job.generations, heartbeat=HEARTBEAT_SECONDS):
            if news is None:
                yield format_sse_event(comment="waiting")
                continue
            for token in news.tokens:
                yield event(chunks.token(news.index, token))
            if news.ended:
                yield event(chunks.end(news.index, job.generations[news.index].result()))
        options = job.body.stream_options
        if options is not None and options.include_usage:
            yield event(chunks.usage([]))
    except PlaygroundError as error:
        yield failure(from_error(error))
    except Problem as problem:
        yield failure(problem)
    yield format_sse_event(data_str="[DONE]")


def event(chunk: BaseModel) -> bytes:
    return format_sse_event(data_str=chunk.model_dump_json(exclude_unset=True))


def failure(problem: Problem) -> bytes:
    return format_sse_event(data_str=json.dumps(problem.body()))


class Chunks:
    """Makes a job's chunks, keeping what has been sent of each choice: characters, tokens, characters of tokens."""

    def __init__(self, job: Job) -> None:
        options = job.body.stream_options
        self._job = job
        self._tells_usage = options is not None and options.include_usage and options.continuous_usage_stats
        self._sent = [0] * len(job.generations)
        self._tokens = [0] * len(job.generations)
        self._offsets = [0] * len(job.generations)

    def echoed(self) -> list[CompletionResponse]:
        """The prompts as first chunks, where they are to be echoed."""
        if not self._job.body.echo:
            return []
        return [
            self._response(Choice(index=index, text=str(generation.request.prompt), logprobs=None))
            for index, generation in enumerate(self._job.generations)
        ]

    def token(self, index: int, token: TokenEvent) -> CompletionResponse:
        """A token of the choice at `index`."""
        body = self._job.body
        self._sent[index] += len(token.text)
        self._tokens[index] += 1
        choice = Choice(index=index, text=token.text, logprobs=None, finish_reason=None)
        if body.logprobs is not None:
            choice.logprobs = token_logprobs([token], self._offsets[index])
            self._offsets[index] += sum(len(text) for text in choice.logprobs.tokens)
        if body.return_token_ids:
            choice.token_ids = [] if token.token_id is None else [token.token_id]
        return self._response(choice)

    def end(self, index: int, completion: Completion) -> CompletionResponse:
        """The last chunk of a choice, which has what is left of the text and the reason."""
        choice = end_choice(index, completion.text[self._sent[index] :], completion.finish_reason)
        self._tokens[index] = completion.metrics.output_tokens
        return self._response(choice)

    def usage(self, choices: list[Choice]) -> CompletionResponse:
        """A chunk that tells the usage so far: the tokens that were sent, however many more there are by now."""
        response = self._job.response(choices)
        metrics = [
            replace(generation.snapshot().metrics, output_tokens=sent)
            for generation, sent in zip(self._job.generations, self._tokens, strict=True)
        ]
        response.usage = count_usage(metrics, self._job.body.n)
        return response

    def _response(self, choice: Choice) -> CompletionResponse:
        return self.usage([choice]) if self._tells_usage else self._job.response([choice])
