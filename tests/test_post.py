"""The blog post's four prompts, run here: requests, table, CSV, chart, and the panel that runs them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from fake_engine import FakeEngine, serve
from visit import tab, until
from web import page_app, running

from codegen_ui.generation import ModelInfo
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.post import (
    COLUMNS,
    HEADINGS,
    PRINTED,
    PostRun,
    cells,
    post_examples,
    post_request,
    remarks,
    to_csv,
    to_svg,
    what_ran,
)
from codegen_ui.request import FinishReason, StopAt
from codegen_ui.ui.panels.post_panel import PostPanel, Shown
from codegen_ui.ui.sessions import Sessions

INFO = ModelInfo("<b>model</b>", "a", 2048, dtype="float32", quantize="int8", device="cpu", device_name="A & B")
RUNS = [
    PostRun(
        "Implement <binary> search",
        PRINTED[3],
        GenerationMetrics(
            prompt_tokens=4,
            output_tokens=96,
            latency_seconds=2.0,
            tokens_per_second=48.0,
            total_tokens_per_second=50.0,
            saved_tokens=900,
            drafted_tokens=40,
            accepted_tokens=30,
        ),
        FinishReason.FUNCTION,
    )
]


def test_the_posts_prompts_and_figures_belong_together() -> None:
    examples = post_examples()
    assert [example.title.split(",")[0] for example in examples] == [
        "3Sum",
        "Two Sum II",
        "Implement the cross entropy loss function",
        "Implement binary search",
    ]
    assert [(one.latency_seconds, one.total_tokens_per_second) for one in PRINTED] == [
        (14.45, 36.12),
        (13.03, 41.05),
        (32.24, 31.02),
        (4.60, 30.65),
    ]
    # What the post printed as throughput counts the prompt: the third ran to its 1000 tokens.
    assert round(PRINTED[2].latency_seconds * PRINTED[2].total_tokens_per_second) == 1000


def test_requests_are_greedy_to_1000_tokens_and_as_in_the_post_only_the_models_end_stops_them() -> None:
    example = post_examples()[0]
    asked = post_request(example, 2048, as_the_post_did=False)
    assert (asked.max_length, asked.sampling.temperature, asked.stop_at) == (1000, 0, StopAt.FUNCTION)
    assert post_request(example, 2048, as_the_post_did=True).stop_at is StopAt.EOS
    assert post_request(example, 512, as_the_post_did=True).max_length == 512


def test_a_row_has_this_run_and_the_post_side_by_side() -> None:
    assert dict(zip(HEADINGS, cells(RUNS[0]), strict=True)) == {
        "Prompt": "Implement <binary> search",
        "Latency": "2.00 s",
        "(prompt + output) / latency": "50.00 tokens/s",
        "Output / latency": "48.00 tokens/s",
        "Output tokens": "96",
        "Stopped by": "end of function",
        "Saved tokens": "900",
        "The post's latency": "4.60 s",
        "The post's (prompt + output) / latency": "30.65 tokens/s",
    }


def test_the_csv_names_what_ran() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv(RUNS, INFO)))
    assert tuple(row) == COLUMNS
    assert (row["model"], row["dtype"], row["weights"], row["device"]) == ("<b>model</b>", "float32", "int8", "A & B")
    assert (row["output_tokens"], row["accepted_tokens"], row["post_latency_seconds"]) == ("96", "30", "4.6")


def test_the_chart_is_sound_svg_whose_bars_are_as_long_as_the_figures() -> None:
    drawing = ElementTree.fromstring(to_svg(RUNS * 4, INFO))
    texts = [element.text for element in drawing.iter() if element.tag.endswith("text")]
    assert f"here: {what_ran(INFO)}" in texts
    assert "Implement" in texts
    bars = [element for element in drawing.iter() if element.tag.endswith("rect") and element.get("width") == "30"]
    here, post = (float(bar.get("height") or 0) for bar in bars[:2])
    assert here / post == pytest.approx(2.0 / 4.6, rel=0.01)
    assert len(bars) == 2 * 2 * 4
    assert not [element for element in drawing.iter() if "href" in str(element.attrib) or "script" in element.tag]


def test_before_anything_is_known_the_chart_has_no_bars_and_no_fault() -> None:
    blank = PostRun("x", PRINTED[0], GenerationMetrics(), None)
    ElementTree.fromstring(to_svg([blank], INFO))
    assert cells(blank)[5] == "–"


def test_it_is_said_where_drafts_and_a_cached_prompt_helped() -> None:
    (drafts,) = remarks(RUNS)
    assert drafts.startswith("30 of 96 tokens were drafts")
    cached = replace(RUNS[0], metrics=GenerationMetrics(cached_prompt_tokens=4))
    assert remarks([cached]) == ("Prompts were in the prefix cache from an earlier run.",)


# --- the panel

TAB = SimpleNamespace(session_hash="tab")
CODE = ('"""', "\n\n", "def f():\n", "    return 1\n", "\n\n", "print(f())", "\n")


