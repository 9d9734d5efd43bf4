"""Whether a device draws tokens from a whole vocabulary as a CPU does.

Apple's MPS has had sorts and top-k that were wrong without a word: top-k beyond 16 filled with zeros (PyTorch issue
78915), 64-bit sorts beyond 256 elements (155560), sorts of views (175187), argsort of large tensors (183885). Which of
them a machine has depends on PyTorch and macOS, so they are looked for where the model runs, once, before it serves.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from codegen_ui.engine.sampler import Drawn, RowParams, Sampler
from codegen_ui.request import SamplingParams

logger = logging.getLogger(__name__)

STEEPNESS = 0.5
"""Each likeliest token has e^-0.5 of the probability of the one before: what is drawn is far from the next token's
share, so that no rounding of a sum moves it."""


def trusted_sampler(decodable: int, vocabulary: int, device: torch.device) -> Sampler:
    """A sampler that computes on the device, or on the host where the device does not draw what a CPU draws."""
    sampler = Sampler(decodable)
    if device.type == "cpu":
        return sampler
    try:
        wrong = drawn_on(device, sampler, vocabulary) != drawn_on(torch.device("cpu"), sampler, vocabulary)
        reason = "its sort or top-k over a whole vocabulary is wrong"
    except RuntimeError as error:  # an operator that the device lacks
        wrong, reason = True, str(error).partition("\n")[0]
    if not wrong:
        return sampler
    logger.warning("tokens are drawn on the CPU, not on %s: %s", device.type, reason)
    return Sampler(decodable, on_host=True)


def drawn_on(device: torch.device, sampler: Sampler, vocabulary: int) -> list[tuple[int, tuple[int, ...]]]:
    """For each kind of row its token and its likeliest ids, of logits whose order is known."""
    ranks = torch.randperm(vocabulary, generator=torch.Generator().manual_seed(1))
    rows = rows_of_each_kind(ranks[: sampler.decodable].argsort()[:3].numpy())
    logits = (ranks.float() * -STEEPNESS).expand(len(rows), -1).contiguous()
    return [known(one) for one in sampler.draw(logits.to(device), rows)]


def rows_of_each_kind(likeliest: np.typing.NDArray[np.int64]) -> list[RowParams]:
    """One of everything that a visitor can ask for, with uniform numbers inside of a token's share."""
    kinds = [
        SamplingParams(temperature=0),
        SamplingParams(temperature=1, top_p=1),
        SamplingParams(temperature=1, top_p=1, top_k=100),
        SamplingParams(temperature=1, top_p=0.9),
        SamplingParams(temperature=1, top_p=1, min_p=0.05),
        SamplingParams(temperature=0, repetition_penalty=1.5),
        SamplingParams(temperature=1, top_p=0.8, top_k=20, repetition_penalty=1.5),
    ]
    return [RowParams(kind, 0.4, likeliest if kind.repetition_penalty != 1 else None, logprobs=True) for kind in kinds]


def known(drawn: Drawn) -> tuple[int, tuple[int, ...]]:
    return drawn.token, tuple(token for token, _ in drawn.top)
