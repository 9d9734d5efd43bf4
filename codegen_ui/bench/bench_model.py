"""The model to measure: any checkpoint, or random weights in the 350M shape, which cost the same time."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from codegen_ui.bench.report import say
from codegen_ui.engine.model.config import shape_of

RANDOM = "random"
DECODABLE, END_OF_TEXT = 50295, 50256


@dataclass(frozen=True)
class BenchModel:
    """A checkpoint that every contender can open: a folder, or a name for `codegen_ui.load`."""

    name: str
    folder: str


def bench_model(name: str) -> BenchModel:
    """`random` is the 350M shape, `random-2B` the 2B one, and so on; else a hub id, a folder or `bundled`."""
    if name == RANDOM or name.startswith(f"{RANDOM}-"):
        shape = name.partition("-")[2] or "350M"
        return BenchModel(f"random weights, {shape} shape", str(random_checkpoint(shape)))
    if name == "bundled":
        import codegen_ui.bundled

        return BenchModel(name, str(Path(codegen_ui.bundled.__file__).parent / "checkpoint"))
    return BenchModel(name, name)


def random_checkpoint(shape: str) -> Path:
    """A folder with random fp16 weights (seed 0) and a tokenizer of single bytes; made once, kept among temp files."""
    folder = Path(tempfile.gettempdir()) / "codegen-ui-bench" / shape
    done = folder / "complete"
    if not done.exists():
        say(f"writing a random checkpoint to {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        write_tokenizer(folder)
        write_weights(folder, shape)
        done.touch()
    return folder


def write_weights(folder: Path, shape: str) -> None:
    import torch
    from transformers import CodeGenConfig, CodeGenForCausalLM

    torch.manual_seed(0)
    config = CodeGenConfig(bos_token_id=1, tie_word_embeddings=False, **asdict(shape_of(shape)))
    CodeGenForCausalLM(config).half().save_pretrained(folder)


def write_tokenizer(folder: Path) -> None:
    """Bytes are tokens, the other ids are made-up words, so that any text can go in and any id comes out as text."""
    from tokenizers.pre_tokenizers import ByteLevel

    words = {character: index for index, character in enumerate(sorted(ByteLevel.alphabet()))}
    words |= {f"Ġw{index}": index for index in range(len(words), DECODABLE)}
    del words[f"Ġw{END_OF_TEXT}"]
    words["<|endoftext|>"] = END_OF_TEXT
    (folder / "vocab.json").write_text(json.dumps(words), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    names = {key: "<|endoftext|>" for key in ("unk_token", "bos_token", "eos_token")}
    config = {"tokenizer_class": "CodeGenTokenizer", "add_prefix_space": False, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
