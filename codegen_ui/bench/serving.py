"""`serving`: tokens a second through the page, beside the engine alone.

Visitors are sessions of gradio_client that press Generate: the same handler, queue and updates as a browser's.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from codegen_ui.bench.checkpoint import bench_model
from codegen_ui.bench.contenders import load
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import medians, spread, take_turns
from codegen_ui.bench.server import Server
from codegen_ui.engine.engine import LocalEngine
from codegen_ui.request import GenerationRequest

VISITORS = (1, 8)


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    quantize = options.quantize[-1]
    arguments = ["--model", model.folder, "--slots", str(max(VISITORS)), "--quantize", quantize]
    with (
        load(model, slots=max(VISITORS), quantize=quantize) as engine,
        Server(*arguments, "--no-lookup", "--prefix-cache-mb", "0") as server,
    ):
        prompts = [text_prompt(engine, options.prompt, number) for number in range(max(VISITORS))]
        visitors = [Visitor(server.url) for _ in prompts]
        cases = {}
        for count in VISITORS:
            cases[f"engine, {count}"] = lambda n=count: through_engine(engine, prompts[:n], options.served)
            cases[f"page, {count}"] = lambda n=count: through_page(engine, visitors[:n], prompts, options.served)
        results = take_turns(cases, options.rounds)
        for visitor in visitors:
            visitor.close()
    middle = medians(results)
    report.table(
        f"{model.name}, {quantize}: prompt {options.prompt}, {options.served} new tokens; output tokens/s",
        ["", *(f"{n} visitor{'s' if n > 1 else ''}" for n in VISITORS)],
        [
            [where, *(f"{middle[f'{where}, {n}']:.1f} ({spread(results[f'{where}, {n}'])})" for n in VISITORS)]
            for where in ("engine", "page")
        ],
    )
    report.figures["tokens_per_second"] = middle
    for count in VISITORS:
        report.ratios[f"page_over_engine_{count}"] = middle[f"page, {count}"] / middle[f"engine, {count}"]


class Visitor:
    """A session of the page."""

    def __init__(self, url: str) -> None:
        from gradio_client import Client  # type: ignore[import-untyped]

        self._client = Client(url, verbose=False)
        self._press = generate_index(self._client.config)

    def generate(self, prompt: str, max_length: int) -> None:
        """Press Generate and read every update to the last."""
        values = (prompt, max_length, 0, 1.0, 0, 0.0, 1.0, "1", "", "length", None)
        updates = list(self._client.submit(*values, fn_index=self._press))
        assert updates, "the page sent nothing"

    def close(self) -> None:
        self._client.close()


def generate_index(config: dict[str, Any]) -> int:
    """The handler behind the Generate button: the first generator with the editor and all settings as inputs."""
    for index, dependency in enumerate(config["dependencies"]):
        if dependency["types"]["generator"] and len(dependency["inputs"]) == 11:
            return int(dependency.get("id", index))
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
