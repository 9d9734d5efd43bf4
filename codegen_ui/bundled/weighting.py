"""How much each token counts in the loss: a rare name counts little where it is introduced and more where it is copied.

What a function's author calls its parameters cannot be predicted, and the gradient of trying is noise; what the body
calls them can be read in the signature.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

WORD = re.compile(r"\w+")
RARE = 0.01  # a word in fewer than this share of the documents is rare
UNIT = 10  # weights are stored as whole tenths
FIRST, COPY = 2, 20  # of a rare word that comes again, and of its coming again


def document_counts(texts: Iterable[str]) -> Counter[str]:
    """In how many documents each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(WORD.findall(text)))
    return counts


def token_weights(text: str, spans: Sequence[tuple[int, int]], common: set[str]) -> list[int]:
    """A weight in tenths for each token, given by its span of characters; what is neither first nor copy counts 1."""
    words = [found for found in WORD.finditer(text) if found[0] not in common and not found[0].isdigit()]
    often = Counter(found[0] for found in words)
    by_character = [UNIT] * len(text)
    seen: set[str] = set()
    for found in words:
        if often[found[0]] > 1:
            weight = COPY if found[0] in seen else FIRST
            by_character[found.start() : found.end()] = [weight] * (found.end() - found.start())
            seen.add(found[0])
    # a token's last character tells whose it is: the first may be the space before a word
    return [by_character[end - 1] if end > start else UNIT for start, end in spans]
