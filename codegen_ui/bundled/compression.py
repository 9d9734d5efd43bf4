"""Bits per byte of held-out text: the checkpoint's, and those of xz, gzip and an n-gram model as floors.

The text is a sample kept in `heldout/`, so that it needs no corpus: `real.jsonl` of packages that no training text is
from (their licences beside it), `textbook.jsonl` of documents by the recipe's own generator, put aside before training.
"""

from __future__ import annotations

import gzip
import lzma
import math
import platform
import sysconfig
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from codegen_ui.bundled.realcode import Package, documents
from codegen_ui.bundled.store import read_documents
from codegen_ui.bundled.writer import write_textbook
from codegen_ui.engine.threads import in_own_thread

PARTS = ("textbook", "real")
HELD_OUT = Path(__file__).parent / "heldout"
NGRAM_CHARACTERS = 800_000  # a part


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


def floor_text(seed: int = 9) -> list[str]:
    """What the n-gram model is trained on: textbook documents, written anew, and the standard library's functions."""
    library = Package("Python", platform.python_version(), "PSF-2.0", Path(sysconfig.get_path("stdlib")))
    return take(write_textbook(seed, 3500), NGRAM_CHARACTERS) + take(documents(library, seed, set()), NGRAM_CHARACTERS)


def take(texts: Iterable[str], characters: int) -> list[str]:
    """Texts from the front, as many as fit into so many characters."""
    taken: list[str] = []
    for text in texts:
        characters -= len(text)
        if characters < 0:
            break
        taken.append(text)
    return taken


def compression(folder: Path, held_out: Path = HELD_OUT) -> dict[str, float]:
    """Bits per byte of each held-out part and of both together, for the model and for the floors."""
    ngram = ByteNgram()
    ngram.train(text.encode() for text in floor_text())
    bits: dict[str, dict[str, float]] = {}
    sizes: dict[str, int] = {}
    for part in PARTS:
        texts = list(read_documents(held_out / f"{part}.jsonl"))
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


class ByteNgram:
    """A byte n-gram model, the floor that a trained network must clear: counts of contexts up to `order - 1` bytes.

    Interpolated Witten-Bell smoothing (Chen and Goodman 1999, section 2.6): each order trusts its own counts by how
    often a context was seen against how many different bytes followed it, and hands the rest to the next shorter
    context.
    """

    def __init__(self, order: int = 6) -> None:
        if order < 1:
            raise ValueError(f"order {order} must be at least 1")
        self.order = order
        self._counts: list[Counter[bytes]] = [Counter() for _ in range(order + 1)]
        self._kinds: list[Counter[bytes]] = [Counter() for _ in range(order)]

    def train(self, texts: Iterable[bytes]) -> None:
        """Count; may be called again with more."""
        for text in texts:
            for length in range(1, self.order + 1):
                counts = self._counts[length]
                counts.update(text[i : i + length] for i in range(len(text) - length + 1))
        totals: list[Counter[bytes]] = [Counter() for _ in range(self.order)]
        for length in range(1, self.order + 1):
            for gram, count in self._counts[length].items():
                self._kinds[length - 1][gram[:-1]] += 1
                totals[length - 1][gram[:-1]] += count
        self._totals = totals

    def probability(self, context: bytes, byte: int) -> float:
        """Of `byte` after the last bytes of `context`; over all 256 bytes it sums to 1."""
        result = 1 / 256
        for length in range(min(self.order - 1, len(context)) + 1):
            seen = context[len(context) - length :]
            kinds = self._kinds[length][seen]
            if not kinds:
                break
            total = self._totals[length][seen]
            count = self._counts[length + 1][seen + bytes([byte])]
            result = (count + kinds * result) / (total + kinds)
        return result

    def bits(self, text: bytes) -> float:
        """Code length of the text, in bits."""
        return -sum(
            math.log2(self.probability(text[max(0, i - self.order + 1) : i], byte)) for i, byte in enumerate(text)
        )
