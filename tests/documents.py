"""The blocks of code in the READMEs, and how each is to be run: what the comment above it says.

(nothing)                               run as it is, in a folder that looks like the project's after installing
run against: a server with ...          the same, while the bundled checkpoint is served at the port that it names
tested by: FILE                         its commands stand in that file, which is run
not run: needs ...                      this machine lacks what it needs
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from readme import readmes

ROOT = Path(__file__).parent.parent
READMES = sorted(path.relative_to(ROOT) for path in readmes())
BLOCK = re.compile(
    r"(?:^<!-- (?P<marker>[^>]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
DOCUMENTED_PORT = "7860"


@dataclass(frozen=True)
class Block:
    """One block of code: where it stands, its language, the comment above it, its text."""

    path: Path
    line: int
    language: str
    marker: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Of a shell block, without comments and with one space between words."""
        lines = self.text.replace("\\\n", " ").splitlines()
        bare = [re.sub(r"\s+", " ", re.sub(r"(^|\s)#.*", "", line)).strip() for line in lines]
        return [line for line in bare if line]


def blocks(path: Path) -> Iterator[Block]:
    """The shell and Python blocks of a README, given by its path in the project."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if found["language"] in ("sh", "python"):
            line = text.count("\n", 0, found.start("language")) + 1
            yield Block(path, line, found["language"], found["marker"] or "", found["text"])


def run(block: Block, folder: Path, port: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a block in `folder`, made to look like an installed project; its port replaced by `port`."""
    for name in ("app.py", "codegen_ui", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    text = block.text if port is None else block.text.replace(DOCUMENTED_PORT, str(port))
    shell = ["bash", "-euo", "pipefail", "-c", text]
    command = shell if block.language == "sh" else [sys.executable, "-c", text]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
