"""Several samples of one prompt side by side, for the page: how often does the model get it right?

The engine computes the prompt once and gives what it has to every sample of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.follow import follow
from codegen_ui.generation import Generation, Snapshot
from codegen_ui.kinds import Integer
from codegen_ui.metrics import State
from codegen_ui.request import MAX_SEED, GenerationRequest
from codegen_ui.service import Service
from codegen_ui.ui import figures
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.run import CLOCK_SECONDS, Run, TabRuns
from codegen_ui.ui.widgets import QUIET, STREAMING, drawn_apart, session_of, visitor_of

MAX_SAMPLES = 16
SWEEP = (0.2, 0.6, 1.0)
"""The temperatures of a sweep: those of the CodeGen paper's evaluation are 0.2, 0.6 and 0.8."""
PAUSE_SECONDS = 0.15

Card = dict[str, str]
Grid = dict[str, Any]
"""What the page draws: `cards`, each plain text by name, the prompt, and how it goes as a whole."""
TEMPLATE = """
<div class="cg-grid-head" hidden><p class="cg-pass" role="status" aria-live="polite"></p>
<p class="cg-hint" data-f="figures"></p><p class="cg-note" data-f="note"></p>
<figure class="cg-curves" hidden></figure></div>
<ol class="cg-cards" aria-label="Samples"></ol>
"""


@dataclass(frozen=True)
class Sample:
    """One of them: its request, and the seed that reproduces it in a run of its own."""

    request: GenerationRequest
    seed: int


def plan(inputs: Inputs, count: object, temperatures: Sequence[float], visitor: str) -> list[Sample]:
    """`count` samples at each temperature, their seeds one after another. Raises `InvalidInput`, naming the field."""
    number = Integer(1, MAX_SAMPLES).check("samples", count)
    request = to_request(inputs.but(temperature=temperatures[0]), visitor)
    first = secrets.randbelow(2**31) if request.seed is None else request.seed
    samples = []
    for temperature in temperatures:
        for index in range(number):
            seed = (first + index) % (MAX_SEED + 1)
            samples.append(Sample(replace(request, temperature=temperature, seed=seed), seed))
    return samples


class Grids:
    """Runs grids, one at a time for each tab."""

    def __init__(self, service: Service) -> None:
        self.runs = TabRuns()
        self._service = service

    async def run(
        self,
        key: str,
        inputs: Inputs,
        model: str | None,
        count: object,
        temperatures: Sequence[float],
        visitor: str = "",
    ) -> AsyncGenerator[Grid, None]:
        """The grid as it changes; the last one is not busy. Errors become its note; nothing is raised."""
        number, began = secrets.token_hex(4), time.monotonic()
        grid: Grid = {"run": number, "note": "", "busy": "1", "prompt": inputs.prompt, "cards": []}
        try:
            with self.runs.of(key) as runs:
                samples = plan(inputs, count, temperatures, visitor or key)
                runs.extend(Run(self._service, model) for _ in samples)
                async for status in runs[0].loading():
                    yield {**grid, "note": figures.progress(status)}
                if runs[0].stopped:
                    yield {**grid, "busy": "", "note": "Stopped before the model was loaded."}
                    return
                generations = [await run.submit(sample.request) for run, sample in zip(runs, samples, strict=True)]
                async for item in follow(generations, every=lambda: PAUSE_SECONDS, heartbeat=CLOCK_SECONDS):
                    if item is None or item.ended or item.index == 0:
                        yield {**grid, **show(samples, generations, time.monotonic() - began)}
                yield {**grid, **show(samples, generations, time.monotonic() - began), "busy": ""}
        except InvalidInput as problem:
            yield {
                **grid,
                "busy": "",
                "note": f"{problem.field}: {problem.value} is not allowed; it must be {problem.limit}.",
            }
        except PlaygroundError as error:
            yield {**grid, "busy": "", "note": str(error)}


