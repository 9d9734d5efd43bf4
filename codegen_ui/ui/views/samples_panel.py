"""The sample grid: n samples at once, each judged by the checks as it ends, and pass@k over all of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import gradio as gr

from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.views.samples import MAX_SAMPLES, SWEEP, Grid, Grids
from codegen_ui.ui.widgets import QUIET, STREAMING, drawn_apart, session_of, visitor_of

TEMPLATE = """
<div class="cg-grid-head" hidden><p class="cg-pass" role="status" aria-live="polite"></p>
<p class="cg-hint" data-f="figures"></p><p class="cg-note" data-f="note"></p>
<figure class="cg-curves" hidden></figure></div>
<ol class="cg-cards" aria-label="Samples"></ol>
"""


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
