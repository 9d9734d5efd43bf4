"""`exactness`: how far each way of computing is from float32, and from itself in company.

- Greedy completions of held-out code and of the saved examples: the share whose first 64 and 256 tokens are float32's,
  and of float32's own the share that transformers gives (its best token after every one of ours).
- Perplexity on held-out code, against float32's.
- Logits of the same tokens computed alone and together with seven other streams, prompts of other lengths among them.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import codegen_ui.bundled
from codegen_ui.bench.contenders import BenchModel, bench_model, greedy, load
from codegen_ui.bench.report import Report, say
from codegen_ui.checkpoints import open_checkpoint
from codegen_ui.engine.decoders import Decoder
from codegen_ui.engine.model.layout import Segment
from codegen_ui.gallery import load_gallery
from codegen_ui.loading import check_options, load_model
from codegen_ui.options import shipped_examples

HELD_OUT = Path(codegen_ui.bundled.__file__).parent / "heldout" / "real.jsonl"
KINDS = {
    "float32": {"dtype": "float32", "quantize": "none"},
    "int8": {"dtype": "float32", "quantize": "int8"},
    "bfloat16": {"dtype": "bfloat16", "quantize": "none"},
    "float16": {"dtype": "float16", "quantize": "none"},
}
SHORT, LONG = 64, 256
STREAMS, DECODED = 8, 24
TEXT = 400
"""Tokens of a held-out text that are scored."""


@dataclass
class Company:
    """What became of logits computed together with others."""

    rows: int = 0
    other_bits: int = 0
    other_best: int = 0
    differences: list[float] = field(default_factory=list)

    def add(self, alone: Tensor, together: Tensor) -> None:
        """A stream's logits, `[vocab_size]` each."""
        self.rows += 1
        self.other_bits += not torch.equal(alone, together)
        self.other_best += int(alone.argmax()) != int(together.argmax())
        self.differences.append(float((alone - together).abs().max()))