def show(samples: Sequence[Sample], generations: Sequence[Generation], seconds: float) -> Grid:
    """Cards and the figures of all."""
    snapshots = [generation.snapshot() for generation in generations]
    return {
        "cards": [card(sample, snapshot) for sample, snapshot in zip(samples, snapshots, strict=True)],
        "figures": summary(snapshots, seconds),
    }


def card(sample: Sample, snapshot: Snapshot) -> Card:
    reason, metrics = snapshot.finish_reason, snapshot.metrics
    return {
        "seed": str(sample.seed),
        "temperature": f"{sample.request.sampling.temperature:g}",
        "state": figures.state_text(snapshot),
        "ended": "" if reason is None else "1",
        "text": snapshot.text,
        "why": "" if reason is None else reason.words,
        "figures": f"{metrics.output_tokens:,} tokens · {figures.seconds(metrics.latency_seconds)}",
        "note": "" if snapshot.error is None else str(snapshot.error),
    }


def summary(snapshots: Sequence[Snapshot], seconds: float) -> str:
    """'812 tokens in 1.9 s, 427 tokens/s together; the prompt's 41 tokens computed once, taken from there 7 times'."""
    tokens = sum(snapshot.metrics.output_tokens for snapshot in snapshots)
    shared = sum(snapshot.metrics.cached_prompt_tokens > 0 for snapshot in snapshots)
    text = f"{tokens:,} tokens in {figures.seconds(seconds)}, {figures.rate(tokens / seconds)} tokens/s together"
    if len(snapshots) > 1 and shared and all(snapshot.metrics.state is not State.QUEUED for snapshot in snapshots):
        text += f"; the prompt's KV cache shared by {shared} of {len(snapshots)}"
    return text


class SamplesPanel:
    """`cards` shows a `samples.Grid`; what the checks say of it is known in the browser alone."""

    def __init__(self, grids: Grids) -> None:
        self._grids = grids
        with gr.Column(elem_id="cg-samples"):
            with gr.Row(elem_id="cg-samples-bar"):
                gr.HTML("<h2>Samples</h2>", apply_default_css=False, elem_classes="cg-title")
                self.count = gr.Slider(
                    1, MAX_SAMPLES, value=8, step=1, label="Samples", elem_id="cg-count", min_width=140, buttons=[]
                )
                self.go = gr.Button("Sample", size="sm", elem_id="cg-sample", min_width=80)
                names = ", ".join(f"{temperature:g}" for temperature in SWEEP)
                self.sweep_button = gr.Button(f"Sweep t = {names}", size="sm", elem_id="cg-sweep", min_width=120)
                self.stop_button = gr.Button("Stop samples", size="sm", elem_id="cg-stop-samples", min_width=100)
            self.cards = drawn_apart({}, TEMPLATE, "samples", "cg-cards")

    def wire(self, page: gr.Blocks, model: ModelPanel, inputs: Sequence[Any]) -> None:
        given = [self.count, *inputs, model.picker]
        self.go.click(self.sample, given, self.cards, **STREAMING)
        self.sweep_button.click(self.sweep, given, self.cards, **STREAMING)
        self.stop_button.click(self.stop, None, None, **QUIET)
        page.unload(self.stop)

    async def sample(self, request: gr.Request, *values: Any) -> AsyncGenerator[Grid, None]:
        """`values` are the number of samples, those of `Inputs`, then the model."""
        temperature = Inputs.of(*values[1:-1]).settings["temperature"]
        async for grid in self._run(request, values, [temperature]):
            yield grid

    async def sweep(self, request: gr.Request, *values: Any) -> AsyncGenerator[Grid, None]:
        """The same number at each temperature of `SWEEP`."""
        async for grid in self._run(request, values, SWEEP):
            yield grid

    async def stop(self, request: gr.Request) -> None:
        self._grids.runs.stop(session_of(request))

    def _run(
        self, request: gr.Request, values: Sequence[Any], temperatures: Sequence[float]
    ) -> AsyncGenerator[Grid, None]:
        count, *fields, model = values
        return self._grids.run(session_of(request), Inputs.of(*fields), model, count, temperatures, visitor_of(request))
