"""PyTorch's own OpenMP threads, for a compiled function of ours.

A second pool of threads beside PyTorch's would fight it for the cores. So the kernels run as a parallel region of the
very library that PyTorch has loaded, by the entry points that GNU's compiler uses and that Intel's and LLVM's OpenMP
have too: same threads, same waiting.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from llvmlite import binding
from numba import types

LIBRARIES = ("libgomp", "libiomp5", "libomp")
SYMBOLS = ("GOMP_barrier", "omp_get_thread_num", "omp_get_num_threads")
barrier = types.ExternalFunction("GOMP_barrier", types.void())
thread_number = types.ExternalFunction("omp_get_thread_num", types.int32())
thread_count = types.ExternalFunction("omp_get_num_threads", types.int32())


@cache
def openmp() -> ctypes.CDLL | None:
    """The OpenMP library that this process has loaded, its entry points known to compiled code; None without one."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None  # no Linux
    paths = {line.split(maxsplit=5)[-1] for line in lines if "/" in line}
    for path in sorted(paths):
        if Path(path).name.startswith(LIBRARIES):
            library = ctypes.CDLL(path)
            if all(hasattr(library, name) for name in (*SYMBOLS, "GOMP_parallel")):
                for name in SYMBOLS:
                    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
                    binding.add_symbol(name, address)
                return library
    return None


def run(function: int, argument: int, threads: int) -> None:
    """Call the compiled function at an address in each of so many threads, with one address as its argument."""
    library = openmp()
    assert library is not None
    library.GOMP_parallel(
        ctypes.c_void_p(function), ctypes.c_void_p(argument), ctypes.c_uint(threads), ctypes.c_uint(0)
    )
