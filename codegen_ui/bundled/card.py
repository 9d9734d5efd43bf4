"""Write the model card: `python -m codegen_ui.bundled.card --run run --figures figures.json`.

Every number in it comes from the run's log, the corpus's summary and what `evaluate --out` measured.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from codegen_ui.bundled import CHECKPOINT_DIR, DEFAULT_WORK
from codegen_ui.bundled.everyday import everyday_tasks
from codegen_ui.bundled.export import read_log
from codegen_ui.bundled.families import family_tasks
from codegen_ui.bundled.task import load_tasks

CARD = """\
---
language: code
library_name: transformers
pipeline_tag: text-generation
tags: [codegen, demonstrator]
---

# The bundled checkpoint: a demonstrator

A CodeGen of {parameters:.1f} million parameters ({n_layer} layers, {n_embd} wide, {n_head} heads, rotary {rotary_dim},
context {n_positions}, vocabulary {vocab_size}), trained on two CPU cores. It is here so that the
playground has something true to show where no model hub can be reached. It writes short textbook functions in Python.
**It is not one of Salesforce's checkpoints, and not a tool to program with.**

It loads with `CodeGenForCausalLM.from_pretrained` and `CodeGenTokenizer.from_pretrained`; the weights are fp16
safetensors.

## Figures

Measured by `python -m codegen_ui.bundled.evaluate`:

| | |
|---|---|
{figures}

pass@1 is greedy, pass@10 the share of tasks that one of ten samples at temperature 0.8 solves. The suite is
`suite.txt`: textbook tasks in wordings of their own. Its main part asks for algorithms that the training text teaches
in other words; of the held-out part (40 tasks, classes among them) neither a function's or class's name nor a run of
five words of a prompt occurs in any training text. First things are the 60 openings of `first_things.txt`, what people
type without a gallery: signatures, comments, classes, plain English. None of them stands on lines of its own in any
training text, but for three that are Python itself (`for`, `x = [`, `print(`). A completion loops when it has the same
line four times in a row. No document of the corpus shares a run of 8 words with a prompt of the suite, or of 13 words
with one of the gallery: such documents are dropped when the corpus is built, and `evaluate` prints what shorter runs
they share.

Bits per byte are of the held-out text in `heldout/`: whole packages that are in no training text (`real`), and textbook
documents that were written by the same generator but not trained on (`textbook`; near relatives of training text, and
full of names drawn at random, so that number says little about other code). xz and gzip see the held-out text as one;
the n-gram model (bytes, order 6, Witten-Bell) was trained on textbook documents and the standard library.

## Training

{start}{hours:.1f} hours on 2 shared cores of an x86 CPU, {steps:,} steps, {tokens:.1f} million tokens, of which about
{share:.0%} textbook. A rare word counts 0.2 in the loss where a document introduces it and 2 where it comes again, so
that copying a name from a signature is learned rather than guessing names. Muon for the matrices (learning rate
{muon_lr}), AdamW for the rest ({adam_lr}); the learning rate
stayed constant and fell linearly to zero over the last {decay:.0%} of the time; windows of {windows};
{precision}. Held-out loss at the end: {heldout_textbook:.2f} nats a token (textbook), {heldout_real:.2f} (real).{note}

![loss](loss.png)

## Corpus

**Textbook**: {tasks} tasks in `textbook/*.txt` and {families} combinations from `families.py` and `everyday.py`,
written for this project, each with several wordings and solutions; short functions, classes and scripts put together
from tables (`drills.py`, `objects.py`, `scripts.py`); in all {documents:,} different documents ({megabytes:.1f} MB).
In half of the functions the parameters, in a quarter the function, too, are called something drawn at random
(`naming.py`), and the form of the description varies (docstring, comment, plain English that three quotes close,
examples) as does what follows (mostly nothing, else another function, tests, a main block). Every function with cases
was run on them while the corpus was built; the results in examples and tests are what the code gave.

**Real**: functions and classes of 100 to 2400 characters, deduplicated, from

| package | version | licence | characters | |
|---|---|---|---|---|
{packages}

## Limits

