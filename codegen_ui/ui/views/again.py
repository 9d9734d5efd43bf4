"""The last run once more, for a closer look: with its probabilities, or past its end. It costs what the run cost."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.follow import follow
from codegen_ui.generation import Generation, TokenEvent, TokenLogprob
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import MAX_LENGTH, FinishReason, GenerationRequest, StopAt
from codegen_ui.service import Service
from codegen_ui.ui import figures
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.run import CLOCK_SECONDS, Run, TabRuns
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.widgets import STREAMING, drawn_apart, session_of, visitor_of

TOP = 5
PAUSE_SECONDS = 0.15
OURS = (FinishReason.FUNCTION, FinishReason.PAPER, FinishReason.STOP_STRING)
"""Ends that a rule of ours made: the model would have gone on."""
NO_RUN = "Generate something first, and do not change the prompt or the settings after it."

Value = dict[str, Any]
TOKENS = """
<details class="cg-section"><summary>Tokens and what else was likely</summary>
<p class="cg-hint">Runs it once more and asks for probabilities. Pale is certain, dark is a guess; arrow keys go from
token to token, Enter shows the five likeliest, and choosing another goes on from there.</p>
<p class="cg-note" role="status"></p><div class="cg-tree" role="group" aria-label="Branches" hidden></div>
<div class="cg-tokens" role="group" aria-label="Tokens" hidden></div><div class="cg-choices" hidden></div></details>
"""
TAIL = """
<details class="cg-section"><summary>The tail you were spared</summary>
<p class="cg-hint">What the model would have gone on to write; Copy and Download leave it out.</p>
<p class="cg-note" role="status"></p>
<pre class="cg-tail" tabindex="0" role="region" aria-label="The tail" hidden><del></del></pre></details>
"""


@dataclass(frozen=True)
class Last:
    """A tab's last run: its request, with the seed that it drew, its text and its figures."""

    request: GenerationRequest
    text: str
    metrics: GenerationMetrics
    reason: FinishReason | None


class Again:
    """Second looks at a tab's last run, one at a time for each tab."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self.runs = TabRuns()
        self._service = service
        self._sessions = sessions

    def last(self, key: str, inputs: Inputs, visitor: str = "") -> Last | None:
        """None where the prompt or the settings are others than those of the last run. Raises `InvalidInput`."""
        request = to_request(inputs, visitor=visitor or key)
        ran = self._sessions.ran(key, request)
        if ran is None:
            return None
        return Last(replace(request, seed=ran.metrics.seed), self._sessions.last_text(key), ran.metrics, ran.reason)

    async def tail(self, key: str, inputs: Inputs, model: str | None, visitor: str = "") -> AsyncGenerator[Value, None]:
        """What would have followed the end: the same run with the same seed, which our rules do not stop."""
        try:
            last = self.last(key, inputs, visitor)
            if last is None or last.reason not in OURS:
                note = NO_RUN if last is None else "Nothing was spared: the model or the length ended this one."
                yield {"note": note, "text": "", "cost": "", "busy": ""}
                return
            request = replace(last.request, stop_at=StopAt.EOS, stop=())
            async for generation, events, ended in self._follow(key, request, model):
                yield tail_value(last, generation.snapshot().text, events, ended)
        except PlaygroundError as error:
            yield {"note": str(error), "text": "", "cost": "", "busy": ""}

    async def tokens(
        self, key: str, request: GenerationRequest, model: str | None
    ) -> AsyncGenerator[tuple[tuple[int, ...], list[Value], str], None]:
        """(ids of the prompt, its tokens with their alternatives so far, the state). Raises `PlaygroundError`."""
        async for generation, events, ended in self._follow(key, replace(request, logprobs=TOP), model):
            ids = generation.result(0).prompt_token_ids if ended else ()
            yield ids, [token_value(event) for event in events], figures.state_text(generation.snapshot())

    async def _follow(
        self, key: str, request: GenerationRequest, model: str | None
    ) -> AsyncGenerator[tuple[Generation, Sequence[TokenEvent], bool], None]:
        """A generation, its tokens so far, and whether it has ended. Raises `PlaygroundError`."""
        with self.runs.of(key) as runs:
            run = Run(self._service, model)
            runs.append(run)
            async for _ in run.loading():
                continue
            generation = await run.submit(request)
            events: list[TokenEvent] = []
            async for news in follow([generation], every=lambda: PAUSE_SECONDS, heartbeat=CLOCK_SECONDS):
                if news is not None:
                    events.extend(news.tokens)
                    yield generation, events, news.ended
            error = generation.snapshot().error
            if error is not None:
                raise error


def tail_value(last: Last, text: str, events: Sequence[TokenEvent], ended: bool) -> Value:
    """The text after the end, and what it cost: its tokens, and the time from the run's last token to its own last."""
    spared = events[last.metrics.output_tokens :]
    busy = "" if ended else "1"
    if ended and not text.startswith(last.text):
        return {
            "note": "This time it went another way, so there is nothing to compare.",
            "text": "",
            "cost": "",
            "busy": "",
        }
    cost = ""
    if spared:
        seconds = events[-1].time - events[last.metrics.output_tokens - 1].time
        cost = f"{len(spared):,} tokens in {figures.seconds(seconds)}"
    note = "The rest of it had no text." if ended and not text[len(last.text) :].strip() else ""
    return {"note": note, "text": text[len(last.text) :], "cost": cost, "busy": busy}