def run(options: argparse.Namespace, report: Report) -> None:
    model = bench_model(options.model)
    with closing(load(model, quantize="none", dtype="float32", slots=1)) as engine:
        documents = [engine.encode(text)[:TEXT] for text in held_out()]
        examples = [engine.encode(example.prompt) for example in load_gallery(shipped_examples())]
    texts = [text for text in documents if len(text) > STREAMS * 4][: options.texts]
    prompts = [*examples, *(text[: len(text) // 4] for text in texts)][: options.prompts]
    rows, completions, perplexities = [], {}, {}
    for kind in options.kinds:
        say(f"{kind}: {len(prompts)} completions")
        completions[kind] = complete(model, kind, prompts)
        decoder = open_decoder(model, kind)
        say(f"{kind}: perplexity, and logits in company")
        perplexities[kind] = perplexity(decoder, texts)
        company = in_company(decoder, texts, options.rounds)
        rows.append([kind, *differences(company)])
        report.figures[kind] = {
            "perplexity": perplexities[kind],
            "rows": company.rows,
            "rows_with_other_bits": company.other_bits,
            "rows_with_another_best_token": company.other_best,
            "largest_logit_difference": max(company.differences),
        }
    report.table(
        f"{model.name}: logits together with {STREAMS - 1} other streams, against alone",
        ["", "rows", "with other bits", "with another best token", "median difference", "largest"],
        rows,
    )
    exact = completions.get("float32") or complete(model, "float32", prompts)
    base = perplexities.get("float32") or perplexity(open_decoder(model, "float32"), texts)
    named = {"float32": transformers_agrees(model, prompts, exact)}
    named |= {kind: agreements(made, exact) for kind, made in completions.items() if kind != "float32"}
    growth = {kind: perplexities.get(kind, base) / base - 1 for kind in named}
    report.table(
        f"{model.name}: {len(prompts)} greedy completions and {sum(map(len, texts)):,} tokens of held-out code",
        ["", f"first {SHORT} tokens agree", f"first {LONG} agree", "perplexity grows by", "compared with"],
        [
            [
                kind,
                f"{short:.1%}",
                f"{long:.1%}",
                f"{growth[kind]:.3%}",
                "transformers" if kind == "float32" else "float32",
            ]
            for kind, (short, long) in named.items()
        ],
    )
    for kind, (short, long) in named.items():
        report.ratios |= {f"{kind}_agree_{SHORT}": short, f"{kind}_agree_{LONG}": long}
        report.ratios[f"{kind}_perplexity_growth"] = growth[kind]


def held_out() -> list[str]:
    """Code of packages that the bundled checkpoint was not trained on."""
    with HELD_OUT.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def complete(model: BenchModel, kind: str, prompts: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """`LONG` greedy tokens of each prompt, one after another."""
    with closing(load(model, slots=1, **KINDS[kind])) as engine:
        return [engine.submit(greedy(tuple(prompt), LONG)).result().token_ids for prompt in prompts]


def open_decoder(model: BenchModel, kind: str) -> Decoder:
    plan = check_options(KINDS[kind])
    checkpoint = open_checkpoint(model.folder)
    try:
        return load_model(checkpoint, plan, plan.progress)
    finally:
        checkpoint.weights.close()


def agreements(made: Sequence[Sequence[int]], exact: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Shares of completions whose first `SHORT`, and `LONG`, tokens are the same."""
    pairs = list(zip(made, exact, strict=True))
    short, long = (sum(one[:n] == other[:n] for one, other in pairs) / len(pairs) for n in (SHORT, LONG))
    return short, long


def transformers_agrees(
    model: BenchModel, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
) -> tuple[float, float]:
    """The same against transformers' float32 logits: whether its best token after each prefix of ours is our next."""
    from transformers import CodeGenForCausalLM

    say("float32: transformers")
    theirs = CodeGenForCausalLM.from_pretrained(model.folder, dtype=torch.float32).eval()
    best = []
    with torch.inference_mode():
        for prompt, made in zip(prompts, completions, strict=True):
            logits = theirs(torch.tensor([[*prompt, *made[:-1]]])).logits[0, len(prompt) - 1 :]
            best.append(tuple(logits.argmax(-1).tolist()))
    return agreements(best, completions)


def perplexity(decoder: Decoder, texts: Sequence[Sequence[int]]) -> float:
    nats, count = 0.0, 0
    for text in texts:
        logits = decoder.step([Segment(0, 0, text, logits=len(text))], decoder.new_cache(1, len(text))).float().cpu()
        nats += float(functional.cross_entropy(logits[:-1], torch.tensor(text[1:]), reduction="sum"))
        count += len(text) - 1
    return math.exp(nats / count)


def in_company(decoder: Decoder, texts: Sequence[Sequence[int]], rounds: int) -> Company:
    """Prefill and `DECODED` steps of groups of texts of different lengths: each stream alone, and all together."""
    company = Company()
    for number in range(rounds):
        group = texts[number * STREAMS : (number + 1) * STREAMS]
        lengths = [max(1, (len(text) - DECODED) * (slot + 1) // len(group)) for slot, text in enumerate(group)]
        steps = [
            [Segment(slot, 0, text[:length]) for slot, (text, length) in enumerate(zip(group, lengths, strict=True))],
            *(
                [
                    Segment(slot, length + at, text[length + at : length + at + 1])
                    for slot, (text, length) in enumerate(zip(group, lengths, strict=True))
                    if length + at < len(text)
                ]
                for at in range(DECODED)
            ),
        ]
        by_itself, shared = decoder.new_cache(STREAMS), decoder.new_cache(STREAMS)
        for segments in filter(None, steps):
            together = decoder.step(segments, shared).clone()
            for row, segment in enumerate(segments):
                company.add(decoder.step([segment], by_itself)[0], together[row])
    return company


def differences(company: Company) -> list[object]:
    return [
        company.rows,
        company.other_bits,
        company.other_best,
        f"{statistics.median(company.differences):.2g}",
        f"{max(company.differences):.2g}",
    ]
