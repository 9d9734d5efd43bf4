"""A model by its name: a hub id, a local folder or `bundled`, opened and checked, weights still on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codegen_ui.checkpoints.progress import Progress, no_progress
from codegen_ui.checkpoints.tokenizer import BrokenTokenizer, end_of_text, has_tokenizer, load_tokenizer, read_json
from codegen_ui.checkpoints.weights import BrokenWeights, LazyWeights
from codegen_ui.engine.model.config import ModelConfig, parameter_shapes
from codegen_ui.errors import ModelUnavailable

logger = logging.getLogger(__name__)

BUNDLED = "bundled"
BUNDLED_FOLDER = Path(__file__).parent.parent / "bundled" / "checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint.

    Attributes:
        name: as it was asked for.
        folder: where its files are.
        config: with `eos_token_id` set to the id that really ends a text.
        tokenizer: a `transformers.CodeGenTokenizer`.
        weights: name -> CPU tensor in the checkpoint's own dtype; each lookup reads one tensor.
        weights_bytes: size of the weights' files.
    """

    name: str
    folder: Path
    config: ModelConfig
    tokenizer: Any
    weights: LazyWeights
    weights_bytes: int


def open_checkpoint(
    name: str,
    *,
    revision: str | None = None,
    progress: Progress = no_progress,
    admit: Callable[[ModelConfig], None] = lambda config: None,
) -> Checkpoint:
    """Find, download if need be, open and check a checkpoint; blocks.

    `admit` sees the configuration before any weights are downloaded or opened, and may raise `ModelUnavailable`. Raises
    `ModelUnavailable` with one sentence for whatever is wrong; its `offline` is true only where the hub is out of reach
    and nothing is cached, its subclass `HubRefused` means that the hub said no.
    """

    def inspect(folder: Path) -> None:
        admit(read_config(name, folder))
        if not has_tokenizer(folder):
            raise ModelUnavailable(name, f"{folder} has no tokenizer (tokenizer.json, or vocab.json with merges.txt).")

    if is_local(name):
        folder = local_folder(name)
        inspect(folder)
    else:
        from codegen_ui.checkpoints.hub import fetch

        folder = fetch(name, revision, progress, inspect)
    return open_folder(name, folder, progress)


def is_local(name: str) -> bool:
    """Whether a name means a folder on this machine rather than a hub id."""
    hub_id = name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/")
    return not hub_id or Path(name).exists()


def local_folder(name: str) -> Path:
    """Raises `ModelUnavailable` where there is no such folder."""
    folder = BUNDLED_FOLDER if name == BUNDLED else Path(name).expanduser()
    if not folder.exists():
        what = "this installation lacks the bundled checkpoint" if name == BUNDLED else "there is no such folder"
        raise ModelUnavailable(name, f"{what} ({folder}).")
    if not folder.is_dir():
        raise ModelUnavailable(name, "this is a file; give the folder that holds config.json and the weights.")
    return folder


def open_folder(name: str, folder: Path, progress: Progress = no_progress) -> Checkpoint:
    """Open a folder whose files are all there. Raises `ModelUnavailable`."""
    config = read_config(name, folder)
    progress("reading the tokenizer", 0, None)
    try:
        tokenizer = load_tokenizer(folder, config)
        progress("opening the weights", 0, None)
        weights = LazyWeights(folder, parameter_shapes(config))
    except (BrokenWeights, BrokenTokenizer) as error:
        raise ModelUnavailable(name, f"the checkpoint in {folder} cannot be used: {error}.") from error
    config = replace(config, eos_token_id=end_of_text(tokenizer, config))
    return Checkpoint(name, folder, config, tokenizer, weights, weights.bytes_on_disk)


def read_config(name: str, folder: Path) -> ModelConfig:
    """The folder's config.json. Raises `ModelUnavailable` where it is none of CodeGen's."""
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(name, f"{folder} is no checkpoint: it has no config.json.")
    try:
        values = read_json(folder / "config.json")
        if values.get("model_type") != "codegen":
            kind = values.get("model_type", "something without a model_type")
            raise ModelUnavailable(name, f"this is no CodeGen checkpoint, its config.json describes {kind!r}.")
        activation = values.get("activation_function", "gelu_new")
        if activation not in ("gelu_new", "gelu_pytorch_tanh"):
            raise ModelUnavailable(name, f"its activation is {activation!r}; CodeGen's is gelu_new.")
        return ModelConfig.from_json(values)
    except (ValueError, TypeError) as error:
        raise ModelUnavailable(name, f"the checkpoint in {folder} cannot be used: {error}.") from error
