"""Checkpoint files as a mapping from tensor name to tensor that reads one tensor at a time.

Four layouts occur: safetensors and `.bin`, each whole or in shards with an index. `.bin` files are opened with
`weights_only` (a pickle that would run code is refused) and, where they are zip archives, memory-mapped.
"""

from __future__ import annotations

import json
import logging
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

SAFETENSORS = "model.safetensors"
BIN = "pytorch_model.bin"
LEFTOVERS = (".attn.causal_mask", ".attn.masked_bias", ".attn.bias", ".attn.scale_attn", ".attn.embed_positions")
"""Endings of buffers that old checkpoints carry beside their weights; they are computed, not learned."""


class BrokenWeights(Exception):
    """The weights cannot be used; the text names the file and says why."""


class LazyWeights(Mapping[str, "torch.Tensor"]):
    """Name -> CPU tensor in the checkpoint's dtype; every lookup reads its tensor from disk. Not thread-safe.

    Holds exactly the tensors of `expected` (name -> shape); `close` lets go of the files.
    """

    def __init__(self, folder: Path, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Raises `BrokenWeights` for missing, truncated, corrupt or mis-shaped weights."""
        self.files = weight_files(folder)
        self._expected = dict(expected)
        self._open: dict[str, Shard] = {}
        self._where = self._locate()
        self._check()

    def __getitem__(self, name: str) -> torch.Tensor:
        # A copy: what a reader hands out may be the mapped file itself, and a file that is written anew or cut short
        # while it is served would change the model, or end the process.
        return self._where[name].tensor(name).clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._expected)

    def __len__(self) -> int:
        return len(self._expected)

    def close(self) -> None:
        for shard in self._open.values():
            shard.close()

    @property
    def bytes_on_disk(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    def _locate(self) -> dict[str, Shard]:
        where: dict[str, Shard] = {}
        for file in self.files:
            shard = open_shard(file)
            self._open[file.name] = shard
            where.update(dict.fromkeys(shard.names(), shard))
        return where

    def _check(self) -> None:
        missing = [name for name in self._expected if name not in self._where]
        if missing:
            raise BrokenWeights(f"the weights lack {summary(missing)}")
        for name, shape in self._expected.items():
            found = self._where[name].shape(name)
            if found != shape:
                raise BrokenWeights(f"{name} has the shape {list(found)}, config.json calls for {list(shape)}")
        extra = [name for name in self._where if name not in self._expected and not name.endswith(LEFTOVERS)]
        if extra:
            logger.warning("ignoring tensors that CodeGen does not have: %s", summary(extra))


def summary(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that hold the weights, safetensors before `.bin`. Raises `BrokenWeights` where there are none."""
    for whole in (SAFETENSORS, BIN):
        index = folder / f"{whole}.index.json"
        if (folder / whole).is_file():
            return (folder / whole,)
        if index.is_file():
            return shard_files(index)
    raise BrokenWeights(f"there is neither {SAFETENSORS} nor {BIN} (nor an index of shards)")


def shard_files(index: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BrokenWeights(f"{index.name} is damaged: {error}") from error
    files = []
    for name in names:
        file = index.parent / str(name)
        if file.parent != index.parent:
            raise BrokenWeights(f"{index.name} names a file outside its folder: {name}")
        if not file.is_file():
            raise BrokenWeights(f"{name}, which {index.name} names, is missing")
        files.append(file)
    return tuple(files)


class Shard:
    """One weights file."""

    def names(self) -> list[str]:
        raise NotImplementedError

    def shape(self, name: str) -> tuple[int, ...]:
        raise NotImplementedError

    def tensor(self, name: str) -> torch.Tensor:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def open_shard(file: Path) -> Shard:
    """Raises `BrokenWeights`."""
    with file.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise BrokenWeights(f"{file.name} is a git-lfs pointer, not the weights; run `git lfs pull` in its folder")
    return SafetensorsShard(file) if file.suffix == ".safetensors" else BinShard(file)


class SafetensorsShard(Shard):
    def __init__(self, file: Path) -> None:
        from safetensors import SafetensorError, safe_open

        opener: Any = safe_open
        try:
            self._handle = opener(str(file), framework="pt", device="cpu")
            self._names: list[str] = list(self._handle.keys())
        except (SafetensorError, OSError, ValueError) as error:
            raise BrokenWeights(f"{file.name} is truncated or damaged ({error})") from error

    def names(self) -> list[str]:
        return self._names

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._handle.get_slice(name).get_shape())

    def tensor(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self._handle.get_tensor(name)
        return tensor

    def close(self) -> None:
        self._handle = None


class BinShard(Shard):
    """A `torch.save` file. Zip archives are memory-mapped; the older format has to be read whole."""

    def __init__(self, file: Path) -> None:
        import torch

        try:
            state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file) or None)
        except pickle.UnpicklingError as error:
            reason = "it is truncated or damaged, or holds more than tensors and would run code"
            raise BrokenWeights(f"{file.name} was refused: {reason}") from error
        except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
            raise BrokenWeights(f"{file.name} is truncated or damaged ({first_line(error)})") from error
        if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
            state = state["state_dict"]
        if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise BrokenWeights(f"{file.name} holds no mapping from names to tensors")
        self._state: dict[str, torch.Tensor] = dict(state)

    def names(self) -> list[str]:
        return list(self._state)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._state[name].shape)

    def tensor(self, name: str) -> torch.Tensor:
        return self._state[name]

    def close(self) -> None:
        self._state = {}


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
