"""Measure a checkpoint: `python -m codegen_ui.bundled.evaluate`. The last line of output is one JSON object.

Generated programs run only here, each in a sandbox (see sandbox.py).
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import lzma
import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from codegen_ui import Engine, GenerationRequest
from codegen_ui.bundled import CHECKPOINT_DIR, DEFAULT_WORK
from codegen_ui.bundled.completion import complete, load, tokens_per_second
from codegen_ui.bundled.ngram import ByteNgram
from codegen_ui.bundled.overlap import LONG_RUN, SHORT_RUN, shared_runs, words_in
from codegen_ui.bundled.sandbox import Outcome, network_namespace, run_program
from codegen_ui.bundled.store import read_documents
from codegen_ui.bundled.suite import SuiteTask, load_suite
from codegen_ui.engine.threads import in_own_thread
from codegen_ui.gallery import load_gallery

PARTS = ("textbook", "real")
SAMPLE_TEMPERATURE = 0.8
NEW_TOKENS = 256


def model_bits(folder: Path, texts: list[str], batch: int = 16) -> float:
    """Code length of the texts under the checkpoint in transformers' own class, in bits; each text on its own."""
    from transformers import CodeGenForCausalLM

    from codegen_ui.bundled.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder)
    model = CodeGenForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    start = tokenizer.eos_token_id
    rows = sorted((torch.tensor([start, *tokenizer(text)["input_ids"]])[:1024] for text in texts), key=len)
    nats = 0.0
    with torch.inference_mode():
        for first in tqdm(range(0, len(rows), batch), desc="bits per byte"):
            # padding comes after the text, where causal attention does not look; its targets are ignored
            ids = pad_sequence(rows[first : first + batch], batch_first=True, padding_value=-1)
            logits = model(ids[:, :-1].clamp(min=0)).logits
            targets = ids[:, 1:].flatten()
            nats += float(cross_entropy(logits.flatten(0, 1), targets, ignore_index=-1, reduction="sum"))
    return nats / math.log(2)


def compressed_bits(texts: list[str]) -> dict[str, float]:
    """Bits that xz and gzip need for all texts as one."""
    whole = "".join(texts).encode()
    return {
        "xz": 8 * len(lzma.compress(whole, preset=9 | lzma.PRESET_EXTREME)),
        "gzip": 8 * len(gzip.compress(whole, 9)),
    }


def take(path: Path, characters: int, longest: int = 2400) -> list[str]:
    """Documents from the head of a file, none longer than what the model is scored on at once."""
    texts = []
    for text in read_documents(path):
        if characters < 0:
            break
        if len(text) <= longest:
            characters -= len(text)
            texts.append(text)
    return texts


def compression(folder: Path, work: Path, characters: int) -> dict[str, float]:
    """Bits per byte of each held-out part and of both together, for the model and for the floors."""
    ngram = ByteNgram()
    ngram.train(text.encode() for part in PARTS for text in take(work / f"{part}.train.jsonl", 15 * characters))
    bits: dict[str, dict[str, float]] = {}
    sizes: dict[str, int] = {}
    for part in PARTS:
        texts = take(work / f"{part}.heldout.jsonl", characters)
        sizes[part] = sum(len(text.encode()) for text in texts)
        bits[part] = {
            "model": in_own_thread(partial(model_bits, folder, texts)),  # its threads would slow the engine below
            "ngram": sum(ngram.bits(text.encode()) for text in tqdm(texts, desc="n-gram")),
            **compressed_bits(texts),
        }
    names = {
        "model": "bits_per_byte",
        "ngram": "ngram_bits_per_byte",
        "xz": "xz_bits_per_byte",
        "gzip": "gzip_bits_per_byte",
    }
    figures = {key: sum(bits[part][name] for part in PARTS) / sum(sizes.values()) for name, key in names.items()}
    for part in PARTS:
        figures |= {f"{key}_{part}": bits[part][name] / sizes[part] for name, key in names.items()}
    return figures


def parses(text: str) -> bool:
    """Whether it is a whole Python program."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def gallery_parse_rate(engine: Engine, folder: Path, seeds: int = 4) -> float:
    """Share of gallery completions that parse: each with its own settings, and with the paper's under several seeds."""
    prompts, requests = [], []
    for example in load_gallery(folder):
        variants: list[dict[str, Any]] = [dict(example.settings)]
        variants += [{**example.settings, "temperature": 0.2, "top_p": 0.95, "seed": seed} for seed in range(seeds)]
        for settings in variants:
            prompts.append(example.prompt)
            requests.append(GenerationRequest(example.prompt, **settings))
    if not requests:
        raise ValueError(f"no examples in {folder}")
    # English in front of code is, to the model, the inside of a docstring that began before it.
    good = [
        parses(prompt + text) or parses(f'"""\n{prompt}{text}')
        for prompt, text in zip(prompts, complete(engine, requests), strict=True)
    ]
    for prompt, fine in zip(prompts, good, strict=True):
        if not fine:
            print(f"does not parse: {prompt.strip().splitlines()[0]}")
    return sum(good) / len(good)


