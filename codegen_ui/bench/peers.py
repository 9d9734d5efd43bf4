"""`peers`: our engine, transformers and CTranslate2 on the same weights, taking turns."""

from __future__ import annotations

import argparse

from codegen_ui.bench.checkpoint import bench_model
from codegen_ui.bench.contenders import Contender, CTranslate2, Generate, Ours, load
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
    model = bench_model(options.model)
    engines = {name: load(model, quantize=name, slots=8) for name in ("none", "int8")}
    contenders: dict[str, Contender] = {
        "generate fp32": Generate(model, options.prompt),
        "CTranslate2 fp32": CTranslate2(model, "float32", options.prompt),
        "CTranslate2 int8": CTranslate2(model, "int8", options.prompt),
        "ours fp32": Ours(engines["none"], options.prompt),
        "ours int8": Ours(engines["int8"], options.prompt),
    }
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
    weights = {name: engine.info.weights_bytes or 0 for name, engine in engines.items()}
    report.ratios["int8_memory_over_fp32"] = weights["int8"] / weights["none"]
    for engine in engines.values():
        engine.close()
