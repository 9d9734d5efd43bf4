"""`scaling`: tokens a second as context, streams and model grow; a table and a plot."""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

from codegen_ui.bench.contenders import BenchModel, Ours, bench_model, load, load_weights
from codegen_ui.bench.report import Report, say
from codegen_ui.bench.rounds import measure
from codegen_ui.engine.threads import in_own_thread

CONTEXTS = (64, 128, 256, 512, 1024, 2000)
STREAMS = (1, 2, 4, 8, 16)
STEPS = 8


def run(options: argparse.Namespace, report: Report) -> None:
    context: dict[str, list[float]] = {}
    streams: dict[str, list[float]] = {}
    for given in options.models:
        name, _, only = given.partition("=")
        model = bench_model(name)
        for quantize in [only] if only else options.quantize:
            label = f"{model.name}, {'int8' if quantize == 'int8' else 'fp32'}"
            say(label)
            context[label] = in_own_thread(partial(by_context, model, quantize, options.rounds))
            streams[label] = by_streams(model, quantize, options)
    report.table("Decode tokens/s of one stream, by context length", ["", *map(str, CONTEXTS)], rows_of(context))
    report.table(
        f"Decode tokens/s of all streams, prompt {options.prompt}, {options.new} new tokens, by streams",
        ["", *map(str, STREAMS)],
        rows_of(streams),
    )
    report.figures |= {"contexts": CONTEXTS, "by_context": context, "streams": STREAMS, "by_streams": streams}
    plot(context, streams, options.plot)
    say(f"plot: {options.plot}")


def rows_of(figures: dict[str, list[float]]) -> list[list[object]]:
    return [[label, *values] for label, values in figures.items()]


def by_context(model: BenchModel, quantize: str, rounds: int) -> list[float]:
    """Steps of one stream with that many tokens before it; the cache's content does not matter to the time."""
    from codegen_ui.engine.model.decoder import Segment

    weights = load_weights(model, quantize)
    cache = weights.new_cache(1)

    def rate(start: int) -> float:
        begin = time.perf_counter()
        for step in range(STEPS):
            weights.step([Segment(0, start + step, [0], 1)], cache).argmax(-1).tolist()
        return STEPS / (time.perf_counter() - begin)

    lengths = [min(length, cache.length - STEPS) for length in CONTEXTS]
    results = [[rate(length) for length in lengths] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*results, strict=True)]


def by_streams(model: BenchModel, quantize: str, options: argparse.Namespace) -> list[float]:
    with load(model, quantize=quantize, slots=max(STREAMS)) as engine:
        rates = measure({"": Ours(engine, options.prompt)}, STREAMS, options.new, options.rounds)
    return [statistics.median(rates["", streams].decode) for streams in STREAMS]


def plot(context: dict[str, list[float]], streams: dict[str, list[float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for axes, figures, ticks, title in (
        (left, context, CONTEXTS, "tokens in the context, one stream"),
        (right, streams, STREAMS, "streams at once"),
    ):
        for label, values in figures.items():
            axes.plot(ticks, values, marker="o", label=label)
        axes.set(xscale="log", xlabel=title, ylabel="decode tokens/s", ylim=(0, None))
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    left.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
