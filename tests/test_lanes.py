"""The picture of the engine: what each step did in each slot, whose it was, and a run's own timeline."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from fake_engine import FakeEngine, serve, wait_until
from tiny import tiny
from visit import PHONE, pick, picture, set_number, tab, until

from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.steps import Cell, RecentSteps, Step
from codegen_ui.ui.session import Ran
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.views import lanes as lanes_view
from codegen_ui.ui.views.lanes import WIDTH, LanesPanel, lanes, qr, timeline

MINE, OTHER = Cell(0, "a", prefill=8), Cell(2, "b", decoded=3, accepted=2)
STEPS = [
    Step(0, 10.0, 0.5, (MINE,)),
    Step(1, 10.1, 0.1, (Cell(0, "a", decoded=1), OTHER)),
    Step(2, 10.3, 0.2, (Cell(0, "a", decoded=2, accepted=1),)),
]


class TestRecent:
    def test_steps_are_numbered_and_the_oldest_forgotten(self) -> None:
        recent = RecentSteps(kept=2)
        for at in range(3):
            recent.add(float(at), 0.1, [MINE])
        assert [step.number for step in recent.since(0)] == [1, 2]
        assert [step.number for step in recent.since(2)] == [2]
        assert recent.since(3) == ()


class TestEngine:
    def test_steps_add_up_to_what_was_prefilled_and_generated(self) -> None:
        with tiny().engine() as engine:
            request = GenerationRequest((5, 6, 7, 8), max_new_tokens=6, temperature=0, stop_at="length", visitor="me")
            first, second = engine.submit(request), engine.submit(request)
            results = [first.result(30), second.result(30)]
            until_number = {cell.generation for step in engine.steps.since() for cell in step.cells}
            assert until_number == {first.id, second.id}
        steps = engine.steps.since()
        for generation, result in zip((first, second), results, strict=True):
            cells = [cell for step in steps for cell in step.cells if cell.generation == generation.id]
            assert sum(cell.decoded for cell in cells) == len(result.token_ids)
            assert sum(cell.prefill for cell in cells) == 4 - result.metrics.cached_prompt_tokens
            assert len({cell.slot for cell in cells}) == 1
        assert not any("text" in name or "token_ids" in name for name in vars(steps[0].cells[0]))


class TestPicture:
    def test_a_row_a_slot_a_letter_a_step_and_ones_own_in_capitals(self) -> None:
        rows = lanes(STEPS, {"a"}, 4)["rows"]
        assert [row.lstrip(".") for row in rows] == ["PDA", "", "a.", ""]
        assert {len(row) for row in rows} == {WIDTH}

    def test_others_cells_are_small_letters(self) -> None:
        assert lanes(STEPS, {"c"}, 1)["rows"][0].endswith("pda")

    def test_an_engine_at_rest_has_empty_lanes(self) -> None:
        assert lanes([], {"a"}, 2)["rows"] == ["." * WIDTH] * 2

    def test_a_timeline_has_the_runs_own_steps(self) -> None:
        metrics = GenerationMetrics(output_tokens=3, queue_seconds=0.25)
        found = timeline(STEPS, Ran("a", 0, metrics, FinishReason.EOS, ""))
        assert found["stopped_by"] == "eos"
        assert [step["at"] for step in found["steps"]] == [0.0, 0.1, 0.3]
        assert [step["decoded"] for step in found["steps"]] == [0, 1, 2]
        assert [step["streams"] for step in found["steps"]] == [1, 2, 1]
        assert found["steps_forgotten"] is False
        assert timeline(STEPS[2:], Ran("a", 0, metrics, FinishReason.EOS, ""))["steps_forgotten"] is True

    def test_the_code_is_made_of_an_address_and_of_nothing_else(self) -> None:
        assert qr("http://192.0.2.1:7860/").startswith("<svg")
        assert "192" not in qr("http://192.0.2.1:7860/")
        assert qr("javascript:alert(1)") == qr('http://x/"><script>') == qr(None) == ""


TAB: Any = SimpleNamespace(session_hash="tab")
PHONE_ADDRESS: Any = SimpleNamespace(address="http://192.0.2.1:7860/")


class Watched:
    """An open picture of a fake engine, and how often it was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = FakeEngine()
        self.service = serve(self.engine)
        with gr.Blocks():
            self.panel = LanesPanel(self.service, Sessions(self.service))
        self.looks = 0
        since = self.engine.steps.since

        def look(number: int = 0) -> tuple[Step, ...]:
            self.looks += 1
            return since(number)

        monkeypatch.setattr(self.engine.steps, "since", look)

    def open(self) -> AsyncGenerator[Any, None]:
        return self.panel.show(None, TAB, PHONE_ADDRESS)

    def step(self) -> None:
        self.engine.steps.add(time.monotonic(), 0.01, [MINE])


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(lanes_view, "PAUSE_SECONDS", 0.1)
    return Watched(monkeypatch)


