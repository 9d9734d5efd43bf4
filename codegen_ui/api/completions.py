"""`POST /v1/completions`: whole, or as server-sent events with a chunk a token."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from codegen_ui.api.convert import count_usage, generation_requests, whole_choice
from codegen_ui.api.documentation import may_refuse
from codegen_ui.api.job import Job, completions, start
from codegen_ui.api.problems import from_error
from codegen_ui.api.route import visitor
from codegen_ui.api.schemas import CompletionBody, CompletionResponse
from codegen_ui.api.stream import EventStream
from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import Completion
from codegen_ui.service import Service


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
