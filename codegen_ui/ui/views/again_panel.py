"""Sections that look at the last run again: its tokens with what else was likely, and the tail that was spared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import PlaygroundError
from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.views.again import NO_RUN, Again, Value, branch_request
from codegen_ui.ui.widgets import STREAMING, drawn_apart, session_of, visitor_of

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
