"""Small random CodeGen checkpoints, in the layouts that are found in the wild."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import CodeGenConfig, CodeGenForCausalLM

END_OF_TEXT = "<|endoftext|>"
TEXT = (
    "def foo(bar):\n    return bar + 1\n",
    "class A:\n    def f(self):\n        return [x for x in self.y if x != 1]\n",
)


def write_tokenizer(folder: Path, *, vocab_size: int = 300) -> int:
    """CodeGen's old tokenizer files: vocab.json, merges.txt, and runs of spaces and tabs in added_tokens.json.

    Returns the id of `<|endoftext|>`, which is the vocabulary's last as in GPT-2.
    """
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXT * 20, vocab_size=vocab_size - 1, show_progress=False)
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    trained.save_model(str(folder))
    words = json.loads(vocab.read_text("utf-8"))
    end = len(words)
    vocab.write_text(json.dumps(words | {END_OF_TEXT: end}), "utf-8")
    assert merges.is_file()
    runs = [" " * n for n in range(31, 1, -1)] + ["\t" * n for n in range(9, 1, -1)]
    added = {run: end + 1 + index for index, run in enumerate(runs)}
    (folder / "added_tokens.json").write_text(json.dumps(added), "utf-8")
    names = {key: END_OF_TEXT for key in ("unk_token", "bos_token", "eos_token")}
    config = {"tokenizer_class": "CodeGenTokenizer", "add_prefix_space": False, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return end


def random_model(*, seed: int = 0, **shape: Any) -> CodeGenForCausalLM:
    """A random CodeGen whose biases and norms are random too, so that a swapped tensor cannot go unnoticed."""
    values = {"vocab_size": 352, "n_positions": 128, "n_ctx": 128, "n_embd": 32, "n_layer": 2, "n_head": 4}
    values |= {"rotary_dim": 4, "bos_token_id": 1, "eos_token_id": 50256, "tie_word_embeddings": False} | shape
    torch.manual_seed(seed)
    model = CodeGenForCausalLM(CodeGenConfig(**values)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3 if parameter.dim() > 1 else 0.1)
    return model


def write_config(folder: Path, model: CodeGenForCausalLM, **changes: Any) -> None:
    values = model.config.to_dict() | {"architectures": ["CodeGenForCausalLM"], "torch_dtype": "float16"} | changes
    (folder / "config.json").write_text(json.dumps(values, default=str), "utf-8")


def old_layout(folder: Path, *, zipped: bool = True, leftovers: bool = True, **shape: Any) -> CodeGenForCausalLM:
    """fp16 `pytorch_model.bin` with `attn.causal_mask` buffers, no tokenizer.json, `bos_token_id` 1."""
    folder.mkdir(parents=True, exist_ok=True)
    model = random_model(**shape)
    write_config(folder, model)
    write_tokenizer(folder)
    state = {name: tensor.half() for name, tensor in model.state_dict().items()}
    if leftovers:
        positions = model.config.n_positions
        for layer in range(model.config.n_layer):
            mask = torch.tril(torch.ones(positions, positions, dtype=torch.bool)).view(1, 1, positions, positions)
            state[f"transformer.h.{layer}.attn.causal_mask"] = mask
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    return model


def new_layout(folder: Path, *, max_shard_size: str = "5GB", **shape: Any) -> CodeGenForCausalLM:
    """fp32 safetensors (in shards where small), tokenizer.json. Returns the model."""
    from transformers import CodeGenTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    model = random_model(**shape)
    end = write_tokenizer(folder)
    model.config.eos_token_id = end
    model.generation_config.eos_token_id = end
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    CodeGenTokenizer.from_pretrained(folder, local_files_only=True).save_pretrained(folder)
    for name in ("vocab.json", "merges.txt", "added_tokens.json"):
        (folder / name).unlink(missing_ok=True)
    return model
