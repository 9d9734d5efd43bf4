"""`engine`: our engine alone, by number of streams."""

from __future__ import annotations

import argparse

from codegen_ui.bench.contenders import Ours, bench_model, load
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import measure, median_rates

STREAMS = (1, 4, 8, 16)


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    engines = {name: load(model, quantize=name, slots=max(STREAMS)) for name in options.quantize}
    contenders = {name: Ours(engine, options.prompt) for name, engine in engines.items()}
    rates = measure(contenders, STREAMS, options.new, options.rounds)
    middle = median_rates(rates)
    report.table(
        f"{model.name}: prompt {options.prompt}, {options.new} new tokens, greedy; tokens/s",
        ["weights", "streams", "decode", "range", "prefill included"],
        [
            [name, count, middle[f"{name}, {count}"]["decode"], one.text, middle[f"{name}, {count}"]["whole"]]
            for (name, count), one in rates.items()
        ],
    )
    report.figures["tokens_per_second"] = middle
    weights = {name: engine.info.weights_bytes or 0 for name, engine in engines.items()}
    report.figures["weights_bytes"] = weights
    if {"int8", "none"} <= weights.keys():
        report.ratios["int8_memory_over_fp32"] = weights["int8"] / weights["none"]
    for engine in engines.values():
        engine.close()
