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
from pathlib import Path

from tqdm import tqdm

from codegen_ui.bundled import DEFAULT_WORK
from codegen_ui.bundled.overlap import LONG_RUN, SHORT_RUN, drop_overlapping
from codegen_ui.bundled.packages import fetch_packages
from codegen_ui.bundled.realcode import Package, describe_package, documents
from codegen_ui.bundled.store import write_documents
from codegen_ui.bundled.suite import load_suite
from codegen_ui.bundled.writer import write_textbook
from codegen_ui.gallery import load_gallery

HELD_OUT_PACKAGES = {"toolz", "humanize", "starlette", "sortedcontainers", "inflection", "tabulate"}
Guarded = dict[int, list[str]]
MAX_PACKAGE_CHARACTERS = 900_000  # no single package's habits may fill the corpus; the standard library is exempt


def build_real(work: Path, seed: int, guarded: Guarded) -> list[dict[str, object]]:
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
        texts, _ = drop_overlapping(documents(package, seed, seen), guarded)
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


def _at_most(texts: list[str], characters: int) -> list[str]:
    kept = []
    for text in texts:
        characters -= len(text)
        if characters < 0:
            break
        kept.append(text)
    return kept


def build_textbook(work: Path, seed: int, count: int, guarded: Guarded) -> dict[str, int]:
    """Write textbook.train.jsonl and textbook.heldout.jsonl with about `count` documents; return their sizes.

    Documents that share a long run of words with a `guarded` text, what the checkpoint is measured by, are left out.
    """
    texts, dropped = drop_overlapping(write_textbook(seed, count), guarded)
    cut = max(1, len(texts) // 50)
    write_documents(work / "textbook.heldout.jsonl", texts[:cut])
    write_documents(work / "textbook.train.jsonl", texts[cut:])
    return {"documents": len(texts), "characters": sum(map(len, texts)), "dropped_for_overlap": dropped}


def guarded_texts(examples: Path) -> Guarded:
    """What must not occur in the training text: the suite's prompts and, in longer runs of words, the gallery's."""
    return {
        SHORT_RUN: [task.prompt for task in load_suite()],
        LONG_RUN: [example.prompt for example in load_gallery(examples)],
    }


def main(arguments: list[str] | None = None) -> None:
    """The command; writes the four .jsonl files and corpus.json under WORK."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--textbook-documents", type=int, default=100_000)
    parser.add_argument("--examples", type=Path, default=Path("examples"), help="the gallery's folder")
    options = parser.parse_args(arguments)
    guarded = guarded_texts(options.examples)
    fetch_packages(options.work / "packages")
    rows = build_real(options.work, options.seed, guarded)
    textbook = build_textbook(options.work, options.seed, options.textbook_documents, guarded)
    summary = {"packages": rows, "textbook": textbook}
    (options.work / "corpus.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    print(f"real: {sum(int(str(row['characters'])) for row in rows):,} characters; textbook: {textbook}")


if __name__ == "__main__":
    main()
