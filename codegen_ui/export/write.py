"""A converted checkpoint on disk: safetensors in shards, one shard in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from humanize import naturalsize

from codegen_ui.checkpoints import Checkpoint
from codegen_ui.checkpoints.disk import free_bytes
from codegen_ui.engine.model.config import BYTES_PER_VALUE
from codegen_ui.errors import InvalidInput
from codegen_ui.export.convert import converted, gptj_config, gptj_shapes, plan_shards

if TYPE_CHECKING:
    import torch

MAX_SHARD_BYTES = 4 * 10**9


def stored_dtype(checkpoint: Checkpoint) -> str:
    """The dtype that the checkpoint's matrices are stored in, as an option's name."""
    return str(checkpoint.weights["lm_head.weight"].dtype).removeprefix("torch.")


def check_folder(folder: Path) -> None:
    """Raises `InvalidInput` where `folder` is in use. It is not made yet: the model may turn out to be none."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InvalidInput("out", str(folder), "an empty folder, or one that does not exist yet")


def write_gptj(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    dtype: str,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the checkpoint as GPT-J into the empty `folder`; config.json comes last, so that no half of it loads.

    `progress(done, total)` counts bytes. What was written is removed again where it fails or is interrupted. Raises
    `InvalidInput` where the disk is too small or `dtype` cannot hold the weights.
    """
    shapes = gptj_shapes(checkpoint.config)
    total = sum(prod(shape) for shape in shapes.values()) * BYTES_PER_VALUE[dtype]
    free = free_bytes(folder)
    if free is not None and free < total:
        room = f"a folder on a disk with {naturalsize(total)} free ({naturalsize(free)} are)"
        raise InvalidInput("out", str(folder), room)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput("out", str(folder), f"a folder that can be made ({error.strerror})") from None
    try:
        write_weights(checkpoint, folder, dtype, max_shard_bytes, progress, total)
        checkpoint.tokenizer.save_pretrained(str(folder))
        ending = {"bos_token_id": checkpoint.config.eos_token_id, "eos_token_id": checkpoint.config.eos_token_id}
        write_json(folder / "generation_config.json", ending)
        write_json(folder / "config.json", gptj_config(checkpoint.config, dtype))
    except BaseException:
        for file in folder.iterdir():
            file.unlink()
        raise


def write_weights(
    checkpoint: Checkpoint,
    folder: Path,
    dtype: str,
    max_shard_bytes: int,
    progress: Callable[[int, int], None],
    total: int,
) -> None:
    import torch

    wanted: torch.dtype = getattr(torch, dtype)
    shards = plan_shards(gptj_shapes(checkpoint.config), wanted.itemsize, max_shard_bytes)
    weight_map: dict[str, str] = {}
    done = 0
    for number, names in enumerate(shards, start=1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        shard: dict[str, torch.Tensor] = {}
        for name, tensor in converted(checkpoint.weights, names):
            shard[name] = tensor.to(wanted).contiguous()
            if tensor.dtype != wanted and not torch.isfinite(shard[name]).all():
                raise InvalidInput("dtype", dtype, f"able to hold the values of {name}, such as float32 or bfloat16")
            done += shard[name].nbytes
            progress(done, total)
        save_readable(shard, folder / file)
        weight_map.update(dict.fromkeys(names, file))
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_json(folder / "model.safetensors.index.json", index)


def save_readable(shard: dict[str, torch.Tensor], file: Path) -> None:
    """Save a shard with the mode that a new file gets here: safetensors' own lets nobody else read it.

    Whoever serves the model is often another user than who exported it.
    """
    from safetensors.torch import save_file

    file.touch()
    mode = file.stat().st_mode
    save_file(shard, str(file), metadata={"format": "pt"})
    file.chmod(mode)


def write_json(file: Path, values: object) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
