"""View code: every program runs and gives the page's own tokens where that is promised."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from visit import ROOT, bundled_page, pick, tab, until

from codegen_ui.gallery import Example, load_gallery
from codegen_ui.generation import ModelInfo
from codegen_ui.request import GenerationRequest
from codegen_ui.ui.views.snippets import Told, literal, write

EXAMPLES = {example.title: example for example in load_gallery(ROOT / "examples")}
FLOAT32 = ModelInfo("bundled", "CodeGenForCausalLM", 2048, dtype="float32")
INT8 = replace(FLOAT32, quantize="int8")
GREEDY = GenerationRequest("def f(a):\n", temperature=0, max_length=64)
TOLD = Told("bundled", FLOAT32, "http://127.0.0.1:1/", allowance=59, tokens=12, seed=5)


class TestWords:
    def test_what_holds_for_the_tokens_is_said(self) -> None:
        assert "token for token" in write(GREEDY, TOLD)["transformers"]
        assert "tokens may differ" in write(GREEDY, replace(TOLD, info=INT8))["transformers"]
        sampled = replace(GREEDY, temperature=0.8)
        assert "another sample" in write(sampled, TOLD)["transformers"]
        assert "Not run yet" in write(GREEDY, replace(TOLD, tokens=None))["transformers"]

    def test_only_what_is_unusual_is_sent(self) -> None:
        body = write(replace(GREEDY, top_k=5), TOLD)["curl"]
        assert '"top_k": 5' in body
        assert "min_p" not in body
        assert "seed" not in body
        assert '"seed": 5' in write(replace(GREEDY, temperature=1), TOLD)["curl"]

    @pytest.mark.parametrize(
        "prompt",
        ["x", "a\nb\n", 'def f():\n    """Doc."""\n', "it's\n'''\"\"\"\n", "back\\slash\n", "\ttab\n\0", "é\n'"],
    )
    def test_a_prompt_as_source_is_that_prompt(self, prompt: str) -> None:
        assert eval(literal(prompt)) == prompt

    @pytest.mark.parametrize("prompt", ["'; rm -rf x\n", "END\n$(id)\n`id`\n", '"""\n' + "'''\n\\\n"])
    def test_every_program_parses_whatever_the_prompt(self, prompt: str) -> None:
        found = write(replace(GREEDY, prompt=prompt, stop=("'", '"\n')), TOLD)
        for name in ("transformers", "openai", "gradio_client"):
            compile(found[name], name, "exec")
        body = found["curl"].split("<<'END'\n")[1].rsplit("\nEND\n")[0]
        assert json.loads(body)["prompt"] == prompt


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with bundled_page(quantize="none", dtype="float32") as found:
        yield found


Written = list[tuple[dict[str, str], dict[str, Any]]]


@pytest.fixture(scope="module")
def written(address: str) -> Written:
    """The programs of two examples, each with what this very server makes of it."""
    return [programs_of(EXAMPLES[title], address) for title in ("Binary search", "Two Sum II")]


def programs_of(example: Example, address: str) -> tuple[dict[str, str], dict[str, Any]]:
    wanted = GenerationRequest(example.prompt, **example.settings)
    counted = httpx.post(f"{address}/tokenize", json={"prompt": example.prompt}).json()["count"]
    allowance = wanted.max_length - counted
    body = {"prompt": example.prompt, "max_tokens": allowance, "temperature": 0, "stop_at": "function"}
    answer = httpx.post(f"{address}/v1/completions", json={**body, "return_token_ids": True}, timeout=60).json()
    choice: dict[str, Any] = answer["choices"][0]
    told = Told("bundled", FLOAT32, f"{address}/", allowance, tokens=len(choice["token_ids"]), seed=1)
    return write(wanted, told), choice


def run(program: list[str], source: str) -> str:
    done = subprocess.run(program, input=source, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


END = "-- end of a program --"


def run_all(written: Written, name: str, then: str = "") -> list[str]:
    """What each program of a kind prints, with `then` as its last line; all in one process, which imports once."""
    sources = [f"{snippets[name]}{then}\nprint({END!r})\n" for snippets, _ in written]
    return run([sys.executable, "-"], "".join(sources)).split(f"{END}\n")[:-1]


class TestPrograms:
    def test_transformers_alone_gives_the_same_tokens(self, written: Written) -> None:
        said = run_all(written, "transformers", "print(output[0, ids.shape[1] :].tolist())")
        for out, (_, choice) in zip(said, written, strict=True):
            text, _, ids = out.rstrip("\n").rpartition("\n")
            assert json.loads(ids) == choice["token_ids"]
            assert text.startswith(choice["text"].rstrip("\n"))

    def test_curl_gives_the_same_tokens(self, written: Written) -> None:
        for snippets, choice in written:
            answer = json.loads(run(["bash", "-s"], snippets["curl"]))
            assert answer["choices"][0]["token_ids"] == choice["token_ids"]

    def test_the_openai_client_gives_the_same_tokens(self, written: Written) -> None:
        said = run_all(written, "openai", "print(completion.choices[0].token_ids)")
        for out, (_, choice) in zip(said, written, strict=True):
            text, _, ids = out.rstrip("\n").rpartition("\n")
            assert json.loads(ids) == choice["token_ids"]
            assert text.rstrip("\n") == choice["text"].rstrip("\n")

    def test_gradio_client_gives_the_same_text(self, written: Written) -> None:
        for out, (_, choice) in zip(run_all(written, "gradio_client"), written, strict=True):
            assert choice["text"] in out


@pytest.mark.browser
def test_the_page_shows_the_programs_of_the_last_run(browser: Any, address: str) -> None:
    with tab(browser, address) as page:
        pick(page, "Binary search")
        tokens = page.inner_text("#cg-live [data-f=output]")
        page.focus("#cg-code summary")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#cg-code pre')?.textContent.includes('generate(')")
        shown = page.text_content("#cg-code pre")
        assert f"max_new_tokens={tokens}" in shown
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        assert f"curl -sS {address}/v1/completions" in page.text_content("#cg-code pre")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert 'api_name="/generate"' in page.text_content("#cg-code pre").replace("'", '"')
