"""Where a step's time goes: `python -m codegen_ui.bench.profile_step --quantize int8 --streams 8`.

Random weights in the 350M shape; prints PyTorch's own table of operators, the costliest first, and the step's time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import torch
from torch.profiler import ProfilerActivity, profile

from codegen_ui.engine.decoders import load_decoder
from codegen_ui.engine.model.config import SIZES, shape_of
from codegen_ui.engine.model.layout import Segment
from codegen_ui.engine.model.weights import RandomWeights


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m codegen_ui.bench.profile_step", description=__doc__)
    parser.add_argument("--shape", choices=SIZES, default="350M")
    parser.add_argument("--quantize", choices=("none", "int8"), default="int8")
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=1, help="new tokens of each stream in a step (default: 1)")
    parser.add_argument("--context", type=int, default=96, help="tokens that each stream has already (default: 96)")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args(arguments)
    config = shape_of(options.shape)
    cpu = torch.device("cpu")
    model = load_decoder(config, RandomWeights(config), device=cpu, dtype=torch.float32, quantize=options.quantize)
    cache = model.new_cache(options.streams)
    for slot in range(options.streams):
        model.step([Segment(slot, 0, [1] * options.context, logits=0)], cache)
    segments = [Segment(slot, options.context, [1] * options.tokens) for slot in range(options.streams)]
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        model.step(segments, cache)
        times.append(time.perf_counter() - start)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(options.steps):
            model.step(segments, cache)
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=60))
    print(f"step: median {statistics.median(times) * 1e3:.1f} ms, least {min(times) * 1e3:.1f} ms")
    print(f"weights: {model.weights_bytes / 1e6:.0f} MB, KV cache: {cache.bytes_per_token} bytes a token")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
