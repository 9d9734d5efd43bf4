"""`peers`: our engine and others on the same weights, taking turns, each in its own process.

The others are transformers' `generate`, CTranslate2 and, where `--openvino` names the Python of an environment that has
it, OpenVINO, whose packages do not go with ours. All meet 1 and 8 streams; those with 8-bit weights 16, and 8 with a
long prompt, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from codegen_ui.bench.contenders import (
    BenchModel,
    CTranslate2,
    Generate,
    bench_model,
    checked,
    converted,
    make_ours,
    random_prompts,
)
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import Apart, Contender, Rates, measure, median_rates

OURS = ("ours fp32", "ours int8")
STREAMS, MANY, LONG_PROMPT = (1, 8), 16, 900
RATIOS = {
    "int8_1_over_openvino": ("ours int8, 1", "OpenVINO int8, 1"),
    "int8_8_over_openvino": ("ours int8, 8", "OpenVINO int8, 8"),
    "int8_16_over_openvino": ("ours int8, 16", "OpenVINO int8, 16"),
    "int8_8_long_over_openvino": ("ours int8, 8 long", "OpenVINO int8, 8 long"),
    "int8_1_over_ctranslate2": ("ours int8, 1", "CTranslate2 int8, 1"),
    "int8_8_over_ctranslate2": ("ours int8, 8", "CTranslate2 int8, 8"),
    "int8_8_over_serial_generate": ("ours int8, 8", "generate fp32, 1"),
    "fp32_1_over_generate": ("ours fp32, 1", "generate fp32, 1"),
    "fp32_8_over_generate": ("ours fp32, 8", "generate fp32, 8"),
}


def run(options: argparse.Namespace, report: Report) -> None:
    model, prompt = bench_model(options.model), options.prompt
    makers: dict[str, Callable[[], AbstractContextManager[Contender]]] = {
        "generate fp32": partial(Apart, partial(Generate, model, prompt), ours=False),
        "CTranslate2 fp32": partial(Apart, partial(CTranslate2, model, "float32", prompt), ours=False),
        "CTranslate2 int8": partial(Apart, partial(CTranslate2, model, "int8", prompt), ours=False),
    }
    if options.openvino:
        makers["OpenVINO int8"] = partial(OpenVINO, model, prompt, options.openvino)
    for name, quantize in (("fp32", "none"), ("int8", "int8")):
        ours = partial(make_ours, model, prompt, quantize=quantize, slots=MANY)
        makers[f"ours {name}"] = partial(Apart, ours, ours=True)
    if options.only:
        makers = {name: make for name, make in makers.items() if name in options.only}
    if any(name.startswith("CTranslate2") for name in makers):
        converted(model)
    with ExitStack() as stack:
        contenders: dict[str, Contender] = {name: stack.enter_context(make()) for name, make in makers.items()}
        compare(contenders, model, options, report)
        ours_here = [(name, one) for name, one in contenders.items() if name in OURS and isinstance(one, Apart)]
        weights = {name: one.ask("weights_bytes") for name, one in ours_here}
    if {"ours int8", "ours fp32"} <= weights.keys():
        report.ratios["int8_memory_over_fp32"] = weights["ours int8"] / weights["ours fp32"]


def compare(
    contenders: Mapping[str, Contender], model: BenchModel, options: argparse.Namespace, report: Report
) -> None:
    int8 = {name: one for name, one in contenders.items() if name.endswith("int8")}
    rates = measure(contenders, STREAMS, options.new, options.rounds)
    rates |= measure(int8, (MANY,), options.new, options.rounds)
    long = measure(int8, (max(STREAMS),), options.new, options.rounds, LONG_PROMPT)
    middle = median_rates(rates) | {f"{key} long": one for key, one in median_rates(long).items()}
    columns = [*STREAMS, MANY]
    header = ["", *(f"{n} stream{'s' if n > 1 else ''}" for n in columns), f"{max(STREAMS)}, prompt {LONG_PROMPT}"]
    setting = f"{model.name}: prompt {options.prompt}, {options.new} new tokens"

    def row(name: str, text: Callable[[Rates], object]) -> list[object]:
        found = [rates.get((name, n)) for n in columns] + [long.get((name, max(STREAMS)))]
        return [name, *("" if one is None else text(one) for one in found)]

    report.table(f"{setting}; decode tokens/s", header, [row(name, lambda one: one.text) for name in contenders])
    whole = [row(name, lambda one: statistics.median(one.whole)) for name in contenders]
    report.table(f"{setting}; output tokens/s, prefill included", header, whole)
    report.figures["tokens_per_second"] = middle
    here = {name: pair for name, pair in RATIOS.items() if middle.keys() >= set(pair)}
    for name, (ours, theirs) in here.items():
        report.ratios[name] = middle[ours]["decode"] / middle[theirs]["decode"]
    report.figures["ratios_prefill_included"] = {
        name: round(middle[ours]["whole"] / middle[theirs]["whole"], 4) for name, (ours, theirs) in here.items()
    }


class OpenVINO:
    """A process of another environment, with int8 weights, activations quantised in groups of 64, a static batch, as
    many threads as PyTorch.

    A context manager. Raises `RuntimeError` where the other process ends.

    Args:
        python: the interpreter of an environment with `requirements-openvino.txt`.
    """

    def __init__(self, model: BenchModel, prompt_tokens: int, python: str) -> None:
        import torch

        script = Path(__file__).with_name("openvino_process.py")
        folder = f"{model.folder.rstrip('/')}-openvino-int8"
        threads = str(torch.get_num_threads())
        # -I: neither this folder nor this environment is any of its business.
        command = [python, "-I", str(script), model.folder, folder, threads]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._prompt = prompt_tokens
        self._reply()

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        prompts = random_prompts(streams, prompt_tokens or self._prompt, ids=256)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"prompts": prompts, "new_tokens": new_tokens}) + "\n")
        self._process.stdin.flush()
        reply = self._reply()
        return checked(reply["seconds"], reply["tokens"], streams * new_tokens)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> OpenVINO:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"OpenVINO's process ended with {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply
