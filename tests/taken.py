"""How much memory this process uses, told by its allocators.

Python's own knows the bytes of its small blocks, and the C library those of everything else, its own libraries'
included. Neither costs anything before it is asked, where tracing makes every allocation several times dearer.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
import tempfile
from collections.abc import Callable
from typing import Any

SMALL = re.compile(rb"^# bytes in allocated blocks += +([\d,]+)$", re.MULTILINE)
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class Mallinfo(ctypes.Structure):
    """What glibc tells of its heaps. `uordblks` are their bytes in use, `hblkhd` those that are mapped beside them."""

    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]


def taken_since() -> Callable[[], int]:
    """Gives a function: bytes that are in use more than now, without what only waits to be collected."""
    begin = in_use()
    return lambda: in_use() - begin


def in_use() -> int:
    gc.collect()
    return small_blocks() + large_blocks()


def small_blocks() -> int:
    """Bytes of the blocks of 512 bytes or fewer, which Python prints and tells in no other way."""
    with tempfile.TemporaryFile() as printed:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        printed.seek(0)
        found = SMALL.search(printed.read())
    assert found is not None, "this Python keeps its small blocks in another way"
    return int(found[1].replace(b",", b""))


def large_blocks() -> int:
    told: Any = ctypes.CDLL(None).mallinfo2  # of glibc 2.33 and later
    told.restype = Mallinfo
    state = told()
    return int(state.uordblks + state.hblkhd)
