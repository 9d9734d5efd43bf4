"""What a training run is to do, which tokens each of its steps takes, and how much each counts in the loss.

A rare name counts little where it is introduced and more where it is copied: what a function's author calls its
parameters cannot be predicted, and the gradient of trying is noise; what the body calls them can be read in the
signature.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codegen_ui.bundled.store import UNIT, TokenStream, read_documents
from codegen_ui.bundled.tokenizer import load_tokenizer

WORD = re.compile(r"\w+")
RARE = 0.01  # a word in fewer than this share of the documents is rare
FIRST, COPY = 2, 20  # of a rare word that comes again, and of its coming again


@dataclass(frozen=True)
class Plan:
    """What a run is to do. Lengths in tokens, times in seconds."""

    seconds: float = 0.0
    steps: int = 0  # when given, the budget is this many steps instead, and a seed gives the same run anywhere
    batch: int = 16
    length: int = 256  # see `window_multiple`: some steps take longer windows, so that long contexts work too
    textbook_share: float = 0.8
    decay: float = 0.3  # the last part of the budget, over which the learning rate falls to zero
    muon_lr: float = 0.02
    adam_lr: float = 0.004
    warmup_steps: int = 40
    save_every: float = 300.0
    held_out_windows: int = 16
    bf16: bool = False  # matmuls in bf16, weights and their updates in fp32
    seed: int = 0

    def rate(self, step: int, progress: float) -> float:
        """Factor on the learning rates, 0 to 1; `progress` is the used share of the budget."""
        return min(1.0, (step + 1) / self.warmup_steps, max(0.0, (1 - progress) / self.decay))


def tokenised(work: Path, name: str) -> TokenStream:
    """The token stream of WORK/NAME.jsonl, cached beside it until text or tokenizer change."""
    source, cached = work / f"{name}.jsonl", work / f"{name}.npz"
    newest = max(source.stat().st_mtime, (work / "tokenizer" / "vocab.json").stat().st_mtime)
    if not cached.exists() or cached.stat().st_mtime < newest:
        tokenizer = load_tokenizer(work / "tokenizer")
        texts = list(read_documents(source))
        found = tokenizer(texts, return_offsets_mapping=True)
        common = {word for word, count in document_counts(texts).items() if count >= RARE * len(texts)}
        weights = (token_weights(*pair, common) for pair in zip(texts, found["offset_mapping"], strict=True))
        TokenStream.from_documents(found["input_ids"], tokenizer.eos_token_id, weights).save(cached)
    return TokenStream.load(cached)


def window_multiple(step: int) -> int:
    """Every third step takes windows of twice the length, every twelfth of four times; the token count stays."""
    return 4 if step % 12 == 11 else 2 if step % 3 == 2 else 1


def batch_at(step: int, plan: Plan, textbook: TokenStream, real: TokenStream) -> tuple[Tensor, Tensor]:
    """Token ids int64 and their weights float32, both [rows, length + 1].

    A function of the seed and the step alone, so that a resumed run agrees.
    """
    draw = np.random.default_rng([plan.seed, step])
    multiple = window_multiple(step)
    rows = [
        (textbook if draw.random() < plan.textbook_share else real).weighted_window(plan.length * multiple + 1, draw)
        for _ in range(max(1, plan.batch // multiple))
    ]
    ids, weights = (torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True))
    return ids, weights


def document_counts(texts: Iterable[str]) -> Counter[str]:
    """In how many documents each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(WORD.findall(text)))
    return counts


def token_weights(text: str, spans: Sequence[tuple[int, int]], common: set[str]) -> list[int]:
    """A weight in tenths for each token, given by its span of characters; what is neither first nor copy counts 1."""
    words = [found for found in WORD.finditer(text) if found[0] not in common and not found[0].isdigit()]
    often = Counter(found[0] for found in words)
    by_character = [UNIT] * len(text)
    seen: set[str] = set()
    for found in words:
        if often[found[0]] > 1:
            weight = COPY if found[0] in seen else FIRST
            by_character[found.start() : found.end()] = [weight] * (found.end() - found.start())
            seen.add(found[0])
    # a token's last character tells whose it is: the first may be the space before a word
    return [by_character[end - 1] if end > start else UNIT for start, end in spans]
