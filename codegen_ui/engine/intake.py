"""From a request to what the engine works on: tokens that fit the model, a seed, a deadline."""

from __future__ import annotations

import secrets
import time
from typing import Any

from codegen_ui.engine.live_generation import LiveGeneration
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.room import fit_prompt
from codegen_ui.engine.sequence import SequenceState, UniformStream
from codegen_ui.engine.streamer import plain_tokenizer
from codegen_ui.errors import InvalidInput
from codegen_ui.request import MAX_SEED, GenerationRequest


class Intake:
    """Any thread may use it.

    Args:
        tokenizer: transformers' own.
        deadline_seconds: the longest that a request may take.
    """

    def __init__(self, tokenizer: Any, config: ModelConfig, deadline_seconds: float) -> None:
        self._tokenizer = tokenizer
        self._plain = plain_tokenizer(tokenizer)
        self._config = config
        self._deadline_seconds = deadline_seconds
        self._eos: int | None = config.eos_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        """The token ids of a text, special tokens read as text."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def take(self, request: GenerationRequest) -> tuple[LiveGeneration, SequenceState]:
        """What the reader holds and what the engine computes. Raises `InvalidInput` where the model cannot serve it."""
        arrival = time.monotonic()
        given = tuple(self.encode(request.prompt) if isinstance(request.prompt, str) else request.prompt)
        if not given:
            raise InvalidInput("prompt", request.prompt, "text that this model's tokenizer knows")
        if max(given) >= self._config.vocab_size:
            raise InvalidInput("prompt", max(given), f"token ids below {self._config.vocab_size}")
        room = fit_prompt(len(given), request.max_length, request.max_new_tokens, self._config.n_positions)
        prompt = given[len(given) - room.kept :]
        seed = secrets.randbelow(min(MAX_SEED, 2**32)) if request.sampling.seed is None else request.sampling.seed
        seconds = self._deadline_seconds
        if request.deadline_seconds is not None:
            seconds = min(seconds, request.deadline_seconds)
        generation = LiveGeneration(
            request,
            prompt,
            dropped=len(given) - room.kept,
            max_new_tokens=room.new_tokens,
            seed=seed,
            arrival=arrival,
            deadline=arrival + seconds,
            eos=self._eos,
            tokenizer=self._tokenizer,
            core=self._plain,
        )
        sequence = SequenceState(
            request.visitor,
            list(prompt),
            max_tokens=len(prompt) + room.new_tokens,
            output=generation,
            sampling=request.sampling,
            logprobs=request.logprobs is not None,
            uniforms=UniformStream(seed, request.sampling.sample_index),
            drafts=request.lookup,
        )
        return generation, sequence
