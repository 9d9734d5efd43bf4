"""`engine`: our engine alone, by number of streams."""

from __future__ import annotations

import argparse

from codegen_ui.bench.checkpoint import bench_model
from codegen_ui.bench.contenders import Ours, load
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import medians, spread, take_turns

STREAMS = (1, 4, 8, 16)


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    engines = {name: load(model, quantize=name, slots=max(STREAMS)) for name in options.quantize}
    contenders = {name: Ours(engine, options.prompt, options.new) for name, engine in engines.items()}
    cases = {
        f"{name}, {streams}": lambda ours=ours, streams=streams: ours.run(streams)
        for name, ours in contenders.items()
        for streams in STREAMS
    }
    results = take_turns(cases, options.rounds)
    middle = medians(results)
    rows = [
        [name, streams, middle[f"{name}, {streams}"], spread(results[f"{name}, {streams}"])]
        for name in engines
        for streams in STREAMS
    ]
    report.table(
        f"{model.name}: prompt {options.prompt}, {options.new} new tokens, greedy",
        ["weights", "streams", "tokens/s (median)", "range"],
        rows,
    )
    report.figures["tokens_per_second"] = middle
    weights = {name: engine.info.weights_bytes or 0 for name, engine in engines.items()}
    report.figures["weights_bytes"] = weights
    if {"int8", "none"} <= weights.keys():
        report.ratios["int8_memory_over_fp32"] = weights["int8"] / weights["none"]
    for engine in engines.values():
        engine.close()