def token_value(event: TokenEvent) -> Value:
    """A token for the browser: its text, its probability and its id, and the likeliest in its place."""
    chosen = event.logprob
    return {
        "text": event.text if chosen is None else chosen.token,
        "p": None if chosen is None else chance(chosen),
        "id": event.token_id,
        "top": [{"text": one.token, "p": chance(one), "id": one.token_id} for one in event.top],
    }


def chance(token: TokenLogprob) -> float:
    return round(math.exp(min(0.0, token.logprob)), 4)


def branch_request(request: GenerationRequest, ids: object) -> GenerationRequest:
    """The request that goes on from a prompt's ids and some tokens after it. Raises `InvalidInput`."""
    if not isinstance(ids, list) or not 1 <= len(ids) < MAX_LENGTH:
        raise InvalidInput("branch", ids, f"a list of 1 to {MAX_LENGTH - 1} token ids")
    return replace(request, prompt=tuple(ids))


class TailPanel:
    """`tail` shows `again.tail_value`."""

    def __init__(self, again: Again) -> None:
        self._again = again
        self.tail = drawn_apart({}, TAIL, "tail", "cg-tail", ("open",))

    def wire(self, model: ModelPanel, inputs: Sequence[Any]) -> None:
        self.tail.open(self.show, [*inputs, model.picker], self.tail, **STREAMING)

    async def show(self, request: gr.Request, *values: Any) -> AsyncGenerator[Value, None]:
        *fields, model = values
        async for value in self._again.tail(session_of(request), Inputs.of(*fields), model, visitor_of(request)):
            yield value


class TokensPanel:
    """`tokens` shows one branch as it grows; the browser keeps the tree of them."""

    def __init__(self, again: Again) -> None:
        self._again = again
        self.tokens = drawn_apart({}, TOKENS, "tokens", "cg-tokens", ("open", "branch"))

    def wire(self, page: gr.Blocks, model: ModelPanel, inputs: Sequence[Any]) -> None:
        given = [*inputs, model.picker]
        self.tokens.open(self.show, given, self.tokens, **STREAMING)
        self.tokens.branch(self.branch, given, self.tokens, **STREAMING)
        page.unload(self.leave)

    async def show(self, request: gr.Request, event: gr.EventData, *values: Any) -> AsyncGenerator[Value, None]:
        """The last run's own tokens."""
        async for value in self._run(request, event, values, branch=False):
            yield value

    async def branch(self, request: gr.Request, event: gr.EventData, *values: Any) -> AsyncGenerator[Value, None]:
        """Those that follow another choice."""
        async for value in self._run(request, event, values, branch=True):
            yield value

    async def leave(self, request: gr.Request) -> None:
        self._again.runs.stop(session_of(request))

    async def _run(
        self, request: gr.Request, event: gr.EventData, values: Sequence[Any], *, branch: bool
    ) -> AsyncGenerator[Value, None]:
        *fields, model = values
        key = session_of(request)
        name = str(getattr(event, "name", ""))[:40]
        value: Value = {"name": name, "note": "", "tokens": [], "prompt": [], "busy": "1"}
        try:
            last = self._again.last(key, Inputs.of(*fields), visitor_of(request))
            if last is None:
                yield {**value, "note": NO_RUN, "busy": ""}
                return
            wanted = branch_request(last.request, getattr(event, "ids", None)) if branch else last.request
            async for ids, tokens, _ in self._again.tokens(key, wanted, model):
                value = {**value, "tokens": tokens, "prompt": list(ids)}
                yield value
            yield {**value, "busy": ""}
        except PlaygroundError as error:
            yield {**value, "note": str(error), "busy": ""}
