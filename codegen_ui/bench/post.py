"""`post`: the blog post's four prompts one after another, beside its own figures; the same table as on the page."""

from __future__ import annotations

import argparse
from contextlib import closing

import codegen_ui
from codegen_ui.bench.report import Report, say
from codegen_ui.post import (
    COLUMNS,
    HEADINGS,
    PRINTED,
    SOURCE,
    PostRun,
    cells,
    post_examples,
    post_request,
    remarks,
    to_csv,
    to_svg,
    values,
    what_ran,
)


def run(options: argparse.Namespace, report: Report) -> None:
    runs = []
    with closing(codegen_ui.load(options.model, quantize=options.quantize[-1])) as engine:
        for example, printed in zip(post_examples(), PRINTED, strict=True):
            say(example.title)
            asked = post_request(example, engine.info.context, as_the_post_did=options.as_the_post_did)
            result = engine.submit(asked).result()
            runs.append(PostRun(example.title, printed, result.metrics, result.finish_reason))
        info = engine.info
    report.table(f"Here: {what_ran(info)}; {SOURCE}", HEADINGS, [cells(one) for one in runs])
    print("\n".join(remarks(runs)))
    report.figures["post"] = [dict(zip(COLUMNS, values(one, info), strict=True)) for one in runs]
    if options.csv:
        options.csv.write_text(to_csv(runs, info), "utf-8", newline="")
    if options.svg:
        options.svg.write_text(to_svg(runs, info), "utf-8")
