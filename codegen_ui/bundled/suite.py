"""What a checkpoint is measured by, and whether a text holds any of it.

The tasks of suite.txt are `evaluate`'s; the openings of first_things.txt are what a visitor without a gallery types,
and whether the completion does it. A text holds another where they have runs of words in common, punctuation and layout
aside.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SUITE = Path(__file__).parent / "suite.txt"
FIRST_THINGS = Path(__file__).parent / "first_things.txt"
SHORTEST_GUARDED = 8  # characters; shorter openings (`for`, `x = [`) are Python itself, which training text must hold
REPEATS = 4  # the same line so many times in a row is a loop
HARNESS = """
import ast, builtins, contextlib, io, os
source = {source!r}
printing = io.StringIO()
table = "name,age,city\\nAnn,31,Rome\\nBob,25,Oslo\\n"
def opened(path, mode="r", *rest, **options):
    reading = "w" not in mode and "a" not in mode
    return io.StringIO(table) if reading and not os.path.exists(path) else builtins.open(path, mode, *rest, **options)
scope = {{"__name__": "__main__", "input": lambda *asked: "7", "open": opened}}
with contextlib.redirect_stdout(printing):
    exec(compile(source, "completion", "exec"), scope)
printed = printing.getvalue()
made = None
for node in ast.parse(source).body:
    if made is None and isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        made = scope[node.name]
        if node.name == "Solution":
            method = next(each for each in node.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_")
            made = getattr(made(), method.name)
parsed = True
late = io.StringIO()
def shown():
    return late.getvalue()
scope.update(printed=printed, made=made, parsed=parsed, shown=shown)
with contextlib.redirect_stdout(late):
    for check in {checks!r}:
        assert eval(check, scope), check
"""
WORDS = re.compile(r"\w+")
# in words
LONG_RUN = 13  # as used to find benchmark text in GPT-3's training data (Brown et al. 2020, appendix C)
NEW_RUN = 5  # for tasks whose wording must be new altogether
SHORT_RUN = 8  # for the suite's prompts, whose wording must be new


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


@dataclass(frozen=True)
class Opening:
    """A prompt as it is typed and what must be true of the program that it becomes."""

    name: str
    prompt: str
    checks: tuple[str, ...]

    def program(self, completion: str) -> str:
        """One program that exits with 0 when every check holds."""
        return HARNESS.format(source=as_program(self.prompt, completion), checks=list(self.checks))


def load_first_things(path: Path = FIRST_THINGS) -> list[Opening]:
    """Every opening, in order. Raises ValueError where one has no prompt or no checks."""
    openings = []
    for chunk in re.split(r"^== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, *lines = chunk.splitlines()
        kind, _, name = head.partition(" ")
        checks = tuple(line.removeprefix("check: ") for line in lines if line.startswith("check: "))
        prompt = "\n".join(line[4:] for line in lines if not line.startswith("check: ")).strip("\n")
        if kind not in ("code", "english", "line") or not checks or not prompt:
            raise ValueError(f"{path.name}: {head}: needs a kind, a prompt and checks")
        openings.append(Opening(f"{kind} {name}", prompt + ("\n" if kind == "code" else ""), checks))
    return openings


def as_program(prompt: str, completion: str) -> str:
    """The code that a reader takes from it: all of it, or with the prompt inside a docstring, or what follows prose.

    Where nothing parses, prompt and completion as they are.
    """
    whole = prompt + completion
    lines = completion.splitlines()
    tails = ("\n".join(lines[first:]) for first in range(len(lines)))
    for text in (whole, '"""' + whole, *tails):
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError):
            continue
        if any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in body):
            return text
    return whole


def loops(text: str) -> bool:
    """Whether some line that is not blank stands four times in a row, the blank ones aside."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return any(len(set(lines[i : i + REPEATS])) == 1 for i in range(len(lines) - REPEATS + 1))


def standing(openings: Iterable[Opening], text: str) -> list[Opening]:
    """Those that a text has as lines of its own; letter case, spacing and a final full stop aside."""
    lines = _lines(text)
    present = set(lines)
    found = []
    for opening in openings:
        wanted = _lines(opening.prompt)
        if wanted[0] in present and any(lines[i : i + len(wanted)] == wanted for i in range(len(lines))):
            found.append(opening)
    return found


def guarded(opening: Opening) -> bool:
    """Whether training text must not hold it."""
    return len(opening.prompt.strip()) >= SHORTEST_GUARDED


@lru_cache(maxsize=256)
def _lines(text: str) -> list[str]:
    return [" ".join(line.lower().split()).rstrip(".:") for line in text.splitlines() if line.strip()]


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Every run of `length` words in the text, in lower case."""
    words = WORDS.findall(text.lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def drop_overlapping(texts: Iterable[str], guarded: Mapping[int, Iterable[str]]) -> tuple[list[str], int]:
    """The texts that share no run of words with a guarded one, and how many were dropped.

    `guarded` holds, by the length of the run that is too long to share, the texts that it holds for.
    """
    forbidden = {length: {run for text in held for run in runs(text, length)} for length, held in guarded.items()}
    every = list(texts)
    kept = [text for text in every if all(bad.isdisjoint(runs(text, n)) for n, bad in forbidden.items())]
    return kept, len(every) - len(kept)


def shared_runs(texts: Iterable[str], guarded: Iterable[str], length: int) -> tuple[int, int]:
    """How many of the guarded texts' runs occur anywhere in the texts, and how many they have."""
    wanted = {run for text in guarded for run in runs(text, length)}
    found: set[tuple[str, ...]] = set()
    for text in texts:
        found |= wanted & runs(text, length)
    return len(found), len(wanted)


def words_in(texts: Iterable[str], words: Iterable[str]) -> set[str]:
    """Those of the words that occur in some text, letter case aside."""
    wanted = {word.lower() for word in words}
    found: set[str] = set()
    for text in texts:
        found |= wanted & set(WORDS.findall(text.lower()))
    return found


def report_overlap(
    texts: Sequence[str], tasks: Sequence[SuiteTask], openings: Sequence[Opening], gallery: Sequence[str]
) -> None:
    """Print how far suite, first things and the prompts of the gallery occur in the training text."""
    held_out = [task for task in tasks if task.held_out]
    prompts = {
        "suite": [task.prompt for task in tasks],
        "gallery": gallery,
        "held-out tasks": [task.prompt for task in held_out],
    }
    for name, texts_of in prompts.items():
        for length in (NEW_RUN, SHORT_RUN, LONG_RUN):
            found, every = shared_runs(texts, texts_of, length)
            print(f"overlap, {name}: {found} of {every} runs of {length} words occur in the training text")
    names = words_in(texts, [task.defined for task in held_out])
    print(f"names of held-out tasks that occur in the training text: {sorted(names) or 'none'}")
    watched = [opening for opening in openings if guarded(opening)]
    found_openings = sorted({opening.name for text in texts for opening in standing(watched, text)})
    print(f"first things that stand in the training text: {found_openings or 'none'} of {len(watched)}")
    short = [opening.prompt for opening in openings if not guarded(opening)]
    print(f"too short to be kept out of it: {short}")
