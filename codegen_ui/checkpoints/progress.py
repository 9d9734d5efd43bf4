"""How far a download is, in bytes, told to whoever shows it; and whether a disk has room for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

from humanize import naturalsize


class Progress(Protocol):
    """Reports how far a stage is, in bytes; `total` is None where it is not known."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


def no_progress(stage: str, done: int, total: int | None) -> None:
    """For callers that do not watch."""


class ByteCounter:
    """Bytes of one download over all its files, reported as they come."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.done = 0
        self.total = total
        self._progress = progress
        self._before = 0

    def file(self, size: int) -> FileBar:
        """Begin a file, or begin it again after a failed try."""
        self.done = self._before
        return FileBar(self, size)

    def at(self, bytes_of_file: int) -> None:
        self.done = self._before + bytes_of_file
        self._progress("downloading", self.done, self.total)

    def file_done(self, size: int) -> None:
        """Also for a file that came from the cache."""
        self._before += size
        self.at(0)


class FileBar:
    """One file's progress in the shape of a tqdm bar.

    It is given to the hub's client in place of a tqdm class: calling it, as the client does, yields itself. Bytes
    written count; those of the transfer below them (Xet's second bar) would count twice.
    """

    def __init__(self, counter: ByteCounter, size: int) -> None:
        self._counter = counter
        self._size = size
        self._received = 0
        self.total: float | None = size

    def __call__(self, *args: object, initial: int = 0, **options: object) -> FileBar:
        self._received = initial
        return self

    def __enter__(self) -> FileBar:
        return self

    def __exit__(self, *error: object) -> None: ...

    def update(self, count: float | None = 1) -> None:
        self._received += int(count or 0)
        self._counter.at(max(0, min(self._received, self._size)))

    def update_transfer(self, count: float | None = 1) -> None: ...

    def set_postfix_str(self, text: str = "", refresh: bool = True) -> None: ...

    def set_transfer_postfix_str(self, text: str = "", refresh: bool = True) -> None: ...

    def refresh(self) -> None: ...

    def close(self) -> None: ...


def no_room(cache: Path, free: int | None, needed: int) -> str:
    left = f" ({naturalsize(free)} free)" if free is not None else ""
    return (
        f"there is no room on the disk for {naturalsize(needed)} in {cache}{left}. "
        "Free some, or set HF_HOME to a folder on another disk."
    )


def free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk that `folder` is, or would be, on; None where that cannot be told."""
    for existing in (folder, *folder.parents):
        if existing.exists():
            return shutil.disk_usage(existing).free
    return None
