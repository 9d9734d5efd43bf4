"""Second looks at a run: its tokens and what else was likely, branches from there, and the tail that was spared."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from fake_engine import FakeEngine, serve
from visit import PHONE, pick, picture, tab, until

from codegen_ui.errors import InvalidInput
from codegen_ui.request import GenerationRequest
from codegen_ui.ui.inputs import Inputs
from codegen_ui.ui.sessions import Sessions
from codegen_ui.ui.views.again import Again, branch_request

SCRIPT = tuple(re.findall(r"\s*\S+", "    return 1\n\n\ndef g():\n    return 2\n"))
INPUTS = Inputs("def f():\n")


def looked(engine: FakeEngine, inputs: Inputs = INPUTS, first: Inputs | None = INPUTS) -> list[dict[str, Any]]:
    """What the tail shows after a run of `first`."""

    async def look() -> list[dict[str, Any]]:
        service = serve(engine)
        sessions = Sessions(service)
        if first is not None:
            async for _ in sessions.run("tab", first, None):
                continue
        return [value async for value in Again(service, sessions).tail("tab", inputs, None)]

    return asyncio.run(look())


class TestTail:
    def test_it_is_what_follows_the_end_with_its_tokens_and_its_time(self) -> None:
        last = looked(FakeEngine(SCRIPT))[-1]
        assert last["text"].strip() == "def g():\n    return 2"
        assert re.fullmatch(r"\d+ tokens in \d[\d.]* [mμn]?s", last["cost"])
        assert last["busy"] == ""

    def test_the_run_is_repeated_with_the_seed_that_it_drew(self) -> None:
        engine = FakeEngine(SCRIPT)
        looked(engine)
        first, second = engine.requests
        assert first.seed is None
        assert second.seed == 7
        assert second == replace(first, seed=7, stop_at="eos")

    @pytest.mark.parametrize("first", [None, Inputs("def other():\n")])
    def test_without_that_run_there_is_no_tail(self, first: Inputs | None) -> None:
        assert "Generate something first" in looked(FakeEngine(SCRIPT), first=first)[-1]["note"]

    def test_where_the_model_ended_itself_nothing_was_spared(self) -> None:
        engine = FakeEngine(("    return", " 1", "\n"))
        assert "Nothing was spared" in looked(engine)[-1]["note"]
        assert len(engine.requests) == 1


class TestTokens:
    def test_a_token_has_its_probability_and_five_others(self) -> None:
        async def look() -> Any:
            service = serve(FakeEngine(SCRIPT))
            stream = Again(service, Sessions(service)).tokens("tab", GenerationRequest("def f():\n"), None)
            return [update async for update in stream][-1]

        ids, tokens, _ = asyncio.run(look())
        assert len(ids) == 2
        assert tokens[0]["p"] == pytest.approx(0.7788)
        assert [one["text"] for one in tokens[0]["top"]] == ["alt0", "alt1", "alt2", "alt3", "alt4"]

    @pytest.mark.parametrize("ids", [None, "abc", [], [1] * 2048, ["x"], [-1], [1.5]])
    def test_ids_that_are_none_are_refused(self, ids: Any) -> None:
        with pytest.raises(InvalidInput):
            branch_request(GenerationRequest("x"), ids)


def words(page: Any) -> str:
    return "".join(page.eval_on_selector_all("#cg-tokens .cg-tokens button", "all => all.map(one => one.textContent)"))


def rested(page: Any) -> None:
    until(page, "document.querySelector('#cg-tokens [data-busy]')?.dataset.busy === ''")
    until(page, "document.querySelectorAll('#cg-tokens .cg-tokens button').length > 3")


@pytest.mark.browser
class TestPage:
    def test_the_tail_is_struck_through_and_no_part_of_the_output(self, page: Any) -> None:
        pick(page, "Binary search")
        page.fill("#cg-stop-strings textarea", "return")
        page.click("#cg-generate")
        until(page, "document.querySelector('#cg-live [data-f=why]').textContent === 'stop string'")
        before = page.evaluate("codegenUI.outputText()")
        page.click("#cg-tail summary")
        until(page, "document.querySelector('#cg-tail [data-busy]')?.dataset.busy === ''")
        assert page.evaluate("codegenUI.outputText()") == before
        note = page.inner_text("#cg-tail .cg-note")
        tail = page.text_content("#cg-tail del")
        assert re.fullmatch(r"[\d,]+ tokens in [\d.]+ m?s, all of it spared", note)
        assert tail.startswith("return")

    def test_tokens_are_tinted_and_another_choice_branches_from_there(self, page: Any) -> None:
        pick(page, "Binary search")
        page.click("#cg-tokens summary")
        rested(page)
        completion = page.evaluate("codegenUI.outputText()").removeprefix(page.input_value("#cg-prompt textarea"))
        assert words(page).replace("⏎", "").startswith(completion.rstrip("\n"))
        tops = page.eval_on_selector_all("#cg-tokens .cg-tokens button", "all => all.map(one => one.offsetTop)")
        assert len(set(tops)) >= completion.rstrip("\n").count("\n") + 1, "a line of code is a line of tokens"
        tokens = page.eval_on_selector_all("#cg-tokens .cg-tokens button", "all => all.map(one => ({...one.dataset}))")
        assert len({token["shade"] for token in tokens}) >= 2
        guess = min(range(len(tokens)), key=lambda at: float(tokens[at]["p"]))
        page.click(f"#cg-tokens .cg-tokens button[data-at='{guess}']")
        choices = page.locator("#cg-tokens .cg-choices button:not(:disabled)")
        assert choices.count() == 5, "four others, and Close"
        before = words(page)
        choices.first.click()
        until(page, "document.querySelectorAll('#cg-tokens .cg-tree button').length === 2")
        rested(page)
        assert words(page) != before
        picture(page.locator("#cg-tokens"), "tokens")
        page.click("#cg-tokens .cg-tree button[data-branch='0']")
        assert words(page) == before

    def test_the_tokens_need_no_mouse_and_fit_a_phone(self, browser: Any, address: str) -> None:
        with tab(browser, address, viewport=PHONE, has_touch=True) as page:
            pick(page, "Recursion")
            page.focus("#cg-tokens summary")
            page.keyboard.press("Enter")
            rested(page)
            page.keyboard.press("Tab")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            assert page.evaluate("document.activeElement.dataset.at") == "2"
            page.keyboard.press("Enter")
            page.keyboard.press("Enter")
            until(page, "document.querySelectorAll('#cg-tokens .cg-tree button').length === 2")
            rested(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
