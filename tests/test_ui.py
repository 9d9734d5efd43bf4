"""The page's parts that need no browser: inputs, figures, runs, streams and handlers."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from codegen_ui.errors import GenerationFailed, InvalidInput, ModelUnavailable
from codegen_ui.gallery import Example, parse_example
from codegen_ui.generation import EngineStats, ModelInfo, Snapshot
from codegen_ui.metrics import GenerationMetrics, State
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.service import Loaded, ModelStatus, Phase, Service
from codegen_ui.ui import box_panel, figures, model_panel
from codegen_ui.ui.actions import Actions, limits, slug
from codegen_ui.ui.gallery_panel import gallery_value, sound
from codegen_ui.ui.inputs import (
    Inputs,
    escape,
    from_settings,
    parse_seed,
    parse_stop,
    to_request,
    to_settings,
    unescape,
)
from codegen_ui.ui.page import build_page
from codegen_ui.ui.prompt_panel import meter_value
from codegen_ui.ui.runs import COLUMNS, RunRecord, title_of, to_csv, to_row
from codegen_ui.ui.streaming import Pace, Streams
from codegen_ui.ui.visitors import MAX_TABS, Visitors
from tests.fake_engine import CONTEXT, FakeEngine, serve, wait_until


class TestInputs:
    def test_an_empty_seed_and_the_word_random_mean_a_new_one(self) -> None:
        assert parse_seed("") is parse_seed(None) is parse_seed(" Random ") is None
        assert parse_seed(" 42 ") == 42

    @pytest.mark.parametrize("typed", ["4.2", "-1", "abc", "9" * 19, "٣"])
    def test_a_seed_that_is_no_number_names_its_field(self, typed: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            parse_seed(typed)
        assert caught.value.field == "seed"

    def test_stop_strings_are_one_a_line_with_escapes(self) -> None:
        assert parse_stop("\\n\\n\n# end\n\n\\\\n") == ("\n\n", "# end", "\\n")

    @pytest.mark.parametrize("string", ["\n\tx\\n", "\\", "a b", "\r\n"])
    def test_escaping_a_stop_string_is_undone_by_unescaping(self, string: str) -> None:
        assert "\n" not in escape(string)
        assert unescape(escape(string)) == string

    def test_an_example_clicked_is_the_example_whatever_was_set_before(self) -> None:
        inputs = from_settings("def f():", {"temperature": 0, "stop": ["\n\n", "x"], "seed": 3})
        assert inputs == Inputs("def f():", temperature=0, stop="\\n\\n\nx", seed="3")

    def test_what_is_saved_gives_the_same_request_when_clicked(self) -> None:
        inputs = Inputs("def f():", max_length=99.0, top_k=5.0, seed="7", stop="\\n\\n", stop_at="eos")
        again = from_settings(inputs.prompt, to_settings(inputs))
        assert to_request(again) == to_request(inputs)

    @pytest.mark.parametrize("field", ["max_length", "temperature", "top_p", "top_k", "min_p", "repetition_penalty"])
    @pytest.mark.parametrize("value", [-1, 1e9, None, "7", float("nan")])
    def test_numbers_out_of_range_are_named(self, field: str, value: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            to_request(replace(Inputs("x"), **{field: value}))
        assert caught.value.field == field


class TestFigures:
    @pytest.mark.parametrize(
        ("value", "text"), [(None, "–"), (0.0083, "8.3 ms"), (0.412, "412 ms"), (1.256, "1.26 s"), (84.21, "84.2 s")]
    )
    def test_times_have_three_digits_or_so(self, value: float | None, text: str) -> None:
        assert figures.seconds(value) == text

    @pytest.mark.parametrize(
        ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")]
    )
    def test_places_in_the_queue_are_ordinals(self, number: int, text: str) -> None:
        assert figures.ordinal(number) == text

    def test_a_waiting_run_says_its_place(self) -> None:
        shown = figures.live(Snapshot("", GenerationMetrics(state=State.QUEUED, queue_position=2)))
        assert (shown["state"], shown["busy"], shown["tone"]) == ("queued 2nd", "1", "wait")

    def test_a_decoding_run_shows_the_rate_now_and_a_finished_one_the_mean(self) -> None:
        metrics = GenerationMetrics(State.DECODING, tokens_per_second=20.0, tokens_per_second_now=31.0)
        assert figures.live(Snapshot("", metrics))["rate"] == "31.0"
        done = figures.live(Snapshot("", replace(metrics, state=State.DONE), FinishReason.EOS))
        assert (done["rate"], done["rate_label"], done["busy"]) == ("20.0", "tokens/s, mean", "")

    def test_cut_and_cached_prompt_tokens_are_told(self) -> None:
        metrics = GenerationMetrics(prompt_tokens=2000, dropped_prompt_tokens=40, cached_prompt_tokens=1500)
        assert figures.prompt_text(metrics) == "2,000 (1,500 cached, 40 dropped)"

    def test_what_stopping_early_saved_is_told(self) -> None:
        assert figures.saved_text(GenerationMetrics(saved_tokens=391, saved_seconds=9.8)) == "391 tokens, about 9.80 s"
        assert figures.saved_text(GenerationMetrics()) == "–"

    def test_lookup_acceptance_is_a_share(self) -> None:
        assert figures.lookup_text(GenerationMetrics(drafted_tokens=50, accepted_tokens=34)) == "34 of 50 drafts, 68%"

    def test_an_error_is_shown_whole(self) -> None:
        shown = figures.live(
            Snapshot("x", GenerationMetrics(), FinishReason.ERROR, GenerationFailed("The disk is full."))
        )
        assert (shown["state"], shown["note"], shown["tone"]) == ("failed", "The disk is full.", "error")

    def test_the_plot_fills_its_box(self) -> None:
        points, peak = figures.polyline(((1.0, 10.0), (2.0, 40.0), (3.0, 20.0)))
        assert points == "0,36 120,0 240,24"
        assert peak == "peak 40.0 tokens/s"
        assert figures.polyline(((1.0, 10.0),)) == ("", "")

    def test_every_state_of_the_panel_has_the_same_figures(self) -> None:
        shown = figures.live(Snapshot("", GenerationMetrics()))
        for other in (figures.idle(), figures.waiting("loading", "", 1.0), figures.refused("no")):
            assert other.keys() | {"tone", "state"} == shown.keys()

    def test_every_finish_reason_has_words(self) -> None:
        assert figures.REASONS.keys() == set(FinishReason)


def record(prompt: str = "def f():\n", **metrics: Any) -> RunRecord:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    request = GenerationRequest(prompt, seed=5, stop=["\n\n"])
    snapshot = Snapshot("pass", GenerationMetrics(State.DONE, seed=5, **metrics), FinishReason.EOS)
    return RunRecord(1, when, "bundled", request, snapshot)


class TestRuns:
    def test_csv_has_a_line_a_run_with_settings_and_figures(self) -> None:
        rows = list(csv.DictReader(io.StringIO(to_csv([record(ttft_seconds=0.123456789, output_tokens=4)]))))
        assert tuple(rows[0]) == COLUMNS
        assert rows[0]["ttft_seconds"] == "0.123457"
        assert (rows[0]["output_tokens"], rows[0]["seed"], rows[0]["temperature"]) == ("4", "5", "0.2")
        assert rows[0]["prompt"] == "def f():\n"

    @pytest.mark.parametrize("prompt", ["=cmd()", "+1", "-1", "@x"])
    def test_csv_starts_no_formula_in_a_spreadsheet(self, prompt: str) -> None:
        rows = list(csv.DictReader(io.StringIO(to_csv([record(prompt)]))))
        assert rows[0]["prompt"] == "'" + prompt

    def test_the_row_names_the_settings_that_matter(self) -> None:
        row = to_row(record())
        assert "t 0.2 · p 0.95 · 512 · function" in row
        assert "the model ended" in row

    @pytest.mark.parametrize(
        ("prompt", "title"),
        [
            ("import re\n\ndef words(text):\n    '''Doc'''\n", "def words(text):"),
            ("# Sort a list\nitems = ", "Sort a list"),
            ("\n\n", "untitled"),
            ("x" * 99, "x" * 43 + "…"),
        ],
    )
    def test_a_prompt_has_a_title(self, prompt: str, title: str) -> None:
        assert title_of(prompt) == title


class TestPanels:
    def test_the_head_tells_what_is_loaded(self) -> None:
        info = ModelInfo(
            "bundled",
            "CodeGenForCausalLM",
            1024,
            21_000_000,
            8,
            dtype="float32",
            device_name="Xeon",
            memory_bytes=120_000_000,
            load_seconds=1.34,
        )
        shown = model_panel.describe(ModelStatus("bundled", Phase.READY, notice="offline", info=info))
        assert shown["line"] == "bundled · Loaded in 1.3 s"
        assert shown["facts"] == (
            "CodeGenForCausalLM · 21 M parameters · 8 layers · float32 · Xeon · 120 MB taken · context 1,024"
        )
        assert (shown["tone"], shown["notice"]) == ("ready", "offline")

    def test_the_head_tells_how_far_loading_is(self) -> None:
        status = ModelStatus("m", Phase.LOADING, stage="downloading", done=120_000_000, total=480_000_000)
        shown = model_panel.describe(status)
        assert (shown["line"], shown["percent"]) == ("m: downloading, 120 MB of 480 MB", "25%")

    def test_the_head_tells_why_loading_failed(self) -> None:
        shown = model_panel.describe(ModelStatus("m", Phase.FAILED, message="there is no room on the disk."))
        assert shown["notice"] == "m: there is no room on the disk."

    def test_the_box_tells_what_is_known_and_dashes_the_rest(self) -> None:
        stats = EngineStats(active=2, waiting=1, slots=4, tokens_per_second=61.5, memory_used_bytes=1_430_000_000)
        shown = box_panel.describe(ModelInfo("m", "a", 8, device="cpu"), stats)
        assert (shown["device"], shown["memory"], shown["streams"]) == ("cpu", "1.43 GB", "2 of 4")
        assert (shown["queue"], shown["rate"]) == ("1", "61.5")
        assert box_panel.describe(ModelInfo("m", "a", 8), EngineStats())["memory"] == "–"

    def test_the_meter_warns_where_nothing_fits(self) -> None:
        assert meter_value(10, 502, 2048)["new"] == "up to 502 new"
        assert meter_value(600, 0, 2048)["tone"] == "warn"
        assert "the beginning will be dropped" in meter_value(3000, 0, 2048)["new"]
        assert meter_value(None, None, None)["prompt"] == "– prompt tokens"

    def test_what_a_browser_stored_is_not_trusted(self) -> None:
        good = {"title": "t", "prompt": "p", "settings": {}}
        assert sound([good, None, {"title": 3}, {"title": "t", "prompt": "p"}]) == [good]
        assert sound("nonsense") == []
        assert gallery_value((), [good])["saved"][0]["title"] == "t"

    def test_what_a_model_cannot_do_is_greyed_out_with_the_reason(self) -> None:
        info = ModelInfo("m", "a", 1024, unsupported={"min_p": "this server has none"})
        assert limits("min_p", info)["interactive"] is False
        assert limits("min_p", info)["info"] == "this server has none"
        assert limits("max_length", info)["maximum"] == 1024
        assert limits("top_k", info) == gr.skip()


async def updates(streams: Streams, inputs: Inputs, session: str = "s") -> list[Any]:
    return [update async for update in streams.run(inputs, None, session)]


class TestStreams:
    def test_the_lines_grow_and_end_with_the_figures(self) -> None:
        service = serve(FakeEngine(("    return", " 1", "\n"), seconds=0.15))
        seen = asyncio.run(updates(Streams(service, Visitors()), Inputs("def f():\n", stop_at="eos")))
        lengths = [len("".join(lines)) for lines, _ in seen if lines is not None]
        assert lengths == sorted(lengths)
        assert len(set(lengths)) >= 3
        assert seen[-1][1]["state"] == "done"
        assert seen[-1][1]["why"] == "the model ended"

    def test_a_refused_value_is_shown_at_its_field_and_nothing_is_asked(self) -> None:
        engine = FakeEngine()
        seen = asyncio.run(updates(Streams(serve(engine), Visitors()), Inputs("x", seed="no")))
        assert (seen[-1][1]["field"], seen[-1][1]["tone"]) == ("seed", "error")
        assert [lines for lines, _ in seen] == [None], "the last output stays"
        assert engine.requests == []

    def test_a_prompt_is_escaped(self) -> None:
        seen = asyncio.run(updates(Streams(serve(FakeEngine(())), Visitors()), Inputs("<img src=x onerror=a()>")))
        assert "<img" not in "".join(seen[-1][0])

    def test_a_full_queue_is_said_in_words(self) -> None:
        seen = asyncio.run(updates(Streams(serve(FakeEngine(max_active=0)), Visitors()), Inputs("x")))
        assert "queue is full" in seen[-1][1]["note"]

    def test_a_fault_keeps_the_text_so_far(self) -> None:
        seen = asyncio.run(updates(Streams(serve(FakeEngine(fail_after=2)), Visitors()), Inputs("def f():\n")))
        assert "return" in "".join(seen[-1][0])
        assert seen[-1][1]["state"] == "failed"

    def test_a_model_that_cannot_be_had_says_why(self) -> None:
        def load(name: str, progress: object) -> Loaded:
            raise ModelUnavailable(name, "the hub says 404.")

        service = Service(["gone"], load)
        seen = asyncio.run(updates(Streams(service, Visitors()), Inputs("x")))
        assert "the hub says 404" in seen[-1][1]["note"]

    def test_waiting_for_a_model_shows_its_progress_and_then_starts(self) -> None:
        def load(name: str, progress: Callable[[str, int, int | None], None]) -> Loaded:
            progress("reading weights", 1_000_000, 2_000_000)
            time.sleep(0.6)
            return Loaded(FakeEngine())

        seen = asyncio.run(updates(Streams(Service(["late"], load), Visitors()), Inputs("def f():\n")))
        assert any("1 MB of 2 MB" in live["note"] for _, live in seen)
        assert seen[-1][1]["state"] == "done"

    def test_leaving_the_generator_frees_the_slot(self) -> None:
        engine = FakeEngine(("a",) * 1000, seconds=0.05)
        streams = Streams(serve(engine), Visitors())

        async def leave() -> None:
            stream = streams.run(Inputs("x"), None, "s")
            async for _, live in stream:
                if live["state"] == "decoding":
                    break
            await stream.aclose()

        asyncio.run(leave())
        assert engine.generations[0].cancelled.is_set()

    def test_a_closed_tab_stops_its_run(self) -> None:
        engine = FakeEngine(("a",) * 1000, seconds=0.02)
        visitors = Visitors()
        streams = Streams(serve(engine), visitors)

        async def close() -> list[Any]:
            task = asyncio.create_task(updates(streams, Inputs("x"), "tab"))
            while not engine.generations:
                await asyncio.sleep(0.01)
            visitors.leave("tab")
            return await task

        assert asyncio.run(close())[-1][1]["state"] == "stopped"

    def test_a_second_run_of_a_tab_ends_the_first_without_a_word(self) -> None:
        engine = FakeEngine(("a",) * 200, seconds=0.02)
        streams = Streams(serve(engine), Visitors())

        async def twice() -> tuple[list[Any], list[Any]]:
            first = asyncio.create_task(updates(streams, Inputs("x"), "tab"))
            while not engine.generations:
                await asyncio.sleep(0.01)
            second = await updates(streams, Inputs("y", max_length=10), "tab")
            return await first, second

        first, second = asyncio.run(twice())
        assert first[-1] is None
        assert second[-1][1]["state"] == "done"
        assert engine.generations[0].cancelled.is_set()

    def test_pages_are_updated_less_often_when_many_stream(self) -> None:
        assert Pace.among(1) == Pace(look=0.03, show=0.1)
        assert Pace.among(8) == Pace(look=0.08, show=0.32)

    def test_a_run_is_kept_for_the_table_and_for_continue(self) -> None:
        visitors = Visitors()
        asyncio.run(updates(Streams(serve(FakeEngine()), visitors), Inputs("def f():\n"), "tab"))
        tab = visitors.tab("tab")
        assert tab.last_prompt == "def f():\n"
        assert tab.last_text.startswith("    return 1")
        assert [run.number for run in tab.runs] == [1]

    def test_the_table_names_what_really_ran(self) -> None:
        visitors = Visitors()
        service = serve(FakeEngine(), name="asked/for")
        asyncio.run(updates(Streams(service, visitors), Inputs("def f():\n"), "tab"))
        assert visitors.tab("tab").runs[0].model == "fake"


class TestVisitors:
    def test_the_oldest_tabs_are_forgotten(self) -> None:
        visitors = Visitors()
        run = visitors.tab("first").begin()
        for number in range(MAX_TABS):
            visitors.tab(str(number))
        assert run.stopped
        assert visitors.running == 0


def request_of(session: str) -> Any:
    return SimpleNamespace(session_hash=session)


class TestActions:
    def make(self, engine: FakeEngine | None = None) -> Actions:
        examples = (Example("One", "The first.", "def one():\n", {"temperature": 0, "max_length": 512}),)
        return Actions(serve(engine or FakeEngine()), examples, Visitors())

    def test_a_picked_example_fits_the_context(self) -> None:
        event: Any = SimpleNamespace(kind="example", index=0)
        filled = asyncio.run(self.make().pick([], None, event))
        assert filled[:3] == ["def one():\n", 128, 0]

    def go_on(self, engine: FakeEngine, typed: str, max_length: int) -> tuple[Any, Any]:
        """Run "def f():", then continue with `typed` in the editor."""
        service, visitors = serve(engine), Visitors()
        asyncio.run(updates(Streams(service, visitors), Inputs("def f():\n", max_length=max_length), "s"))
        return asyncio.run(Actions(service, (), visitors).go_on(typed, max_length, None, request_of("s")))

    def test_going_on_raises_a_maximum_length_that_is_used_up(self) -> None:
        engine = FakeEngine(("    a = 1\n",) * 50)
        prompt, max_length = self.go_on(engine, "def f():\n", 10)
        assert prompt == "def f():\n" + "    a = 1\n" * 8
        assert max_length == CONTEXT, "the room for going on is more than this engine's context"

    def test_going_on_leaves_a_maximum_length_that_has_room(self) -> None:
        assert self.go_on(FakeEngine(), "def f():\n", 100) == ("def f():\n    return 1\n", gr.skip())

    def test_going_on_keeps_what_was_typed_since(self) -> None:
        assert self.go_on(FakeEngine(), "def g():\n", 100) == ("def g():\n", gr.skip())

    @pytest.mark.parametrize("index", [-1, 1, "0", None])
    def test_an_example_that_is_not_there_changes_nothing(self, index: Any) -> None:
        event: Any = SimpleNamespace(kind="example", index=index)
        assert asyncio.run(self.make().pick([], None, event)) == [gr.skip()] * 10

    def test_a_dumped_example_can_be_dropped_into_the_folder(self) -> None:
        values = ("def two():\n", 512, 0, 0.95, 0, 0, 1, "9", "\\n\\n", "eos")
        file, message = asyncio.run(self.make().dump("Two & more", *values))
        assert file["name"] == "two_more.toml"
        assert message == {"message": ""}
        example = parse_example(file["text"])
        assert (example.title, example.prompt) == ("Two & more", "def two():\n")
        assert example.settings == {"temperature": 0, "seed": 9, "stop": ["\n\n"], "stop_at": "eos"}

    def test_what_would_be_refused_is_not_saved(self) -> None:
        values = ("", 512, 0, 0.95, 0, 0, 1, "", "", "eos")
        saved, message = asyncio.run(self.make().save("t", [], *values))
        assert saved == gr.skip()
        assert message["message"].startswith("Not saved.")

    def test_saving_under_the_same_title_replaces(self) -> None:
        values = ("def two():\n", 512, 0, 0.95, 0, 0, 1, "", "", "eos")
        old = {"title": "t", "prompt": "old", "settings": {}}
        saved, _ = asyncio.run(self.make().save("t", [old], *values))
        assert [kept["prompt"] for kept in saved] == ["def two():\n"]

    def test_the_count_is_a_dash_while_the_model_loads(self) -> None:
        service = Service(["late"], lambda name, progress: Loaded(FakeEngine()))
        actions = Actions(service, (), Visitors())
        assert asyncio.run(actions.count("one two", 512, None))["prompt"] == "– prompt tokens"

    def test_the_count_is_the_engines(self) -> None:
        assert asyncio.run(self.make().count("one two", 100, None))["prompt"] == "2 prompt tokens"
        assert asyncio.run(self.make().count("a \ud800 b", 100, None))["prompt"] == "– prompt tokens"

    def test_stop_without_a_run_does_nothing(self) -> None:
        asyncio.run(self.make().stop(request_of("nobody")))

    @pytest.mark.parametrize(("title", "name"), [("Two sum II", "two_sum_ii"), ("../x", "x"), ("日本", "example")])
    def test_file_names_are_plain(self, title: str, name: str) -> None:
        assert slug(title) == name


class TestPage:
    def test_the_idle_queue_polls_slowly(self) -> None:
        page = build_page(serve(FakeEngine()), ())
        assert page.blocks._queue.sleep_when_free >= 0.01, (
            "gradio moved this: an idle server would burn a tenth of a core"
        )

    def test_only_generate_is_public(self) -> None:
        page = build_page(serve(FakeEngine()), ())
        public = [fn.api_name for fn in page.blocks.fns.values() if fn.api_visibility == "public"]
        assert public == ["generate"]

    def test_the_page_names_no_other_host(self) -> None:
        page = build_page(serve(FakeEngine()), ())
        assert "http" not in page.css
        assert "http" not in page.head
        assert page.theme._stylesheets == []

    def test_the_status_of_a_page_that_opens_is_told_at_once(self) -> None:
        service = serve(FakeEngine())
        wait_until(lambda: service.status().phase is Phase.READY)
        head, box, _ = asyncio.run(Actions(service, (), Visitors()).tick(None))
        assert head["tone"] == "ready"
        assert box["streams"] == "0 of 4"