def panel(engine: FakeEngine) -> PostPanel:
    engine.info = replace(engine.info, context=2048)
    service = serve(engine)
    import gradio as gr

    with gr.Blocks():
        return PostPanel(service, Sessions(service))


async def reproduce(shown: PostPanel, *, as_post: bool = False) -> list[Shown]:
    event = SimpleNamespace(as_post=as_post)
    return [value async for value in shown.reproduce(None, TAB, event)]


@pytest.mark.asyncio
async def test_the_four_run_one_after_another_and_the_table_fills() -> None:
    engine = FakeEngine(CODE)
    seen = await reproduce(panel(engine))
    assert [request.prompt for request in engine.requests] == [example.prompt for example in post_examples()]
    last = seen[-1]
    assert (len(last["rows"]), last["status"], last["busy"]) == (4, "done", "")
    assert all(row[5] == "end of function" for row in last["rows"])
    assert last["csv"].count("\r\n") == 5
    assert last["svg"].startswith("<svg")
    assert "fake, float32, cpu" in last["notes"]
    assert "MI210" in last["notes"]
    assert any(value["status"] == "2 of 4" and value["busy"] for value in seen)


@pytest.mark.asyncio
async def test_as_the_post_did_nothing_but_the_model_ends_it() -> None:
    engine = FakeEngine(CODE)
    seen = await reproduce(panel(engine), as_post=True)
    assert {row[5] for row in seen[-1]["rows"]} == {"the model ended"}
    assert {request.stop_at for request in engine.requests} == {StopAt.EOS}


@pytest.mark.asyncio
async def test_stop_ends_the_one_that_runs_and_leaves_what_was_done() -> None:
    engine = FakeEngine(CODE, seconds=0.02)
    shown = panel(engine)
    last: Shown = {}
    async for value in shown.reproduce(None, TAB, SimpleNamespace(as_post=False)):
        last = value
        if value["status"] == "2 of 4":
            await shown.halt(TAB)
    assert last["status"] == "stopped"
    assert [row[5] for row in last["rows"]] == ["end of function", "stopped by you"]
    assert len(engine.requests) == 2
    assert last["csv"]


@pytest.mark.asyncio
async def test_an_error_is_told_beside_what_was_done() -> None:
    engine = FakeEngine(CODE, fail_after=2)
    last = (await reproduce(panel(engine)))[-1]
    assert "as it was told to" in last["status"]
    assert [row[5] for row in last["rows"]] == ["error"]


@pytest.mark.browser
def test_one_click_fills_table_and_chart_and_offers_both_as_files(browser: Any) -> None:
    engine = FakeEngine(CODE, seconds=0.01)
    engine.info = replace(engine.info, context=2048)
    service = serve(engine)
    with running(page_app(service)) as address, tab(browser, address) as page:
        page.click("text=Run the four prompts")
        page.wait_for_selector("#cg-post [data-act=svg]:not([disabled])")
        assert page.locator("#cg-post tbody tr").count() == 4
        until(page, "document.querySelector('.cg-chart').naturalWidth > 0")
        for kind, begins in (("csv", "prompt,latency_seconds"), ("svg", "<svg")):
            with page.expect_download() as download:
                page.click(f"#cg-post [data-act={kind}]")
            text = download.value.path().read_text("utf-8")
            assert download.value.suggested_filename == f"blog_post.{kind}"
            assert text.startswith(begins)
        page.check("#cg-post [data-act=as-post]")
        page.click("text=Run the four prompts")
        page.wait_for_selector("#cg-post td:has-text('the model ended')")
