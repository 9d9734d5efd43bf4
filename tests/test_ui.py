"""The page's parts that need no browser: inputs, figures, runs, streams and handlers."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from fake_engine import FakeEngine, serve, wait_until
from web import page_app, running

from codegen_ui.errors import GenerationFailed, InvalidInput
from codegen_ui.gallery import Example, parse_example
from codegen_ui.generation import EngineStats, ModelInfo, Snapshot
from codegen_ui.metrics import GenerationMetrics, State
from codegen_ui.request import FinishReason, GenerationRequest, page_settings
from codegen_ui.service import Loaded, Service
from codegen_ui.status import ModelStatus, Phase
from codegen_ui.ui import figures
from codegen_ui.ui.inputs import (
    Inputs,
    escape,
    from_settings,
    parse_stop,
    parse_typed,
    to_request,
    to_settings,
    unescape,
)
from codegen_ui.ui.page import build_page
from codegen_ui.ui.panels import box_panel, model_panel
from codegen_ui.ui.panels.box_panel import BoxPanel, TurnPanel
from codegen_ui.ui.panels.gallery_panel import GalleryPanel, KeepPanel, gallery_value, slug, sound
from codegen_ui.ui.panels.model_panel import ModelPanel
from codegen_ui.ui.panels.prompt_panel import PromptPanel, meter_value
from codegen_ui.ui.panels.records_panel import COLUMNS, Record, make_record, title_of, to_csv
from codegen_ui.ui.panels.settings_panel import limits
from codegen_ui.ui.sessions import Sessions

SETTINGS = {one.name: one for one in page_settings()}
SEED = SETTINGS["seed"]


class TestInputs:
    def test_an_empty_seed_and_the_word_random_mean_a_new_one(self) -> None:
        assert parse_typed(SEED, "") is parse_typed(SEED, None) is parse_typed(SEED, " Random ") is None
        assert parse_typed(SEED, " 42 ") == 42

    @pytest.mark.parametrize("typed", ["4.2", "-1", "abc", "9" * 19, "٣"])
    def test_a_seed_that_is_no_number_names_its_field(self, typed: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            parse_typed(SEED, typed)
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
            to_request(Inputs("x", **{field: value}))
        assert caught.value.field == field


class TestFigures:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "–"), (0.0083, "8.30 ms"), (0.412, "412 ms"), (1.256, "1.26 s"), (84.21, "84.2 s"), (1250, "1,250 s")],
    )
    def test_times_have_three_digits_or_so(self, value: float | None, text: str) -> None:
        assert figures.seconds(value) == text

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
        assert len({reason.words for reason in FinishReason}) == len(FinishReason)


def record(prompt: str = "def f():\n", **metrics: Any) -> Record:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    request = GenerationRequest(prompt, seed=5, stop=["\n\n"])
    snapshot = Snapshot("pass", GenerationMetrics(State.DONE, seed=5, **metrics), FinishReason.EOS)
    return make_record(1, when, "bundled", request, snapshot)


class TestRecords:
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
        row = record().row
        assert "t 0.2 · p 0.95 · 512 · function" in row
        assert "the model ended" in row

    @pytest.mark.parametrize(
        ("prompt", "title"),
        [
            ("import re\n\ndef words(text):\n    '''Doc'''\n", "def words(text):"),
            ("# Sort a list\nitems = ", "Sort a list"),
            ("\n\n", "untitled"),
            ("x" * 99, "x" * 43 + "…"),
            ("x = 1\n" * 5_000 + "def last(a):\n    return a\n", "def last(a):"),
            ("# Many lines\n" + "\n" * 200_000, "Many lines"),
        ],
        ids=["function", "comment", "nothing", "long line", "far down", "many lines"],
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
            "CodeGenForCausalLM · 21 M parameters · 8 layers · float32 · Xeon · 120.0 MB taken · context 1,024"
        )
        assert (shown["tone"], shown["notice"]) == ("ready", "offline")

    def test_the_head_tells_how_far_loading_is(self) -> None:
        status = ModelStatus("m", Phase.LOADING, stage="downloading", done=120_000_000, total=480_000_000)
        shown = model_panel.describe(status)
        assert (shown["line"], shown["percent"]) == ("m: downloading, 120.0 MB of 480.0 MB", "25%")

    def test_the_head_tells_why_loading_failed(self) -> None:
        shown = model_panel.describe(ModelStatus("m", Phase.FAILED, message="there is no room on the disk."))
        assert shown["notice"] == "m: there is no room on the disk."

    def test_the_box_tells_what_is_known_and_dashes_the_rest(self) -> None:
        stats = EngineStats(active=2, waiting=1, slots=4, tokens_per_second=61.5, memory_used_bytes=1_430_000_000)
        shown = box_panel.describe(ModelInfo("m", "a", 8, device="cpu"), stats)
        assert (shown["device"], shown["memory"], shown["streams"]) == ("cpu", "1.4 GB", "2 of 4")
        assert (shown["queue"], shown["rate"]) == ("1", "61.5")
        assert shown["exactness"] == ""
        info = ModelInfo("m", "a", 8, dtype="float32", quantize="int8", device="cpu", batch_invariant=True)
        assert box_panel.describe(info, stats)["exactness"].startswith("int8: close to transformers")
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
        (kept,) = gallery_value((), [good])["groups"]
        assert kept["chips"] == [{"kind": "saved", "index": 0, "title": "t", "description": "Saved in this browser"}]

    def test_examples_stand_in_their_groups_and_keep_their_place_in_the_whole(self) -> None:
        examples = [Example(title, "d", "p", {}, group) for title, group in (("a", "X"), ("b", ""), ("c", "X"))]
        groups = gallery_value(examples, [])["groups"]
        shown = [(group["name"], [(chip["title"], chip["index"]) for chip in group["chips"]]) for group in groups]
        assert shown == [("X", [("a", 0), ("c", 2)]), ("", [("b", 1)])]

    def test_what_a_model_cannot_do_is_greyed_out_with_the_reason(self) -> None:
        info = ModelInfo("m", "a", 1024, unsupported={"min_p": "this server has none"})
        assert limits(SETTINGS["min_p"], info)["interactive"] is False
        assert limits(SETTINGS["min_p"], info)["info"] == "this server has none"
        assert limits(SETTINGS["top_k"], info)["interactive"] is True

    def test_a_models_limits_go_with_it(self) -> None:
        short, long = ModelInfo("m", "a", 1024), ModelInfo("n", "a", 2048)
        assert limits(SETTINGS["max_length"], short, 2000) == gr.update(interactive=True, maximum=1024, value=1024)
        assert limits(SETTINGS["max_length"], short, 512) == gr.update(interactive=True, maximum=1024)
        assert limits(SETTINGS["max_length"], long, 1024) == gr.update(interactive=True, maximum=2048)
        assert limits(SETTINGS["max_length"], None, 1024) == gr.update(interactive=True, maximum=2048)


def prompt_panel(service: Service) -> PromptPanel:
    return PromptPanel(service, Sessions(service))


class TestGallery:
    def make(self, engine: FakeEngine | None = None) -> GalleryPanel:
        examples = (Example("One", "The first.", "def one():\n", {"temperature": 0, "max_length": 512}),)
        return GalleryPanel(serve(engine or FakeEngine()), examples)

    def test_a_picked_example_fits_the_context(self) -> None:
        event: Any = SimpleNamespace(kind="example", index=0)
        filled = asyncio.run(self.make().pick([], None, event))
        assert filled[:3] == ["def one():\n", 128, 0]

    @pytest.mark.parametrize("index", [-1, 1, "0", None])
    def test_an_example_that_is_not_there_changes_nothing(self, index: Any) -> None:
        event: Any = SimpleNamespace(kind="example", index=index)
        assert asyncio.run(self.make().pick([], None, event)) == [gr.skip()] * len(kept("", ""))

    def test_an_examples_checks_come_with_it_and_one_saved_by_an_earlier_version_has_none(self) -> None:
        saved = {"title": "t", "prompt": "def two():\n", "settings": {}}
        event: Any = SimpleNamespace(kind="saved", index=0)
        assert asyncio.run(self.make().pick([saved], None, event))[-1] == ""
        assert asyncio.run(self.make().pick([{**saved, "checks": ["two() == 2", 3]}], None, event))[-1] == "two() == 2"


def kept(prompt: str, checks: str = "", **settings: Any) -> list[Any]:
    """What the widgets hold of which an example is made: greedy, to the model's own end."""
    return [*Inputs(prompt, temperature=0, stop_at="eos", **settings).values(), checks]


