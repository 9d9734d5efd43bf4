"""`peers`: our engine, transformers and CTranslate2 on the same weights, taking turns, each in its own process."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

from codegen_ui.bench.apart import Apart
from codegen_ui.bench.checkpoint import BenchModel, bench_model
from codegen_ui.bench.contenders import Contender, CTranslate2, Generate, converted, make_ours
from codegen_ui.bench.rates import measure, median_rates
from codegen_ui.bench.report import Report

STREAMS = (1, 8)
RATIOS = {
    "int8_1_over_ctranslate2": ("ours int8, 1", "CTranslate2 int8, 1"),
    "int8_8_over_ctranslate2": ("ours int8, 8", "CTranslate2 int8, 8"),
    "int8_8_over_serial_generate": ("ours int8, 8", "generate fp32, 1"),
    "fp32_1_over_generate": ("ours fp32, 1", "generate fp32, 1"),
    "fp32_8_over_generate": ("ours fp32, 8", "generate fp32, 8"),
}


def run(options: argparse.Namespace, report: Report) -> None:
    model, prompt = bench_model(options.model), options.prompt
    converted(model)
    peers: dict[str, Callable[[], Contender]] = {
        "generate fp32": partial(Generate, model, prompt),
        "CTranslate2 fp32": partial(CTranslate2, model, "float32", prompt),
        "CTranslate2 int8": partial(CTranslate2, model, "int8", prompt),
    }
    ours: dict[str, Callable[[], Contender]] = {
        f"ours {name}": partial(make_ours, model, prompt, quantize=quantize, slots=max(STREAMS))
        for name, quantize in (("fp32", "none"), ("int8", "int8"))
    }
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(Apart(make, ours=name in ours)) for name, make in (peers | ours).items()
        }
        compare(contenders, model, options, report)
        weights = {name: contenders[name].ask("weights_bytes") for name in ours}
    report.ratios["int8_memory_over_fp32"] = weights["ours int8"] / weights["ours fp32"]


def compare(
    contenders: Mapping[str, Contender], model: BenchModel, options: argparse.Namespace, report: Report
) -> None:
    rates = measure(contenders, STREAMS, options.new, options.rounds)
    middle = median_rates(rates)
    header = ["", *(f"{n} stream{'s' if n > 1 else ''}" for n in STREAMS)]
    setting = f"{model.name}: prompt {options.prompt}, {options.new} new tokens"
    report.table(
        f"{setting}; decode tokens/s",
        header,
        [[name, *(rates[name, n].text for n in STREAMS)] for name in contenders],
    )
    report.table(
        f"{setting}; output tokens/s, prefill included",
        header,
        [[name, *(middle[f"{name}, {n}"]["whole"] for n in STREAMS)] for name in contenders],
    )
    report.figures["tokens_per_second"] = middle
    for name, (ours, theirs) in RATIOS.items():
        report.ratios[name] = middle[ours]["decode"] / middle[theirs]["decode"]
    report.figures["ratios_prefill_included"] = {
        name: round(middle[ours]["whole"] / middle[theirs]["whole"], 4) for name, (ours, theirs) in RATIOS.items()
    }
