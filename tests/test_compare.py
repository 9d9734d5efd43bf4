"""Two runs of one prompt side by side: what tells them apart, and both again at the pace that was measured."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_engine import FakeEngine, serve, wait_until
from visit import PHONE, bundled_page, faults, pick, picture, set_number, tab, until
from web import page_app, running

from codegen_ui.errors import InvalidInput
from codegen_ui.generation import Snapshot
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase
from codegen_ui.ui.inputs import DEFAULTS, Inputs
from codegen_ui.ui.recording import Recording
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.views.compare import Compares, apart, plan
from codegen_ui.ui.views.difference import by_line, by_token, table

SCRIPT = tuple(re.findall(r"\s*\S+", "    total = 0\n    return total\n"))
HOSTILE = ("    x = '<img src=x onerror=window.hit=1>'", "\n    return", " '</pre><script>window.hit=1</script>'\n")
ENDLESS = ("a",) * 1000
INPUTS = Inputs("def f():\n", stop_at="eos")
BOTH: list[dict[str, Any]] = [{"settings": "page"}, {"settings": "Greedy", "lookup": False}]


def two_models(first: FakeEngine, second: FakeEngine) -> Service:
    engines = {"first": first, "second": second}
    service = Service(list(engines), lambda name, progress: Loaded(engines[name]))
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY)
    return service


def compared(service: Service, given: Any = BOTH, *, together: bool = False) -> list[dict[str, Any]]:
    async def collect() -> list[dict[str, Any]]:
        sides = plan(service, INPUTS, None, given, "tab")
        return [value async for value in Compares(service).run("tab", sides, together)]

    return asyncio.run(collect())


class TestRecording:
    def test_every_token_has_the_time_that_the_engine_measured(self) -> None:
        generation = FakeEngine(SCRIPT, seconds=0.01).submit(GenerationRequest("def f():\n"))
        completion = generation.result(10)
        recording = Recording.of(generation)
        pieces = recording.pieces(completion.text)
        assert "".join(text for _, text in pieces) == completion.text
        assert pieces[0][0] == pytest.approx(completion.metrics.ttft_seconds, abs=1e-5)
        measured = [event.time - completion.tokens[0].time for event in completion.tokens]
        assert [seconds - pieces[0][0] for seconds, _ in pieces] == pytest.approx(measured, abs=1e-5)

    def test_one_takes_a_few_bytes_a_token(self) -> None:
        generation = FakeEngine(ENDLESS, context=2048).submit(GenerationRequest("x", max_length=1001, stop_at="length"))
        generation.result(10)
        recording = Recording.of(generation)
        assert recording.seconds.itemsize + recording.lengths.itemsize == 8
        assert len(recording.seconds) == 1000

    def test_a_run_without_a_token_has_none(self) -> None:
        engine = FakeEngine(fail_after=0)
        generation = engine.submit(GenerationRequest("x"))
        wait_until(lambda: generation.ended)
        assert Recording.of(generation).pieces("") == []

    def test_a_tabs_last_run_is_recorded(self) -> None:
        async def run() -> Any:
            sessions = Sessions(serve(FakeEngine(SCRIPT)))
            async for _ in sessions.run("tab", INPUTS, None):
                continue
            session = sessions.find("tab")
            assert session is not None
            assert session.ran is not None
            return session.ran.recording.pieces(session.text), session.text

        pieces, text = asyncio.run(run())
        assert len(pieces) == len(SCRIPT) + 1
        assert "".join(piece for _, piece in pieces) == text


class TestPlan:
    def test_both_draw_with_the_same_seed_and_differ_in_what_was_chosen(self) -> None:
        first, second = plan(serve(FakeEngine()), INPUTS, None, BOTH, "tab")
        assert first.request.seed == second.request.seed is not None
        assert (first.request.temperature, second.request.temperature) == (0.2, 0)
        assert (first.request.lookup, second.request.lookup) == (True, False)
        assert first.request.visitor == "tab"

    def test_settings_that_were_held_are_used_whatever_the_page_has_now(self) -> None:
        held = {**DEFAULTS, "temperature": 1.5, "seed": "9", "stop": "\\n\\n"}
        (first, second) = plan(serve(FakeEngine()), INPUTS, None, [{"settings": held}, {}], "")
        assert (first.request.temperature, first.request.seed, first.request.stop) == (1.5, 9, ("\n\n",))
        assert second.request.temperature == 0.2

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            (None, "sides"),
            ([{}], "sides"),
            ([{}, 3], "sides"),
            ([{}, {"model": "other"}], "model"),
            ([{}, {"model": ["x"]}], "model"),
            ([{}, {"lookup": "on"}], "lookup"),
            ([{}, {"settings": "unheard of"}], "settings"),
            ([{}, {"settings": {"prompt": "x"}}], "settings"),
            ([{}, {"settings": {"temperature": 99}}], "temperature"),
            ([{}, {"settings": {"seed": 5}}], "seed"),
        ],
    )
    def test_what_cannot_be_is_named(self, given: Any, field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            plan(serve(FakeEngine()), INPUTS, None, given, "")
        assert refused.value.field == field

    def test_what_tells_them_apart_is_told(self) -> None:
        service = serve(FakeEngine())
        sides = plan(service, INPUTS, None, BOTH, "")
        assert apart(sides, [service.status()] * 2) == [
            "temperature 0.2 · top-p 0.95 · lookup on",
            "temperature 0 · top-p 1 · lookup off",
        ]
        alike = plan(service, INPUTS, None, [{}, {}], "")
        assert apart(alike, [service.status()] * 2) == ["fake, float32"] * 2


class TestRun:
    def test_one_after_the_other_the_second_waits_for_the_first(self) -> None:
        engine = FakeEngine(SCRIPT, seconds=0.05)
        seen = compared(serve(engine))
        assert "waiting" in {value["sides"][1]["state"] for value in seen}
        first, second = (generation.result(1) for generation in engine.generations)
        assert second.tokens[0].time > first.tokens[-1].time
        assert [side["text"] for side in seen[-1]["sides"]] == ["".join(SCRIPT)] * 2

    def test_together_both_grow_at_the_same_time(self) -> None:
        engine = FakeEngine(SCRIPT, seconds=0.05)
        compared(serve(engine), together=True)
        first, second = (generation.result(1) for generation in engine.generations)
        assert second.tokens[0].time < first.tokens[-1].time

    def test_each_side_may_have_its_own_model(self) -> None:
        service = two_models(FakeEngine(("one\n",)), FakeEngine(("two\n",)))
        last = compared(service, [{"model": "first"}, {"model": "second"}])[-1]
        assert [side["text"] for side in last["sides"]] == ["one\n", "two\n"]
        assert last["same"] == "no"

    def test_the_end_has_recordings_and_the_differences(self) -> None:
        *growing, last = compared(serve(FakeEngine(SCRIPT)))
        assert all("recorded" not in value for value in growing)
        assert ["".join(text for _, text in one["pieces"]) for one in last["recorded"]] == ["".join(SCRIPT)] * 2
        assert last["same"] == "yes"
        assert {kind for kind, _ in last["tokens"]} == {"same"}
        assert [row[0] for row in last["table"]][:2] == ["Time to first token", "Latency"]

    def test_stop_ends_the_one_that_runs_and_the_other_is_not_begun(self) -> None:
        engine = FakeEngine(ENDLESS, seconds=0.02)
        service = serve(engine)
        compares = Compares(service)

        async def stop() -> dict[str, Any]:
            last: dict[str, Any] = {}
            async for last in compares.run("tab", plan(service, INPUTS, None, BOTH, ""), together=False):
                if last["sides"] and last["sides"][0]["text"]:
                    compares.runs.stop("tab")
            return last

        last = asyncio.run(stop())
        assert [side["state"] for side in last["sides"]] == ["stopped", "not run"]
        assert len(engine.generations) == 1
        assert "table" not in last

    def test_leaving_frees_both_slots(self) -> None:
        engine = FakeEngine(ENDLESS, seconds=0.02)
        service = serve(engine)

        async def leave() -> None:
            stream = Compares(service).run("tab", plan(service, INPUTS, None, BOTH, ""), together=True)
            async for value in stream:
                if len(engine.generations) == 2 and value["sides"]:
                    break
            await stream.aclose()

        asyncio.run(leave())
        assert all(generation.cancelled.is_set() for generation in engine.generations)

    def test_a_full_engine_is_told_in_words(self) -> None:
        last = compared(serve(FakeEngine(max_active=0)))[-1]
        assert "0" in last["note"]
        assert last["busy"] == ""


class TestDifference:
    def test_lines_that_are_gone_and_new(self) -> None:
        assert by_line("a\nb\nc", "a\nx\nc") == [("same", "a"), ("gone", "b"), ("new", "x"), ("same", "c")]

    def test_tokens_that_are_gone_and_new(self) -> None:
        found = by_token(["    return", " 1", "\n"], ["    return", " 2", " + 3", "\n"])
        assert found == [("same", "    return"), ("gone", " 1"), ("new", " 2 + 3"), ("same", "\n")]

    def test_both_texts_can_be_read_from_their_difference(self) -> None:
        first, second = ["a", "b"] * 300 + ["c"], ["b", "a"] * 250 + ["d"]
        found = by_token(first, second)
        assert "".join(text for kind, text in found if kind != "new") == "".join(first)
        assert "".join(text for kind, text in found if kind != "gone") == "".join(second)

    def test_long_texts_of_one_token_are_compared_within_a_moment(self) -> None:
        began = time.process_time()
        by_token(["a"] * 2047, ["a"] * 2000 + ["b"] * 47)
        by_token(["a", "b"] * 1023, ["b", "c"] * 1023)
        assert time.process_time() - began < 2

    def test_figures_say_how_much_the_second_differs(self) -> None:
        one = GenerationMetrics(ttft_seconds=0.1, latency_seconds=1.0, tokens_per_second=50, output_tokens=50)
        two = GenerationMetrics(ttft_seconds=0.1, latency_seconds=0.5, tokens_per_second=80, output_tokens=40)
        rows = {row[0]: row[1:] for row in table(Snapshot("", one, FinishReason.EOS), Snapshot("", two))}
        assert rows["Latency"] == ["1.00 s", "500 ms", "−500 ms (0.50×)"]
        assert rows["Output tokens/s"] == ["50.0", "80.0", "1.60×"]
        assert rows["Output tokens"] == ["50", "40", "−10"]
        assert rows["Stopped by"] == ["the model ended", "–", "another"]


@pytest.fixture(scope="module")
def fakes() -> Iterator[str]:
    """The page over two models that write hostile text, one faster than the other."""
    service = two_models(FakeEngine(HOSTILE * 5, seconds=0.02), FakeEngine(HOSTILE * 4, seconds=0.1))
    with running(page_app(service)) as found:
        yield found


PLAY = """() => new Promise((done) => {
  const player = document.querySelector('#cg-compare .cg-player'), seen = [];
  const began = performance.now();
  player.querySelector('[data-act=play]').click();
  const look = () => {
    seen.push({ at: Number(player.dataset.at), since: performance.now() - began,
      text: document.querySelectorAll('#cg-compare .cg-pane pre')[1].textContent });
    if (player.dataset.playing) requestAnimationFrame(look); else done(seen);
  };
  requestAnimationFrame(look);
})"""
"""Plays, and gives what every frame showed."""


def open_panel(page: Any) -> None:
    page.focus("#cg-compare summary")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#cg-compare [data-side=\\'0\\'] [data-c=model]')?.options.length")


def ended(page: Any) -> None:
    until(page, "!document.querySelector('#cg-compare .cg-outcome').hidden")
    until(page, "!document.querySelector('#cg-compare .cg-player').hidden")


def texts(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all("#cg-compare .cg-pane pre", "all => all.map(one => one.textContent)")
    return found


def at(page: Any, name: str = "at") -> float:
    return float(page.get_attribute("#cg-compare .cg-player", f"data-{name}"))


@pytest.mark.browser
class TestPage:
    def test_nothing_of_it_is_loaded_before_it_is_opened(self, browser: Any, address: str) -> None:
        with tab(browser, address) as page:
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            pick(page, "Recursion")
            assert not [url for url in asked if re.search(r"own/(compare|race)", url)]
            open_panel(page)
            assert [url for url in asked if "own/compare.js" in url]

    def test_two_settings_side_by_side_with_what_they_differ_in(self, browser: Any, address: str) -> None:
        with tab(browser, address) as page:
            pick(page, "Binary search")
            open_panel(page)
            set_number(page, "cg-temperature", 1.6)
            page.locator("#cg-seed input, #cg-seed textarea").first.fill("5")
            page.select_option("[data-side='0'] [data-c=settings]", "Greedy")
            page.select_option("[data-side='1'] [data-c=settings]", "page")
            page.click("#cg-compare [data-act=compare]")
            ended(page)
            first, second = texts(page)
            assert first.strip()
            assert second.strip()
            said = page.inner_text("#cg-compare [data-c=same]")
            assert said == ("The texts are the same." if first == second else "The texts differ.")
            for way in ("lines", "tokens"):
                page.check(f"#cg-compare [name=cg-diff][value={way}]")
                parts = page.locator("#cg-compare .cg-diff > :not(ins)")
                kept = "".join(parts.all_text_contents())
                got = re.sub(r"(?m)^(  |− )", "", kept)[:-1] if way == "lines" else kept.replace("⏎\n", "\n")
                assert got == first
            rows = page.eval_on_selector_all("#cg-compare tbody th", "all => all.map(one => one.textContent)")
            assert {"Time to first token", "Latency", "Output tokens/s", "Output tokens", "Stopped by"} <= set(rows)
            picture(page.locator("#cg-compare"), "compare")

    def test_lookup_on_against_off_gives_the_same_text_at_another_time(self, browser: Any, address: str) -> None:
        with tab(browser, address) as page:
            pick(page, "Merge sort")
            open_panel(page)
            page.emulate_media(reduced_motion="reduce")
            page.click("#cg-compare [data-act=lookup]")
            ended(page)
            assert len(set(texts(page))) == 1
            finish = page.inner_text("#cg-compare .cg-finish")
            assert re.match(r"([AB] is first by|A dead heat)", finish)
            assert finish.endswith("The texts are the same.")
            read = "all => all.map(row => [...row.cells].map(one => one.textContent))"
            figures = {row[0]: row for row in page.eval_on_selector_all("#cg-compare tbody tr", read)}
            assert figures["Prompt lookup"][2] == "–", "nothing was drafted where lookup was off"
            assert figures["Output tokens"][3] == "the same"
            assert page.locator("#cg-compare .cg-player .flag").count() == 2
            picture(page.locator("#cg-compare .cg-replay"), "photo_finish")

    def test_the_last_run_can_be_scrubbed_token_by_token(self, browser: Any, address: str) -> None:
        with tab(browser, address) as page:
            pick(page, "Recursion")
            output = int(page.inner_text("#cg-live [data-f=output]"))
            open_panel(page)
            until(page, "!document.querySelector('#cg-compare .cg-player')?.hidden")
            whole = texts(page)[0]
            assert page.evaluate("codegenUI.outputText()").endswith(whole)
            assert f"{output} of {output} tokens" in page.inner_text("#cg-compare output")
            page.focus("#cg-compare input[type=range]")
            page.keyboard.press("Home")
            assert texts(page)[0] == ""
            seen = []
            for _ in range(5):
                page.click("#cg-compare [data-act=next]")
                seen.append((at(page), texts(page)[0]))
            # Where drafts were accepted several tokens share a time, and fewer steps may lead to the end.
            times = sorted({one for one, _ in seen})
            assert [one for one, _ in seen] == times + [at(page, "end")] * (len(seen) - len(times))
            assert all(whole.startswith(text) for _, text in seen)
            assert len(seen[-1][1]) > len(seen[0][1])
            page.focus("#cg-compare input[type=range]")
            page.keyboard.press("End")
            assert texts(page)[0] == whole

    def test_playing_takes_as_long_as_the_run_did(self, browser: Any, fakes: str) -> None:
        with tab(browser, fakes) as page:
            open_panel(page)
            page.fill("#cg-prompt textarea", "def f():\n")
            page.emulate_media(reduced_motion="reduce")
            page.click("#cg-compare [data-act=models]")
            ended(page)
            whole = at(page, "end")
            assert whole > 1
            shown = page.evaluate(PLAY)
            assert [one["at"] for one in shown] == sorted(one["at"] for one in shown)
            # The last frame may come late on a busy machine, but none shows a token before its time.
            assert all(one["at"] <= one["since"] / 1000 + 0.02 for one in shown)
            assert shown[-1]["at"] == pytest.approx(whole)
            assert shown[-1]["since"] / 1000 >= whole - 0.05
            assert len({one["text"] for one in shown}) >= 4, "the slower one is seen to grow"

    def test_what_a_model_writes_stays_text_and_each_side_has_its_model(self, browser: Any, fakes: str) -> None:
        with tab(browser, fakes) as page:
            open_panel(page)
            page.fill("#cg-prompt textarea", "def f():\n")
            page.click("#cg-compare [data-act=models]")
            ended(page)
            page.check("#cg-compare [name=cg-diff][value=tokens]")
            assert "<img src=x" in page.inner_text("#cg-compare .cg-diff")
            assert page.locator("#cg-compare :is(img, script)").count() == 0
            assert page.evaluate("window.hit") is None
            finish = page.inner_text("#cg-compare .cg-finish")
            assert finish.startswith("A is first by")
            assert "Their texts differ" in finish

    def test_float32_is_raced_against_int8_where_both_are_offered(self, browser: Any) -> None:
        with bundled_page(model=("bundled@int8", "bundled@float32")) as address, tab(browser, address) as page:
            pick(page, "Recursion")
            open_panel(page)
            page.emulate_media(reduced_motion="reduce")
            page.click("#cg-compare [data-act=models]")
            ended(page)
            labels = page.locator("#cg-compare .cg-pane [data-c=label]").all_text_contents()
            assert labels == ["bundled, int8", "bundled, float32"]
            assert re.match(r"([AB] is first by|A dead heat)", page.inner_text("#cg-compare .cg-finish"))
            assert all("return" in text for text in texts(page))

    def test_settings_that_are_held_stay_while_the_page_goes_on(self, browser: Any, address: str) -> None:
        with tab(browser, address) as page:
            pick(page, "Binary search")
            page.get_by_role("button", name="Creative", exact=True).click()
            open_panel(page)
            page.click("[data-side='1'] [data-act=hold]")
            until(page, "document.querySelector('[data-side=\\'1\\'] [data-c=settings]').value === 'held'")
            assert "temperature 0.8" in page.inner_text("[data-side='1'] [data-c=held]")
            page.get_by_role("button", name="Greedy", exact=True).click()
            page.check("#cg-compare [value=together]")
            page.click("#cg-compare [data-act=compare]")
            ended(page)
            labels = page.eval_on_selector_all(
                "#cg-compare .cg-pane [data-c=label]", "all => all.map(one => one.textContent)"
            )
            assert "temperature 0 " in labels[0]
            assert "temperature 0.8" in labels[1]

    def test_axe_finds_nothing_serious_while_it_is_open(self, browser: Any, address: str) -> None:
        screens: tuple[dict[str, Any], ...] = ({}, {"viewport": PHONE, "has_touch": True})
        for screen in screens:
            with tab(browser, address, reduced_motion="reduce", **screen) as page:
                pick(page, "Recursion")
                open_panel(page)
                page.click("#cg-compare [data-act=compare]")
                ended(page)
                until(page, "getComputedStyle(document.querySelector('.cg-panes')).display === 'grid'")
                assert faults(page, "#cg-compare") == []
                assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]

    def test_a_phone_and_a_keyboard_are_enough(self, browser: Any, address: str) -> None:
        with tab(browser, address, viewport=PHONE, has_touch=True, reduced_motion="reduce") as page:
            pick(page, "Recursion")
            open_panel(page)

            def tab_to(selector: str) -> None:
                for _ in range(30):
                    page.keyboard.press("Tab")
                    if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                        return
                raise AssertionError(f"no way to {selector} by Tab")

            tab_to("[data-act=lookup]")
            page.keyboard.press("Enter")
            ended(page)
            tab_to("[data-act=back]")
            page.keyboard.press("Enter")
            assert at(page) < at(page, "end")
            tab_to("#cg-compare input[type=range]")
            page.keyboard.press("Home")
            assert at(page) == 0
            tab_to("[name=cg-diff]")
            page.keyboard.press("ArrowRight")
            assert page.get_attribute("#cg-compare .cg-diff", "data-way") == "tokens"
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
