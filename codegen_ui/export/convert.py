"""CodeGen's tensors as GPT-J's, and written: names, shapes and values, then safetensors, one shard in memory at a time.

The two architectures compute the same function (parallel block, one LayerNorm, interleaved rotary, gelu_new); they
differ in how the attention's projections are stored. CodeGen's `qkv_proj` keeps the layout of the four model-parallel
shards it was trained on: four blocks of rows, each q, then v, then k. GPT-J has three matrices with heads in order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from humanize import naturalsize

from codegen_ui.checkpoints import Checkpoint
from codegen_ui.checkpoints.progress import free_bytes
from codegen_ui.engine.model.config import BYTES_PER_VALUE, ModelConfig, parameter_shapes
from codegen_ui.errors import InvalidInput

if TYPE_CHECKING:
    import torch

SHARDS = 4
QKV = ".qkv_proj.weight"
PARTS = ("q_proj", "v_proj", "k_proj")
"""In the order in which CodeGen stores them."""
MAX_SHARD_BYTES = 4 * 10**9


def gptj_config(config: ModelConfig, dtype: str) -> dict[str, object]:
    """GPT-J's config.json. CodeGen's `bos_token_id` is left behind: some published ones are wrong."""
    return {
        "architectures": ["GPTJForCausalLM"],
        "model_type": "gptj",
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.n_inner,
        "rotary_dim": config.rotary_dim,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": config.eos_token_id,
        "eos_token_id": config.eos_token_id,
        "tie_word_embeddings": False,
        "use_cache": True,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def gptj_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the converted checkpoint, in the order in which they are written."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in parameter_shapes(config).items():
        if name.endswith(QKV):
            shapes |= {name.replace("qkv_proj", part): (config.n_embd, config.n_embd) for part in PARTS}
        else:
            shapes[name] = shape
    return shapes


def converted(weights: Mapping[str, torch.Tensor], names: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """The named GPT-J tensors, one at a time, contiguous, in the source's dtype."""
    for name in names:
        part = next((part for part in PARTS if f".{part}." in name), None)
        if part is None:
            yield name, weights[name]
        else:
            yield name, projection(weights[name.replace(part, "qkv_proj")], PARTS.index(part))


def projection(qkv: torch.Tensor, part: int) -> torch.Tensor:
    """`[3 * n_embd, n_embd]` of CodeGen -> `[n_embd, n_embd]`, a copy; `part` is 0 for q, 1 for v, 2 for k."""
    width = qkv.shape[1]
    return qkv.view(SHARDS, 3, width // SHARDS, width)[:, part].reshape(width, width).clone()


def plan_shards(shapes: Mapping[str, tuple[int, ...]], item_bytes: int, max_bytes: int) -> list[list[str]]:
    """Names grouped, in order, into files of at most `max_bytes` (a tensor larger than that has a file of its own)."""
    shards: list[list[str]] = [[]]
    used = 0
    for name, shape in shapes.items():
        size = prod(shape) * item_bytes
        if shards[-1] and used + size > max_bytes:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    return shards


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
