"""'Reproduce the blog post': its four prompts one after another, a table and a chart beside the post's own figures."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import gradio as gr

from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import ModelInfo
from codegen_ui.post import (
    HEADINGS,
    PRINTED,
    SOURCE,
    PostRun,
    cells,
    post_examples,
    post_request,
    remarks,
    to_csv,
    to_svg,
    what_ran,
)
from codegen_ui.service import Service
from codegen_ui.ui import figures
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.run import Run, snapshots
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.widgets import QUIET, STREAMING, drawn, session_of

Shown = dict[str, Any]
"""The panel's value: `rows` of plain text, `status`, `notes`, `busy` ("1" or ""), and the files `csv` and `svg`, which
are there once all is done."""

IDLE: Shown = {"rows": [], "status": "", "notes": "", "busy": "", "csv": "", "svg": ""}

TEMPLATE = f"""
<div class="cg-bar"><h2>Reproduce the blog post</h2>
<label class="cg-switch"><input type="checkbox" data-act="as-post">
as the post did: to 1000 tokens or the model's end</label>
<span class="cg-hint" role="status" data-f="status"></span>
<span class="cg-acts"><button type="button" data-act="reproduce">Run the four prompts</button>
<button type="button" data-act="halt" disabled>Stop</button>
<button type="button" data-act="csv" disabled>Download CSV</button>
<button type="button" data-act="svg" disabled>Download SVG</button></span></div>
<div class="cg-table" tabindex="0" role="region" aria-label="The blog post's prompts" hidden><table><thead><tr>
{"".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)}</tr></thead><tbody></tbody></table></div>
<p class="cg-hint" data-f="notes"></p><img class="cg-chart" alt="" hidden>
"""


class PostPanel:
    """`table` shows `Shown`; it fires `reproduce` with `as_post`, and `halt`."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self._examples = post_examples()
        self._running: dict[str, Run] = {}
        self.table = drawn(IDLE, TEMPLATE, "post", "cg-post", ("reproduce", "halt"))

    def wire(self, page: gr.Blocks, model: ModelPanel) -> None:
        self.table.reproduce(self.reproduce, model.picker, self.table, **STREAMING)
        self.table.halt(self.halt, None, None, **QUIET)
        page.unload(self.halt)

    async def reproduce(
        self, model: str | None, request: gr.Request, event: gr.EventData
    ) -> AsyncGenerator[Shown, None]:
        """The table as it fills. Errors become the status; nothing is raised."""
        key, run = session_of(request), Run(self._service, model)
        if key in self._running:
            self._running[key].stop()
        self._running[key] = run
        try:
            async for status in run.loading():
                yield {**IDLE, "busy": "1", "status": figures.progress(status)}
            async for shown in self._runs(key, run, model, as_the_post_did=event.as_post is True):
                yield shown
        except PlaygroundError as error:
            yield {**IDLE, "status": str(error)}
        finally:
            run.stop()
            if self._running.get(key) is run:
                del self._running[key]

    async def halt(self, request: gr.Request) -> None:
        """Stop, or the tab was closed; what was done stays in the table."""
        run = self._running.get(session_of(request))
        if run is not None:
            run.stop()

    async def _runs(
        self, key: str, run: Run, model: str | None, *, as_the_post_did: bool
    ) -> AsyncGenerator[Shown, None]:
        info = self._service.engine(model).info
        done: list[PostRun] = []
        for example, printed in zip(self._examples, PRINTED, strict=True):
            asked = post_request(example, info.context, as_the_post_did=as_the_post_did, visitor=key)
            try:
                async for now in snapshots(await run.submit(asked), self._sessions.pause):
                    one = PostRun(example.title, printed, now.metrics, now.finish_reason)
                    status = "" if now.error is None else str(now.error)
                    yield table([*done, one], info, f"{len(done) + 1} of {len(self._examples)}", busy=True)
                done.append(one)
            except PlaygroundError as error:
                status = str(error)
            if run.stopped or status:
                break
        yield table(done, info, "stopped" if run.stopped else status or "done", busy=False)


def table(runs: Sequence[PostRun], info: ModelInfo, status: str, *, busy: bool) -> Shown:
    notes = " ".join([f"Here: {what_ran(info)}; {SOURCE}.", *remarks(runs)])
    files = {} if busy or not runs else {"csv": to_csv(runs, info), "svg": to_svg(runs, info)}
    rows = [list(cells(run)) for run in runs]
    return {**IDLE, "rows": rows, "status": status, "notes": notes, "busy": "1" if busy else "", **files}
