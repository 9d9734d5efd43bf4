"""`serving`: tokens a second through the page, beside the engine alone.

Visitors press Generate: the same handler, queue and updates as in a browser, which would draw them on another machine.
"""

from __future__ import annotations

import argparse
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from codegen_ui.bench.app_process import AppProcess
from codegen_ui.bench.contenders import bench_model, load
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import medians, spread, take_turns
from codegen_ui.engine.host import LocalEngine
from codegen_ui.request import GenerationRequest
from codegen_ui.ui.inputs import Inputs


def run(options: argparse.Namespace, report: Report) -> None:
    model, counts = bench_model(options.model), sorted(options.visitors)
    quantize = options.quantize[-1]
    arguments = ["--model", model.folder, "--slots", str(counts[-1]), "--quantize", quantize]
    with (
        load(model, slots=counts[-1], quantize=quantize) as engine,
        AppProcess(*arguments, "--no-lookup", "--prefix-cache-mb", "0") as server,
    ):
        prompts = [text_prompt(engine, options.prompt, number) for number in range(counts[-1])]
        visitors = [Visitor(server.url) for _ in prompts]
        cases = {}
        for count in counts:
            cases[f"engine, {count}"] = lambda n=count: through_engine(engine, prompts[:n], options.served)
            cases[f"page, {count}"] = lambda n=count: through_page(engine, visitors[:n], prompts, options.served)
        results = take_turns(cases, options.rounds)
        for visitor in visitors:
            visitor.close()
    middle = medians(results)
    report.table(
        f"{model.name}, {quantize}: prompt {options.prompt}, {options.served} new tokens; output tokens/s",
        ["", *(f"{n} visitor{'s' if n > 1 else ''}" for n in counts)],
        [
            [where, *(f"{middle[f'{where}, {n}']:.1f} ({spread(results[f'{where}, {n}'])})" for n in counts)]
            for where in ("engine", "page")
        ],
    )
    report.figures["tokens_per_second"] = middle
    for count in counts:
        report.ratios[f"page_over_engine_{count}"] = middle[f"page, {count}"] / middle[f"engine, {count}"]


class Visitor:
    """A session of the page, speaking with the server as the page's own script does."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/gradio_api", timeout=None)
        self._session = secrets.token_hex(6)
        config = httpx.get(f"{url}/config").raise_for_status().json()
        self._press = generate_index(config)

    def generate(self, prompt: str, max_length: int) -> None:
        """Press Generate and read every update to the last. Raises `RuntimeError` where the page reports a failure."""
        held = Inputs(prompt, max_length=max_length, temperature=0, top_p=1.0, seed="1", stop_at="length")
        press = {"data": [*held.values(), None], "fn_index": self._press, "session_hash": self._session}
        self._http.post("/queue/join", json=press).raise_for_status()
        with self._http.stream("GET", "/queue/data", params={"session_hash": self._session}) as events:
            last = ""
            for line in events.iter_lines():
                if '"msg":"process_generating"' in line:
                    last = line
                elif '"msg":"process_completed"' in line:
                    if '"success":true' not in line or not last:
                        raise RuntimeError(f"the page failed: {line[:300]}")
                    return
        raise RuntimeError("the page's stream ended early")

    def close(self) -> None:
        self._http.close()


def generate_index(config: dict[str, Any]) -> int:
    """The handler behind the Generate button, which takes the editor, all settings and the model's name.

    Raises `RuntimeError` where the page has none that takes so many.
    """
    names = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    click = (names.get("cg-generate"), "click")
    for dependency in config["dependencies"]:
        pressed = click in map(tuple, dependency["targets"])
        if pressed and dependency["types"]["generator"] and len(dependency["inputs"]) == len(Inputs().values()) + 1:
            return int(dependency["id"])
    raise RuntimeError("the page has no Generate handler as this benchmark knows it")


def text_prompt(engine: LocalEngine, tokens: int, number: int) -> str:
    """A comment of about `tokens` tokens, another for each number."""
    text = f"# {number}: "
    while engine.count_tokens(text) < tokens:
        text += "abc"[len(text) % 3]
    return text


def through_engine(engine: LocalEngine, prompts: list[str], new_tokens: int) -> float:
    requests = [
        GenerationRequest(p, max_length=length(engine, p, new_tokens), temperature=0, top_p=1.0, stop_at="length")
        for p in prompts
    ]
    begin = time.perf_counter()
    running = [engine.submit(request) for request in requests]
    tokens = sum(len(one.result().token_ids) for one in running)
    return tokens / (time.perf_counter() - begin)


def through_page(engine: LocalEngine, visitors: list[Visitor], prompts: list[str], new_tokens: int) -> float:
    lengths = [length(engine, prompt, new_tokens) for prompt in prompts]
    with ThreadPoolExecutor(len(visitors)) as pool:
        begin = time.perf_counter()
        jobs = [
            pool.submit(visitor.generate, prompt, most)
            for visitor, prompt, most in zip(visitors, prompts, lengths, strict=False)
        ]
        for job in jobs:
            job.result()
        seconds = time.perf_counter() - begin
    return len(visitors) * new_tokens / seconds


def length(engine: LocalEngine, prompt: str, new_tokens: int) -> int:
    return engine.count_tokens(prompt) + new_tokens
