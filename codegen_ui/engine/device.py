"""Where the model runs and in which precision: names resolved, memory counted, and what engines were promised of it."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.linear import int8_available
from codegen_ui.errors import InvalidInput

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SLOTS_MEMORY_SHARE, SLOTS_MEMORY_SHARE_GPU = 0.5, 0.85
"""Of the memory that is free: a GPU of its own is there to be filled, a machine's memory is others' too."""
MOST_SLOTS_CPU, MOST_SLOTS_INT8, MOST_SLOTS_GPU = 8, 16, 256


@dataclass(frozen=True)
class Memory:
    """Bytes that can still be taken, and all there are, where the model's weights live."""

    free: int
    total: int


def resolve_device(name: str) -> torch.device:
    """A device by its option's name; "auto" prefers CUDA (which ROCm goes by too), then MPS, then the CPU.

    Raises `InvalidInput` for a device that is not here.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name, False):
        here = ", ".join(device for device, present in available.items() if present)
        raise InvalidInput("device", name, f"auto or a device that PyTorch finds here ({here})")
    return torch.device(name)


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """A dtype by its option's name; "auto" is float32 on a CPU, float16 (the checkpoints' own) elsewhere."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if name not in DTYPES:
        raise InvalidInput("dtype", name, f"one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def resolve_quantize(name: str, device: torch.device) -> str:
    """ "none" or "int8" by the option's name; see `Int8Linear` for what int8 needs.

    "auto" is int8 on a CPU that has the kernels: it decodes more than twice as fast, and the bundled checkpoint's
    perplexity grows by about 0.1% (`tests/test_int8_quality.py` holds it under 1%). Raises `InvalidInput` where
    int8 is asked for and this device or this build of PyTorch has no kernels for it.
    """
    if name == "auto":
        return "int8" if device.type == "cpu" and int8_available() else "none"
    if name == "none":
        return name
    if name != "int8":
        raise InvalidInput("quantize", name, "one of none, int8, auto")
    if device.type != "cpu":
        raise InvalidInput("quantize", name, f"none or auto on {device.type}: int8 is for CPUs")
    if not int8_available():
        raise InvalidInput("quantize", name, "none or auto here: int8 needs an x86 CPU with AVX2")
    return name


def sum_in_full_precision() -> None:
    """A GPU's half-precision products are to be summed in fp32: in fp16 long sums overflow or lose their last bits."""
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


def device_name(device: torch.device) -> str:
    """For people: the GPU's or the CPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()} ({device.type.upper()}, {os.cpu_count()} cores)"


def memory(device: torch.device) -> Memory:
    """Of the GPU, or of the machine (its container's limit included) where the device shares it."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Memory(free, total)
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return Memory(max(total - torch.mps.driver_allocated_memory(), 0), total)
    return _host_memory()


def memory_free(device: torch.device) -> int:
    """Bytes that can still be taken and that no engine of this process has been promised."""
    free = memory(device).free
    return free if device.type == "cuda" else max(0, free - promised())


def give_memory_back(device: torch.device) -> None:
    """After an engine was closed: what PyTorch holds of a GPU's memory goes back to the others."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def memory_total(device: torch.device) -> int:
    return memory(device).total


def process_memory() -> int | None:
    """Bytes of the machine's memory that this process holds; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_used(device: torch.device) -> int | None:
    """Bytes that this process holds where the weights live."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    return process_memory()


def choose_slots(
    config: ModelConfig, device: torch.device, token_bytes: int, quantize: str, asked: int | None = None
) -> tuple[int, str]:
    """How many full-length streams fit in half of the memory that is free now (85% of a GPU's own), and why so many.

    `token_bytes`: what a token takes in the KV cache. To be called after the weights are loaded. At least 1; on a CPU
    at most 8, with int8 16, beyond which its cores gain little. What is `asked` for by --slots is not questioned.
    """
    if asked is not None:
        return asked, "as asked for by --slots"
    each = token_bytes * config.n_positions
    free = memory_free(device)
    most = MOST_SLOTS_GPU
    if device.type == "cpu":
        most = MOST_SLOTS_INT8 if quantize == "int8" else MOST_SLOTS_CPU
    share = SLOTS_MEMORY_SHARE_GPU if device.type == "cuda" else SLOTS_MEMORY_SHARE
    slots = max(1, min(most, int(free * share) // each))
    limit = (
        f"the most for {device.type}" if slots == most else f"{share:.0%} of the {free / 2**30:.1f} GiB that are free"
    )
    return slots, f"{slots} slots of {config.n_positions} tokens, {each / 2**20:.0f} MiB each: {limit}"


def _host_memory() -> Memory:
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    free = _proc_available()
    if free is None:
        # Not Linux: what is not in use at all, or half of the machine where even that is not told.
        names = os.sysconf_names
        free = page * os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in names else total // 2
    limit = _container_limit()
    if limit is not None and limit.total < total:
        return Memory(min(free, limit.free), limit.total)
    return Memory(free, total)


def _proc_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _container_limit(root: Path = Path("/sys/fs/cgroup")) -> Memory | None:
    """The memory limit of this process's control group (version 2), where there is one."""
    try:
        limit = (root / "memory.max").read_text(encoding="ascii").strip()
        used = int((root / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if limit == "max" else Memory(max(int(limit) - used, 0), int(limit))


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class Promise:
    """Bytes of the main memory that one engine may come to take. Several models in one process must not be promised the
    same ones.

    Args:
        most: all of them.
        taken: tells how many it has by now.
    """

    def __init__(self, most: int, taken: Callable[[], int]) -> None:
        self._most = most
        self._taken = taken
        with _lock:
            _promises.append(self)

    @property
    def open(self) -> int:
        """What it may still take."""
        return max(0, self._most - self._taken())

    def end(self) -> None:
        """The engine is closed. Idempotent."""
        with _lock:
            if self in _promises:
                _promises.remove(self)


_lock = threading.Lock()
_promises: list[Promise] = []


def promised() -> int:
    """Bytes that are free now and promised to engines that run."""
    with _lock:
        return sum(promise.open for promise in _promises)
