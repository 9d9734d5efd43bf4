"""Build the training text: `python -m codegen_ui.bundled.corpus`.

Two parts: functions and classes of packages under permissive licences (those of `packages.txt`, fetched on the first
run, and the standard library), and textbook tasks written out in many variations.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from codegen_ui.bundled import DEFAULT_WORK
from codegen_ui.bundled.realcode import Package, describe_package, documents, fetch_packages
from codegen_ui.bundled.store import read_documents, write_documents
from codegen_ui.bundled.suite import (
    LONG_RUN,
    NEW_RUN,
    SHORT_RUN,
    Opening,
    drop_overlapping,
    guarded,
    load_first_things,
    load_suite,
    standing,
    words_in,
)
from codegen_ui.bundled.writer import write_textbook
from codegen_ui.gallery import load_gallery

HELD_OUT_PACKAGES = {"toolz", "humanize", "starlette", "inflection", "tabulate"}
SAMPLE = {"real": 165_000, "textbook": 90_000}  # characters of held-out text to keep beside the recipe
LONGEST = 2400  # characters of a document; more than what bits per byte are measured on at once
MAX_PACKAGE_CHARACTERS = 900_000  # no single package's habits may fill the corpus; the standard library is exempt


def build_real(work: Path, seed: int, guard: Guard) -> list[dict[str, object]]:
    """Write real.train.jsonl and real.heldout.jsonl; return a row for each package (name, version, licence, size)."""
    library = Path(sysconfig.get_path("stdlib"))
    packages = [Package("Python standard library", platform.python_version(), "PSF-2.0", library)]
    packages += [describe_package(folder) for folder in sorted((work / "packages").glob("*-*[0-9]"))]
    seen: set[str] = set()
    rows: list[dict[str, object]] = []
    train: list[str] = []
    held_out: list[str] = []
    # held-out packages first: what they share with others is then missing from the training side
    for package in tqdm(sorted(packages, key=lambda p: p.name not in HELD_OUT_PACKAGES), desc="packages"):
        texts, _ = guard.keep(documents(package, seed, seen))
        random.Random(seed).shuffle(texts)
        if package is not packages[0]:
            texts = _at_most(texts, MAX_PACKAGE_CHARACTERS)
        part = held_out if package.name in HELD_OUT_PACKAGES else train
        part.extend(texts)
        rows.append(
            {
                "name": package.name,
                "version": package.version,
                "licence": package.licence,
                "documents": len(texts),
                "characters": sum(map(len, texts)),
                "held_out": part is held_out,
            }
        )
    random.Random(seed).shuffle(train)
    write_documents(work / "real.train.jsonl", train)
    write_documents(work / "real.heldout.jsonl", held_out)
    return rows


def _at_most(texts: Iterable[str], characters: int) -> list[str]:
    kept = []
    for text in texts:
        characters -= len(text)
        if characters < 0:
            break
        kept.append(text)
    return kept


def build_textbook(work: Path, seed: int, count: int, guard: Guard) -> dict[str, int]:
    """Write textbook.train.jsonl and textbook.heldout.jsonl with about `count` documents; return their sizes.

    Documents that hold something of what the checkpoint is measured by, see `Guard`, are left out.
    """
    texts, dropped = guard.keep(write_textbook(seed, count))
    cut = max(1, len(texts) // 50)
    write_documents(work / "textbook.heldout.jsonl", texts[:cut])
    write_documents(work / "textbook.train.jsonl", texts[cut:])
    return {"documents": len(texts), "characters": sum(map(len, texts)), "dropped_for_overlap": dropped}


def write_sample(work: Path, folder: Path) -> None:
    """Keep the head of the held-out parts, what `evaluate` measures bits per byte on, in a folder of the repository."""
    for part, characters in SAMPLE.items():
        short = (text for text in read_documents(work / f"{part}.heldout.jsonl") if len(text) <= LONGEST)
        write_documents(folder / f"{part}.jsonl", _at_most(short, characters))


@dataclass(frozen=True)
class Guard:
    """What must not occur in the training text.

    `runs` holds texts by how many of their words in a row are too many to share, `names` words that must not occur at
    all, and `openings` what must not stand on lines of its own.
    """

    runs: dict[int, list[str]]
    names: list[str]
    openings: list[Opening]

    def keep(self, texts: Iterable[str]) -> tuple[list[str], int]:
        """The texts that hold nothing of it, and how many were dropped."""
        kept, dropped = drop_overlapping(texts, self.runs)
        apart = [text for text in kept if not words_in([text], self.names) and not standing(self.openings, text)]
        return apart, dropped + len(kept) - len(apart)


def guard(examples: Path) -> Guard:
    """Suite, first things and gallery."""
    tasks = load_suite()
    held_out = [task for task in tasks if task.held_out]
    return Guard(
        runs={
            NEW_RUN: [task.prompt for task in held_out],
            SHORT_RUN: [task.prompt for task in tasks],
            LONG_RUN: [example.prompt for example in load_gallery(examples)],
        },
        names=[name for task in held_out for name in task.names_of_its_own],
        openings=[opening for opening in load_first_things() if guarded(opening)],
    )


def main(arguments: list[str] | None = None) -> None:
    """The command; writes the four .jsonl files and corpus.json under WORK."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--textbook-documents", type=int, default=100_000)
    parser.add_argument("--examples", type=Path, default=Path("examples"), help="the gallery's folder")
    parser.add_argument("--sample", type=Path, help="also keep a sample of the held-out text in this folder")
    options = parser.parse_args(arguments)
    apart = guard(options.examples)
    fetch_packages(options.work / "packages")
    rows = build_real(options.work, options.seed, apart)
    textbook = build_textbook(options.work, options.seed, options.textbook_documents, apart)
    if options.sample:
        write_sample(options.work, options.sample)
    summary = {"packages": rows, "textbook": textbook}
    (options.work / "corpus.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    print(f"real: {sum(int(str(row['characters'])) for row in rows):,} characters; textbook: {textbook}")


if __name__ == "__main__":
    main()
