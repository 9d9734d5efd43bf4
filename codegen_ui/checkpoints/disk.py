"""Room on disks."""

from __future__ import annotations

import shutil
from pathlib import Path

from humanize import naturalsize


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
