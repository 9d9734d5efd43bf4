"""The generations behind one HTTP request: submitted together, waited for together, cancelled together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from codegen_ui.api.convert import check_context, check_room, fingerprint
from codegen_ui.api.problems import from_error
from codegen_ui.api.schemas import Choice, CompletionBody, CompletionResponse
from codegen_ui.errors import Busy, PlaygroundError
from codegen_ui.follow import follow
from codegen_ui.generation import Completion, Generation
from codegen_ui.request import GenerationRequest
from codegen_ui.service import Service


@dataclass(frozen=True)
class Job:
    """The generations that answer one HTTP request, and what every piece of the answer says.

    Its id ends as the first generation's does, by which the log names it.
    """

    body: CompletionBody
    model: str
    system_fingerprint: str
    generations: tuple[Generation, ...]
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def id(self) -> str:
        return f"cmpl-{self.generations[0].id.removeprefix('gen-')}"

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


def start(service: Service, body: CompletionBody, requests: Sequence[GenerationRequest]) -> Job:
    """Submit every request, or none. Raises `Problem`, or `PlaygroundError` where no engine was asked."""
    engine = service.engine(body.model)
    for request in requests[:: body.n]:
        prompt = request.prompt
        tokens = engine.count_tokens(prompt) if isinstance(prompt, str) else len(prompt)
        check_context(tokens, body.max_tokens, engine.info.context)
    generations: list[Generation] = []
    try:
        for request in requests:
            generations.append(service.submit(request, body.model))
    except PlaygroundError as error:
        for generation in generations:
            generation.cancel()
        if isinstance(error, Busy) and error.limit is not None:
            check_room(body, len(requests), engine.info.slots, error.limit)
        raise from_error(error, told=True) from error
    return Job(body, service.status(body.model).name, fingerprint(engine.info), tuple(generations))


async def completions(generations: Sequence[Generation]) -> list[Completion]:
    """Wait for all. Raises the error of the first that fails."""
    async for news in follow(generations, every=lambda: float("inf")):
        if news is not None and news.ended:
            generations[news.index].result()
    return [generation.result() for generation in generations]
