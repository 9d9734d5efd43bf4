"""Seeds for servers that know no sample of a seed but the first."""

from __future__ import annotations

import hashlib
import secrets

from codegen_ui.request import SamplingParams

SEEDS = 2**31
"""Seeds that we choose are below it: every server takes those."""


def seed_of(sampling: SamplingParams) -> int:
    """The seed to send: the one asked for, or any."""
    seed = secrets.randbelow(SEEDS) if sampling.seed is None else sampling.seed
    return sample_seed(seed, sampling.sample_index)


def sample_seed(seed: int, sample_index: int) -> int:
    """The seed to send for one of several samples: the request's own for the first, a hash of both for the others.

    No server takes a seed and a sample's index. Their sum would make the second sample of a seed the first of the next.
    """
    if sample_index == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/{sample_index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % SEEDS
