"""The tasks of `evaluate`, read from suite.txt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SUITE = Path(__file__).parent / "suite.txt"


@dataclass(frozen=True)
class SuiteTask:
    """A prompt to complete and the expressions that must be true of the result."""

    name: str
    prompt: str
    checks: tuple[str, ...]
    held_out: bool

    def program(self, completion: str) -> str:
        """Prompt, completion and checks as one program that exits with 0 when every check holds."""
        return self.prompt + completion + "\n\n" + "\n".join(f"assert {check}" for check in self.checks) + "\n"

    @property
    def defined(self) -> str:
        """The name of the function or class that the prompt begins."""
        found = re.search(r"^(?:def|class) (\w+)", self.prompt, flags=re.MULTILINE)
        return found[1] if found else ""

    @property
    def names_of_its_own(self) -> list[str]:
        """`defined`, and every name of several words in the prompt: parameters, attributes, methods."""
        return [self.defined, *sorted(set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", self.prompt)) - {self.defined})]


def load_suite(path: Path = SUITE) -> list[SuiteTask]:
    """Every task, in order. Raises ValueError where one has no prompt or no checks."""
    tasks = []
    for chunk in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, *lines = chunk.splitlines()
        split, _, name = head.replace("held out", "held_out").partition(" ")
        checks = tuple(line.removeprefix("check: ") for line in lines if line.startswith("check: "))
        body = [line[4:] for line in lines if not line.startswith("check: ")]
        prompt = "\n".join(body).strip("\n") + "\n"
        if split not in ("seen", "held_out") or not checks or not prompt.strip():
            raise ValueError(f"{path.name}: {head}: needs a split, a prompt and checks")
        tasks.append(SuiteTask(name, prompt, checks, split == "held_out"))
    return tasks
