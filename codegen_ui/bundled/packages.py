"""The packages of `packages.txt`: fetched with pip as wheels, unpacked, never installed and never imported."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("packages.txt")


def fetch_packages(folder: Path, requirements: Path = REQUIREMENTS) -> None:
    """Unpack each wheel under FOLDER/NAME-VERSION; what is there already is not fetched again.

    Raises:
        subprocess.CalledProcessError: pip could not download one of them; its own message is on stderr.
    """
    pins = [line for line in requirements.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    for pin in pins:
        target = folder / pin.replace("==", "-")
        if target.is_dir():
            continue
        print(f"fetching {pin}", flush=True)
        with tempfile.TemporaryDirectory() as wheels:
            options = ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels]
            subprocess.run([sys.executable, "-m", "pip", "download", *options, pin], check=True)
            unpack(next(Path(wheels).glob("*.whl")), target)


def unpack(wheel: Path, folder: Path) -> None:
    """Whole or not at all, so that an interrupted run fetches it again."""
    partial = folder.with_name(folder.name + ".partial")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(partial)  # zipfile keeps members inside the folder
    partial.rename(folder)
