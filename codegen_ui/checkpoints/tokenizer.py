"""CodeGen's tokenizer from a checkpoint's folder, never from the network and never with remote code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.threads import wait_briefly

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
)


class BrokenTokenizer(Exception):
    """The tokenizer's files are missing or damaged; the text says which."""


def import_libraries() -> None:
    """What opening a checkpoint will import, to be done meanwhile in another thread."""
    wait_briefly()
    import torch  # noqa: F401
    from transformers import CodeGenTokenizer  # noqa: F401


def has_tokenizer(folder: Path) -> bool:
    whole = (folder / "tokenizer.json").is_file()
    return whole or all((folder / name).is_file() for name in ("vocab.json", "merges.txt"))


def load_tokenizer(folder: Path, config: ModelConfig) -> Any:
    """A `transformers.CodeGenTokenizer`. Raises `BrokenTokenizer`.

    It decodes exactly (`clean_up_tokenization_spaces` off), and its `eos_token_id` is known to be one of the model's.
    """
    if not has_tokenizer(folder):
        raise BrokenTokenizer("it has no tokenizer (tokenizer.json, or vocab.json with merges.txt)")
    from transformers import CodeGenTokenizer

    try:
        tokenizer = CodeGenTokenizer.from_pretrained(
            str(folder), local_files_only=True, clean_up_tokenization_spaces=False
        )
    except Exception as error:
        # The Rust library raises bare Exceptions for damaged files; all of them mean the same to a reader.
        raise BrokenTokenizer(f"the tokenizer's files are damaged ({reason(error)})") from error
    if len(tokenizer) > config.vocab_size:
        raise BrokenTokenizer(f"the tokenizer has {len(tokenizer)} tokens, the model only {config.vocab_size}")
    if len(tokenizer) < 2:
        raise BrokenTokenizer("the tokenizer's vocabulary is empty")
    return tokenizer


def end_of_text(tokenizer: Any, config: ModelConfig) -> int | None:
    """The id that ends a text: the tokenizer's, for it made the training data; else the configuration's.

    Published CodeGen configurations are unreliable here: some say that `bos_token_id` is 1, which is no special token.
    """
    for token in (tokenizer.eos_token_id, config.eos_token_id):
        if isinstance(token, int) and 0 <= token < config.vocab_size:
            return token
    return None


def reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text[:160] + "…" if len(text) > 160 else text) or type(error).__name__


def read_json(file: Path) -> dict[str, object]:
    """Raises `ValueError` naming the file."""
    try:
        values = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{file.name} cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise ValueError(f"{file.name} is damaged ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{file.name} holds no JSON object")
    return values
