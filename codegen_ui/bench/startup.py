"""`startup`: from the command to the page, and to the model."""

from __future__ import annotations

import argparse
import statistics

from codegen_ui.bench.app_process import AppProcess
from codegen_ui.bench.contenders import bench_model
from codegen_ui.bench.report import Report, say
from codegen_ui.bench.rounds import spread


def run(options: argparse.Namespace, report: Report) -> None:
    rows = []
    for name in dict.fromkeys(["bundled", options.model]):
        model = bench_model(name)
        page, ready = [], []
        for number in range(options.rounds):
            with AppProcess("--model", model.folder, "--quantize", options.quantize[-1]) as server:
                page.append(server.page_seconds)
                ready.append(server.ready_seconds)
            say(f"{model.name}, {number + 1} of {options.rounds}: page {page[-1]:.1f} s, model {ready[-1]:.1f} s")
        for what, times in (("page answers", page), ("model is ready", ready)):
            rows.append([model.name, what, statistics.median(times), spread(times)])
            report.figures[f"{name}: {what}, seconds"] = statistics.median(times)
    report.table("Seconds from `python app.py`", ["model", "until", "median", "range"], rows)