class TestKeep:
    def test_a_dumped_example_can_be_dropped_into_the_folder(self) -> None:
        values = kept("def two():\n", "two() == 2\n# a note\n\n two() > 1 ", seed="9", stop="\\n\\n")
        file, message = asyncio.run(KeepPanel().dump("Two & more", *values))
        assert file["name"] == "two_more.toml"
        assert message == {"message": ""}
        example = parse_example(file["text"])
        assert (example.title, example.prompt) == ("Two & more", "def two():\n")
        assert example.settings == {"temperature": 0, "seed": 9, "stop": ["\n\n"], "stop_at": "eos"}
        assert list(example.checks) == ["two() == 2", "two() > 1"]

    def test_what_would_be_refused_is_not_saved(self) -> None:
        saved, message = asyncio.run(KeepPanel().save("t", [], *kept("")))
        assert saved == gr.skip()
        assert message["message"].startswith("Not saved.")

    def test_saving_under_the_same_title_replaces(self) -> None:
        old = {"title": "t", "prompt": "old", "settings": {}}
        saved, _ = asyncio.run(KeepPanel().save("t", [old], *kept("def two():\n")))
        assert [one["prompt"] for one in saved] == ["def two():\n"]

    @pytest.mark.parametrize(("title", "name"), [("Two sum II", "two_sum_ii"), ("../x", "x"), ("日本", "example")])
    def test_file_names_are_plain(self, title: str, name: str) -> None:
        assert slug(title) == name


