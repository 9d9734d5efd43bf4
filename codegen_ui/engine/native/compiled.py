"""The compiled step: made once on each machine, some ten seconds, and found again at the next start.

The compiled code is kept in the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`), in a folder of its own for every
edition of these sources, wherever they lie (`locator`); numba keeps CPUs and its own versions apart in there. Where
nothing can be written it is compiled at every start.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from codegen_ui.engine.model.config import ModelConfig

logger = logging.getLogger(__name__)

CPU_NEEDS = ("avx2", "fma")
COMPILING = threading.Lock()
FOLDER = "codegen-playground"
LOCATOR = "codegen_ui.engine.native.locator.Anywhere"


def obstacle(config: ModelConfig) -> str | None:
    """Why these kernels cannot run this model here, in words that follow 'because'; None if they can."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"its kernels are for x86 CPUs, and this is {platform.machine()}"
    for name, value, unit in (
        ("width", config.n_embd, 32),
        ("inner width", config.inner, 32),
        ("heads' width", config.head_dim, 16),
    ):
        if value % unit:
            return f"its kernels need a multiple of {unit} for the {name}, and the model's is {value}"
    try:
        from codegen_ui.engine.native.intrinsics import cpu_features
        from codegen_ui.engine.native.team import openmp
    except ImportError as error:
        return f"numba, which compiles its kernels, cannot be imported ({error})"
    missing = [name for name in CPU_NEEDS if name not in cpu_features()]
    if missing:
        return f"this CPU lacks {', '.join(missing)}"
    if openmp() is None:
        return "no OpenMP library of PyTorch was found"
    return None


def step_address() -> int:
    """The address of the compiled `step`; takes seconds where it is compiled first."""
    from codegen_ui.engine.native.team import openmp

    openmp()  # makes its symbols known, which code from the cache needs too
    with COMPILING:
        return _compiled()


_address: list[int] = []
_kept: list[object] = []


def _compiled() -> int:
    import numba
    from numba import cfunc, types

    from codegen_ui.engine.native.step import step

    if _address:
        return _address[0]
    signature, begin = types.void(types.int64), time.perf_counter()
    folder = cache_folder(os.environ)
    places = {"CACHE_DIR": str(folder or ""), "CACHE_LOCATOR_CLASSES": LOCATOR}
    before = {name: getattr(numba.config, name) for name in places}
    vars(numba.config).update(places)
    try:
        made = cfunc(signature, cache=folder is not None, error_model="numpy")(step)
    finally:
        vars(numba.config).update(before)
    logger.info("kernels ready in %.1f s, kept in %s", time.perf_counter() - begin, folder or "no place")
    _kept.append(made)
    _address.append(made.address)
    return _address[0]


def is_kept() -> bool:
    """Whether a compiled edition is in the cache folder: for telling people why a start takes longer."""
    folder = cache_folder(os.environ)
    return bool(_address) or (folder is not None and any(folder.rglob("*.nbc")))


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Where this edition's compiled code is kept: a folder that only this user can write, or None."""
    home = environ.get("HOME")
    bases = [environ.get("XDG_CACHE_HOME"), home and os.path.join(home, ".cache")]
    for base in filter(None, bases):
        folder = Path(base) / FOLDER / f"kernels-{edition()}"
        if writable(folder):
            return folder
    return None


def writable(folder: Path) -> bool:
    """Whether this user, and nobody else, can write there: what is found there is run."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        if state.st_uid != os.geteuid() or state.st_mode & 0o022:
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def edition() -> str:
    """Tells these sources from others: a hash of them."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