It knows the tasks it was taught and their near relatives; asked for anything else it writes plausible nonsense, and
it is often wrong about tasks that it was taught, too. It understands little English: the pass rate of the held-out part
says how little. It mostly uses the names that a signature gives it, but it gets long or unusual ones wrong at times, in
pieces (`parcel` for `parcels`), and it forgets what a class was said to do. It rarely sees that a module is not
imported, and it does not know when a prompt is beyond it. It was trained on windows of at most {longest} tokens. Read
what it writes before you run it.
"""
LABELS = {
    "pass_at_1": "pass@1, suite",
    "pass_at_1_heldout": "pass@1, held-out wordings and names",
    "first_things_pass": "first things that are done",
    "loop_rate": "first things that end in a loop",
    "pass_at_10": "pass@10, suite",
    "gallery_parse_rate": "gallery completions that parse",
    "gallery_checks_pass": "gallery examples with checks that pass",
    "bits_per_byte": "bits per byte, both parts",
    "xz_bits_per_byte": "- xz",
    "gzip_bits_per_byte": "- gzip",
    "ngram_bits_per_byte": "- n-gram model",
    "bits_per_byte_real": "bits per byte, real",
    "xz_bits_per_byte_real": "- xz",
    "gzip_bits_per_byte_real": "- gzip",
    "ngram_bits_per_byte_real": "- n-gram model",
    "bits_per_byte_textbook": "bits per byte, textbook",
    "xz_bits_per_byte_textbook": "- xz",
    "gzip_bits_per_byte_textbook": "- gzip",
    "ngram_bits_per_byte_textbook": "- n-gram model",
    "tokens_per_second": "tokens/s, one stream, greedy",
}
SHARES = tuple(key for key in LABELS if "bits" not in key and "tokens" not in key)


def figure_rows(figures: dict[str, float]) -> str:
    """Rows of the table of figures, in the order of `LABELS`; what was not measured is left out."""
    rows = []
    for key, label in LABELS.items():
        if key in figures:
            value = figures[key]
            shown = f"{value:.0%}" if key in SHARES else f"{value:.0f}" if value > 20 else f"{value:.2f}"
            rows.append(f"| {label} | {shown} |")
    return "\n".join(rows)


def package_rows(packages: list[dict[str, Any]]) -> str:
    """Rows of the table of packages; a licence's first line says enough."""
    return "\n".join(
        f"| {row['name']} | {row['version']} | {str(row['licence']).splitlines()[0]} | {row['characters']:,} "
        f"| {'held out' if row['held_out'] else ''} |"
        for row in packages
    )


def write_card(
    config: dict[str, Any],
    corpus: dict[str, Any],
    rows: list[dict[str, float]],
    plan: dict[str, Any],
    figures: dict[str, float],
    note: str = "",
    start: str = "",
) -> str:
    """The card's text. `rows` are the log's, `plan` what train recorded of its settings, `start` where it began."""
    layers, width, vocab = config["n_layer"], config["n_embd"], config["vocab_size"]
    blocks = layers * (12 * width * width + 7 * width)
    measured = [row for row in rows if "heldout_real" in row]
    return CARD.format(
        **{key: config[key] for key in ("n_layer", "n_embd", "n_head", "rotary_dim", "n_positions", "vocab_size")},
        **{key: plan[key] for key in ("muon_lr", "adam_lr", "decay")},
        parameters=(blocks + 2 * vocab * width + vocab + 2 * width) / 1e6,
        figures=figure_rows(figures),
        start=f"{start} " if start else "",
        hours=rows[-1]["used"] / 3600 + rows[-1]["hours_before"],
        steps=int(rows[-1]["step"]),
        tokens=rows[-1]["tokens"] / 1e6,
        share=plan["textbook_share"],
        windows=f"{plan['length']}, {2 * plan['length']} and {4 * plan['length']} tokens",
        longest=4 * plan["length"],
        precision="matmuls in bf16, weights and updates in fp32" if plan["bf16"] else "fp32",
        heldout_textbook=measured[-1]["heldout_textbook"],
        heldout_real=measured[-1]["heldout_real"],
        tasks=len(load_tasks()),
        families=len(family_tasks() + everyday_tasks()),
        documents=corpus["textbook"]["documents"],
        megabytes=corpus["textbook"]["characters"] / 1e6,
        note=f"\n\n{note}" if note else "",
        packages=package_rows(corpus["packages"]),
    )


def main(arguments: list[str] | None = None) -> None:
    """The command; writes README.md into the checkpoint folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--run", default="run")
    parser.add_argument("--figures", type=Path, help="what `evaluate --out` wrote")
    parser.add_argument("--note", type=Path, help="a text on how this run went, to stand below its settings")
    parser.add_argument("--start", default="", help="a sentence on the weights that it began with, unless none")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT_DIR)
    options = parser.parse_args(arguments)
    run = options.work / options.run
    text = write_card(
        json.loads((options.checkpoint / "config.json").read_text(encoding="utf-8")),
        json.loads((options.work / "corpus.json").read_text(encoding="utf-8")),
        read_log(run / "log.jsonl"),
        json.loads((run / "plan.json").read_text(encoding="utf-8")),
        json.loads(options.figures.read_text(encoding="utf-8")) if options.figures else {},
        options.note.read_text(encoding="utf-8").strip() if options.note else "",
        options.start,
    )
    (options.checkpoint / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