class TestCount:
    def test_the_count_is_a_dash_while_the_model_loads(self) -> None:
        service = Service(["late"], lambda name, progress: Loaded(FakeEngine()))
        assert asyncio.run(prompt_panel(service).count("one two", 512, None))["prompt"] == "– prompt tokens"

    def test_the_count_is_the_engines(self) -> None:
        assert asyncio.run(prompt_panel(serve(FakeEngine())).count("one two", 100, None))["prompt"] == "2 prompt tokens"
        assert (
            asyncio.run(prompt_panel(serve(FakeEngine())).count("a \ud800 b", 100, None))["prompt"] == "– prompt tokens"
        )


class TestPage:
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
        with gr.Blocks() as blocks:
            model, panel, turn = ModelPanel(service), BoxPanel(service), TurnPanel(service)
            model.wire(blocks, panel, turn)
        head, box, _, _ = asyncio.run(model.show(None))
        assert head["tone"] == "ready"
        assert box["streams"] == "0 of 4"

    def test_an_idle_server_lets_the_processor_sleep(self) -> None:
        before = least_share()
        service = serve(FakeEngine())
        with running(page_app(service)) as address:
            httpx.get(f"{address}/config")
            assert least_share() - before < 0.02, "Gradio alone takes 3 to 10% of a core"


def least_share() -> float:
    """How much of a core this process uses in its calmest moment: servers of other tests may be idle beside."""
    return min(processor_share(0.5) for _ in range(4))


def processor_share(seconds: float) -> float:
    """How much of a core this process uses while the test sleeps."""
    begin, used = time.monotonic(), time.process_time()
    time.sleep(seconds)
    return (time.process_time() - used) / (time.monotonic() - begin)
