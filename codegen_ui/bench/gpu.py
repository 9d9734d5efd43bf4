"""`gpu`: our engine on a GPU, eager and with CUDA graphs, beside transformers' `generate`, all in fp16.

`generate` once with its cache as it comes, and once with a static one and compiled; static batches of it meet as many
streams. Beside tokens a second: the share of what the memory's bandwidth allows one stream, which reads all weights for
each token, and the time to the first token of a long prompt.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from codegen_ui.bench.contenders import Generate, bench_model, make_ours
from codegen_ui.bench.report import Report, say
from codegen_ui.bench.rounds import Apart, Contender, measure, median_rates

DYNAMIC, STATIC = "generate", "generate, static and compiled"
EAGER, GRAPHS = "ours", "ours, CUDA graphs"
LONG_PROMPT = 1500


def run(options: argparse.Namespace, report: Report) -> None:
    """Raises `SystemExit` where there is no GPU: on a CPU these figures would mean nothing."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("bench gpu: PyTorch finds no GPU of CUDA or ROCm here")
    model, prompt, streams = bench_model(options.model), options.prompt, sorted(options.streams)
    theirs = {"device": "cuda", "dtype": "float16"}
    ours = {"device": "cuda", "dtype": "float16", "slots": streams[-1]}
    makers: dict[str, Callable[[], AbstractContextManager[Contender]]] = {
        DYNAMIC: partial(Apart, partial(Generate, model, prompt, **theirs), ours=False),
        STATIC: partial(Apart, partial(Generate, model, prompt, cache="static", **theirs), ours=False),
        EAGER: partial(Apart, partial(make_ours, model, prompt, cuda_graphs="off", **ours), ours=True),
        GRAPHS: partial(Apart, partial(make_ours, model, prompt, cuda_graphs="on", **ours), ours=True),
    }
    makers = {name: make for name, make in makers.items() if not options.only or name in options.only}
    with ExitStack() as stack:
        contenders: dict[str, Contender] = {name: stack.enter_context(make()) for name, make in makers.items()}
        rates = measure(contenders, streams, options.new, options.rounds)
        first = {name: first_token(one, options.rounds) for name, one in contenders.items()}
        here = [one for name, one in contenders.items() if name in (EAGER, GRAPHS) and isinstance(one, Apart)]
        weights = here[0].ask("weights_bytes") if here else 0
    middle = median_rates(rates)
    header = ["", *(f"{n} stream{'s' if n > 1 else ''}" for n in streams), f"first of {LONG_PROMPT}, ms"]
    report.table(
        f"{model.name}, fp16: prompt {prompt}, {options.new} new tokens, greedy; decode tokens/s",
        header,
        [[name, *(rates[name, n].text for n in streams), first[name] * 1000] for name in contenders],
    )
    report.figures |= {"tokens_per_second": middle, "first_token_seconds": first, "weights_bytes": weights}
    if DYNAMIC in contenders and GRAPHS in contenders:
        serial = middle[f"{DYNAMIC}, {streams[0]}"]["decode"]
        report.ratios["gpu_1_over_generate"] = middle[f"{GRAPHS}, {streams[0]}"]["decode"] / serial
        report.ratios["gpu_most_over_serial_generate"] = middle[f"{GRAPHS}, {streams[-1]}"]["decode"] / serial
    if GRAPHS in contenders and streams[0] == 1:
        bandwidth = options.bandwidth * 1e9 if options.bandwidth else copy_bandwidth()
        report.figures["bandwidth_bytes_per_second"] = bandwidth
        report.ratios["gpu_1_share_of_bandwidth"] = middle[f"{GRAPHS}, 1"]["decode"] * weights / bandwidth


def first_token(one: Contender, rounds: int) -> float:
    """Seconds to the only token of a long prompt, the median."""
    say("time to the first token")
    one.seconds(1, 1, LONG_PROMPT)
    return statistics.median(one.seconds(1, 1, LONG_PROMPT) for _ in range(rounds))


def copy_bandwidth(size: int = 2**32, copies: int = 10) -> float:
    """Bytes a second of a large copy on this GPU, read and written: what the memory gives, not what is printed."""
    import torch

    source = torch.empty(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(copies):
        target.copy_(source)
    torch.cuda.synchronize()
    return 2 * copies * size / (time.perf_counter() - begin)
