"""A completion that another server makes: written by the event loop's thread."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator

from codegen_ui.errors import PlaygroundError
from codegen_ui.generation import TokenEvent
from codegen_ui.metrics import MetricsRecorder
from codegen_ui.readable import ReadableGeneration
from codegen_ui.remote.wire import Piece
from codegen_ui.request import FinishReason, GenerationRequest, SamplingParams, StopAt
from codegen_ui.stopping import Stopper

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


class RemoteGeneration(ReadableGeneration):
    """The `Generation` protocol. Times are taken when a chunk arrives here: the network is part of them."""

    def __init__(self, request: GenerationRequest, on_cancel: Callable[[RemoteGeneration], None]) -> None:
        seed, most = seed_of(request.sampling), request.max_new_tokens or 0
        super().__init__(request, seed=seed, arrival=time.monotonic(), max_new_tokens=most)
        self._on_cancel = on_cancel
        prompt_text = request.prompt if isinstance(request.prompt, str) else ""
        self._stopper = Stopper(prompt_text, StopAt(request.stop_at), request.stop)
        self._count = 0
        self._started = False

    def cancel(self) -> None:
        self._on_cancel(self)

    # The event loop's side.

    @property
    def started(self) -> bool:
        """Whether a server has begun to answer."""
        return self._started

    @property
    def count(self) -> int:
        """Tokens that have come."""
        return self._count

    @property
    def prompt_tokens(self) -> int:
        return self.recorder.snapshot(time.monotonic()).prompt_tokens

    def prepare(self, prompt_tokens: int, prompt_ids: tuple[int, ...], *, dropped: int, max_new_tokens: int) -> None:
        """The prompt has been counted and fitted, before anything was sent."""
        with self._changed:
            self.recorder = MetricsRecorder(self.arrival, max_new_tokens=max_new_tokens, seed=self.seed)
            self.recorder.prompt(prompt_tokens, dropped=dropped)
            self.prompt_ids = prompt_ids

    def start(self) -> None:
        """The server has begun to answer."""
        self._started = True
        self.recorder.started(time.monotonic())
        self.notify()

    def add(self, piece: Piece) -> tuple[int, FinishReason | None]:
        """Take a chunk: how many new tokens that were, and the rule of ours that ended it, if any."""
        now = time.monotonic()
        new = self._new_tokens(piece)
        text = self._stopper.push(piece.text)
        if piece.usage is not None and piece.usage[0]:
            self.recorder.prompt(piece.usage[0], dropped=self.recorder.snapshot(now).dropped_prompt_tokens)
        self._count += new
        self._add(now, piece.token_ids, tuple(self._token_events(piece, new, text, now)), [text])
        self.notify()
        return new, self._stopper.reason

    def finish(self, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        """End it: releases what was held back, tells readers. Later calls change nothing."""
        if self.ended:
            return
        self._end(time.monotonic(), reason, error, self._stopper.finish())
        self.notify()

    def _new_tokens(self, piece: Piece) -> int:
        """How many tokens a chunk adds: as it says itself, else by the usage so far, else one if it has text."""
        if piece.tokens:
            return piece.tokens
        if piece.usage is not None:
            return max(0, piece.usage[1] - self._count)
        return 1 if piece.text and piece.tokens is None else 0

    def _token_events(self, piece: Piece, new: int, text: str, now: float) -> Iterator[TokenEvent]:
        """One event a token; the chunk's text belongs to the last one."""
        wanted = self.request.logprobs or 0
        for index in range(new):
            token_id = piece.token_ids[index] if index < len(piece.token_ids) else None
            chosen, top = piece.logprobs[index] if index < len(piece.logprobs) else (None, ())
            yield TokenEvent(text if index == new - 1 else "", token_id, chosen, top[:wanted], now)