def run_all(tasks: list[SuiteTask], completions: list[str]) -> list[Outcome]:
    """Run every task's program, two at a time."""
    prefix = network_namespace()
    if not prefix:
        print("no network namespace to be had here: sockets are refused inside the process only")

    def run(pair: tuple[SuiteTask, str]) -> Outcome:
        imports = "import numpy" if "import numpy" in pair[0].prompt else ""
        return run_program(pair[0].program(pair[1]), prefix=prefix, imports=imports)

    with ThreadPoolExecutor(2) as pool:
        return list(tqdm(pool.map(run, zip(tasks, completions, strict=True)), total=len(tasks), desc="programs"))


def pass_rates(engine: Engine, tasks: list[SuiteTask], samples: int, show: bool) -> dict[str, float]:
    """pass@1 greedy on both splits, and on the main one the share of tasks that one of `samples` solves."""
    greedy = complete(engine, [GenerationRequest(t.prompt, max_new_tokens=NEW_TOKENS, temperature=0) for t in tasks])
    outcomes = run_all(tasks, greedy)
    for task, text, outcome in zip(tasks, greedy, outcomes, strict=True):
        split = " (held out)" if task.held_out else ""
        print(f"{'pass' if outcome.passed else 'FAIL'} {task.name}{split}: {outcome.reason}")
        if show and not outcome.passed:
            print(task.prompt + text)
    main = [task for task in tasks if not task.held_out]
    many = [task for task in main for _ in range(samples)]
    requests = [
        GenerationRequest(
            task.prompt, max_new_tokens=NEW_TOKENS, temperature=SAMPLE_TEMPERATURE, top_p=0.95, seed=index % samples
        )
        for index, task in enumerate(many)
    ]
    sampled = run_all(many, complete(engine, requests))
    solved = [any(o.passed for o in sampled[i * samples : (i + 1) * samples]) for i in range(len(main))]
    return {
        "pass_at_1": share(o.passed for o, t in zip(outcomes, tasks, strict=True) if not t.held_out),
        "pass_at_1_heldout": share(o.passed for o, t in zip(outcomes, tasks, strict=True) if t.held_out),
        f"pass_at_{samples}": share(solved),
        "pass_at_1_sampled": share(o.passed for o in sampled),
    }


def share(values: Any) -> float:
    """The fraction of true values."""
    every = [bool(value) for value in values]
    return sum(every) / len(every)


def report_overlap(work: Path, tasks: list[SuiteTask], examples: Path) -> dict[str, float]:
    """Print how far suite and gallery occur in the training text."""
    texts = [text for part in PARTS for text in read_documents(work / f"{part}.train.jsonl")]
    figures: dict[str, float] = {}
    prompts = {
        "suite": [task.prompt for task in tasks],
        "gallery": [example.prompt for example in load_gallery(examples)],
        "held-out tasks": [task.prompt for task in tasks if task.held_out],
    }
    for name, guarded in prompts.items():
        for length in (5, SHORT_RUN, LONG_RUN):
            found, every = shared_runs(texts, guarded, length)
            print(f"overlap, {name}: {found} of {every} runs of {length} words occur in the training text")
            figures[f"{name} {length}"] = found
    names = [word for task in tasks if task.held_out for word in task.prompt.partition("(")[0].split()[-1:]]
    print(
        f"function names of held-out tasks that occur in the training text: {sorted(words_in(texts, names)) or 'none'}"
    )
    return figures


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT_DIR)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="where the corpus is")
    parser.add_argument("--examples", type=Path, default=Path("examples"), help="the gallery's folder")
    parser.add_argument("--characters", type=int, default=200_000, help="held-out text a part")
    parser.add_argument("--samples", type=int, default=10, help="samples a task; pass@10 needs ten")
    parser.add_argument("--show", action="store_true", help="print the completions that failed")
    parser.add_argument("--out", type=Path, help="also write the figures to this file, for the model card")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    tasks = load_suite()
    figures: dict[str, float] = {}
    if (options.work / "textbook.train.jsonl").exists():
        report_overlap(options.work, tasks, options.examples)
        figures |= compression(options.checkpoint, options.work, options.characters)
    else:
        print(f"no corpus in {options.work}: overlap and bits per byte are left out")
    plain = load(options.checkpoint, lookup=False)
    try:
        figures["tokens_per_second"] = tokens_per_second(plain, [task.prompt for task in tasks[:5]])
    finally:
        plain.close()
    engine = load(options.checkpoint)
    try:
        figures["gallery_parse_rate"] = gallery_parse_rate(engine, options.examples)
        figures |= pass_rates(engine, tasks, options.samples, options.show)
    finally:
        engine.close()
    figures = {key: round(value, 4) for key, value in figures.items()}
    for key, value in figures.items():
        print(f"{key:32} {value:10.4f}")
    print(f"measured in {time.monotonic() - began:.0f} s")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
