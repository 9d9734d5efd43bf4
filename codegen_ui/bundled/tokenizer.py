"""Train a byte-level BPE in CodeGen's own layout: `python -m codegen_ui.bundled.tokenizer`.

Ids: the 256 bytes, the merges, `<|endoftext|>`, then 30 runs of spaces (31 down to 2) and 8 runs of
tabs (9 down to 2) as added tokens, as in Salesforce's tokenizer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from codegen_ui.bundled import DEFAULT_WORK
from codegen_ui.bundled.store import read_documents

END_OF_TEXT = "<|endoftext|>"
RUNS = [" " * n for n in range(31, 1, -1)] + ["\t" * n for n in range(9, 1, -1)]


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Any:
    """A transformers `CodeGenTokenizer` with exactly `vocab_size` ids when the texts hold enough to merge."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    from transformers import AddedToken, CodeGenTokenizer

    bare = Tokenizer(models.BPE())
    # runs of spaces become tokens of their own, so the merges must not learn from them
    bare.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" {2,}|\t{2,}"), behavior="removed"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(RUNS) - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bare.train_from_iterator(texts, trainer)
    model = json.loads(bare.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
    vocab: dict[str, int] = {**model["vocab"], END_OF_TEXT: len(model["vocab"])}
    tokenizer = CodeGenTokenizer(vocab=vocab, merges=merges, clean_up_tokenization_spaces=False)
    tokenizer.add_tokens([AddedToken(run, normalized=True) for run in RUNS])
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and the vocab.json, merges.txt of older readers."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    # every id above the base vocabulary, for readers that predate tokenizer.json
    added = {run: tokenizer.convert_tokens_to_ids(run) for run in RUNS}
    (folder / "added_tokens.json").write_text(json.dumps(added, indent=0), encoding="utf-8")


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, which never tidies spaces (it would turn `i != j` into `i!= j`)."""
    from transformers import CodeGenTokenizer

    return CodeGenTokenizer.from_pretrained(folder, clean_up_tokenization_spaces=False)


def _sample(work: Path, characters: int) -> Iterator[str]:
    for name in ("textbook", "real"):
        left = characters // 2
        for text in read_documents(work / f"{name}.train.jsonl"):
            if left <= 0:
                break
            left -= len(text)
            yield text


def main(arguments: list[str] | None = None) -> None:
    """The command; writes WORK/tokenizer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--characters", type=int, default=8_000_000, help="how much text the merges are learned from")
    options = parser.parse_args(arguments)
    tokenizer = train_tokenizer(_sample(options.work, options.characters), options.vocab_size)
    save_tokenizer(tokenizer, options.work / "tokenizer")
    texts = [
        text
        for name in ("textbook", "real")
        for text in list(read_documents(options.work / f"{name}.heldout.jsonl"))[:300]
    ]
    tokens = sum(len(ids) for ids in tokenizer(texts)["input_ids"])
    print(f"{len(tokenizer)} tokens; {sum(map(len, texts)) / max(tokens, 1):.2f} characters a token on held-out text")


if __name__ == "__main__":
    main()