@pytest.mark.asyncio
class TestShowing:
    async def test_an_engine_at_rest_is_not_looked_at_and_its_next_step_is_shown(self, watched: Watched) -> None:
        stream = watched.open()
        assert "No step yet" in (await anext(stream))["note"]
        following = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.5)
        assert (watched.looks, following.done()) == (1, False)
        await asyncio.to_thread(watched.step)
        assert (await asyncio.wait_for(following, 5))["steps"] == "1"
        await stream.aclose()

    async def test_many_steps_are_few_pictures(self, watched: Watched) -> None:
        stream, began = watched.open(), time.monotonic()
        shown = ""
        for _ in range(100):
            watched.step()
        while shown != "200":
            shown = (await anext(stream))["steps"]
            if shown == "100":
                for _ in range(100):
                    watched.step()
        assert watched.looks <= 2 + (time.monotonic() - began) / 0.1
        await stream.aclose()

    async def test_closing_ends_it_and_opening_it_again_ends_the_first(self, watched: Watched) -> None:
        first, second = watched.open(), watched.open()
        await anext(first)
        await anext(second)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(first), 5)
        await watched.panel.close(TAB)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(second), 5)

    async def test_an_engine_that_fails_is_told(self, watched: Watched) -> None:
        stream = watched.open()
        await anext(stream)
        wait_until(lambda: bool(watched.engine._told))
        watched.engine.fail("the device is gone")
        assert "the device is gone" in (await asyncio.wait_for(anext(stream), 5))["note"]


@pytest.mark.browser
class TestPage:
    def test_the_lanes_move_with_the_engine_and_mark_ones_own(self, browser: Any, address: str) -> None:
        with tab(browser, address) as page, tab(browser, address) as other:
            page.focus("#cg-lanes summary")
            page.keyboard.press("Enter")
            until(page, "document.querySelector('#cg-lanes [data-steps]')")
            before = int(page.get_attribute("#cg-lanes [data-steps]", "data-steps"))
            other.get_by_label("Max length", exact=True).check()
            set_number(other, "cg-max-length", 2000)
            other.fill("#cg-prompt textarea", "def binary_search(items, target):\n")
            other.click("#cg-generate")
            set_number(page, "cg-count", 6)
            set_number(page, "cg-temperature", 1)
            page.fill("#cg-prompt textarea", "def merge_sort(values):\n")
            page.click("#cg-sample")
            both = ["'#cg-lanes .own').length > 60", "'#cg-lanes g:not(.own)').length > 20"]
            until(page, " && ".join(f"document.querySelectorAll({many}" for many in both))
            assert int(page.get_attribute("#cg-lanes [data-steps]", "data-steps")) > before
            assert " lanes; in the steps shown: " in page.locator("#cg-lanes svg").first.get_attribute("aria-label")
            assert page.locator("#cg-lanes .cg-join svg").count() == 1
            picture(page.locator("#cg-lanes"), "lanes")

    def test_a_runs_timeline_can_be_taken_away(self, browser: Any, address: str, tmp_path: Path) -> None:
        with tab(browser, address, viewport=PHONE) as page:
            pick(page, "Recursion")
            page.click("#cg-lanes summary")
            until(page, "document.querySelector('#cg-timeline svg')")
            with page.expect_download() as download:
                page.click("#cg-timeline [data-act=json]")
            download.value.save_as(tmp_path / "timeline.json")
            taken = json.loads((tmp_path / "timeline.json").read_text())
            output = int(page.inner_text("#cg-live [data-f=output]"))
            assert sum(step["decoded"] for step in taken["steps"]) == taken["output_tokens"] == output
            with page.expect_download() as download:
                page.click("#cg-timeline [data-act=svg]")
            download.value.save_as(tmp_path / "timeline.svg")
            assert (tmp_path / "timeline.svg").read_text().startswith("<svg")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
