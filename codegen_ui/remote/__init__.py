"""Generating on other machines, through any OpenAI-compatible completions server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen_ui.checkpoints.progress import Progress
from codegen_ui.errors import InvalidInput
from codegen_ui.remote.backend import Backend
from codegen_ui.remote.remote_engine import RemoteEngine
from codegen_ui.service import Loaded, Loader

__all__ = ["RemoteEngine", "make_loader"]


def make_loader(
    urls: Sequence[str], model: str | None, key_file: Path | None = None, *, deadline_seconds: float = 300.0
) -> Loader:
    """A loader for `Service` that waits until a server is up, however long that takes, and says for what it waits.

    Raises `InvalidInput`, now rather than then, for an address or a key file that cannot be used.
    """
    key = read_key(key_file)
    for url in urls:
        Backend(url, model, key)

    def load(name: str, progress: Progress) -> Loaded:
        engine = RemoteEngine(urls, model, key=key, deadline_seconds=deadline_seconds)
        told = ""
        while reason := engine.wait_until_up(1.0):
            if reason != told:
                told = reason
                progress(f"waiting for the backend: {reason}", 0, None)
        return Loaded(engine)

    return load


def read_key(path: Path | None) -> str | None:
    """The key in a file: its first line that is neither blank nor a comment. Raises `InvalidInput`."""
    if path is None:
        return None
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("backend_key_file", str(path), f"a readable text file ({error})") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys or not keys[0].isascii() or not keys[0].isprintable():
        raise InvalidInput("backend_key_file", str(path), "a file with a key of printable ASCII characters")
    return keys[0]
