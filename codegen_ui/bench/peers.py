"""`peers`: our engine, transformers and CTranslate2 on the same weights, taking turns."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from codegen_ui.bench.checkpoint import bench_model
from codegen_ui.bench.contenders import Contender, CTranslate2, Generate, Ours, load
from codegen_ui.bench.report import Report
from codegen_ui.bench.rounds import medians, spread, take_turns

STREAMS = (1, 8)


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    engines = {name: load(model, quantize=name, slots=8) for name in ("none", "int8")}
    sizes = (options.prompt, options.new)
    contenders: dict[str, Contender] = {
        "generate fp32": Generate(model, *sizes),
        "CTranslate2 fp32": CTranslate2(model, "float32", *sizes),
        "CTranslate2 int8": CTranslate2(model, "int8", *sizes),
        "ours fp32": Ours(engines["none"], *sizes),
        "ours int8": Ours(engines["int8"], *sizes),
    }
    cases: dict[str, Callable[[], float]] = {
        f"{name}, {streams}": lambda one=one, streams=streams: one.run(streams)  # type: ignore[misc]
        for name, one in contenders.items()
        for streams in STREAMS
    }
    results = take_turns(cases, options.rounds)
    middle = medians(results)
    rows = [
        [name, *(f"{middle[f'{name}, {n}']:.1f} ({spread(results[f'{name}, {n}'])})" for n in STREAMS)]
        for name in contenders
    ]
    report.table(
        f"{model.name}: prompt {options.prompt}, {options.new} new tokens; output tokens/s, prefill included",
        ["", *(f"{n} stream{'s' if n > 1 else ''}" for n in STREAMS)],
        rows,
    )
    report.figures["tokens_per_second"] = middle
    report.ratios |= {
        "int8_1_over_ctranslate2": middle["ours int8, 1"] / middle["CTranslate2 int8, 1"],
        "int8_8_over_ctranslate2": middle["ours int8, 8"] / middle["CTranslate2 int8, 8"],
        "int8_8_over_serial_generate": middle["ours int8, 8"] / middle["generate fp32, 1"],
        "fp32_1_over_generate": middle["ours fp32, 1"] / middle["generate fp32, 1"],
        "fp32_8_over_generate": middle["ours fp32, 8"] / middle["generate fp32, 8"],
        "int8_memory_over_fp32": (engines["int8"].info.weights_bytes or 0) / (engines["none"].info.weights_bytes or 1),
    }
    for engine in engines.values():
        engine.close()
