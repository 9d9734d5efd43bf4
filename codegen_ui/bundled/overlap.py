"""Does one text occur in another? Runs of words in common, punctuation and layout aside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

WORDS = re.compile(r"\w+")
# in words
LONG_RUN = 13  # as used to find benchmark text in GPT-3's training data (Brown et al. 2020, appendix C)
NEW_RUN = 5  # for tasks whose wording must be new altogether
SHORT_RUN = 8  # for the suite's prompts, whose wording must be new


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
