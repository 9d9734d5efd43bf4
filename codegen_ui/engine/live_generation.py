"""A completion in the making, as the engine's thread writes it: tokens to text, stop rules, the reader's streamer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer

from codegen_ui.engine.streamer import GenerationStream, decode_all
from codegen_ui.errors import GenerationFailed, PlaygroundError
from codegen_ui.generation import TokenEvent, TokenLogprob
from codegen_ui.readable import ReadableGeneration
from codegen_ui.request import FinishReason, GenerationRequest, StopAt
from codegen_ui.stopping import Stopper


class LiveGeneration(ReadableGeneration):
    """The engine's `Generation`. Only the engine's thread calls `add_tokens` and `finish`; the rest is for everyone.

    Args:
        request: what was asked for.
        prompt_ids: what the model is given, after truncation from the left.
        max_new_tokens: how many tokens may follow, at least 1.
        seed: the one in use.
        deadline: `time.monotonic()` at which it ends whatever happens.
        eos: the id that ends a text, or None.
        tokenizer: transformers' own, for the streamer.
        core: see `streamer.plain_tokenizer`.
    """

    def __init__(
        self,
        request: GenerationRequest,
        prompt_ids: tuple[int, ...],
        *,
        dropped: int,
        max_new_tokens: int,
        seed: int,
        arrival: float,
        deadline: float,
        eos: int | None,
        tokenizer: Any,
        core: Tokenizer,
    ) -> None:
        super().__init__(request, seed=seed, arrival=arrival, max_new_tokens=max_new_tokens)
        self.prompt_ids = prompt_ids
        self.max_new_tokens = max_new_tokens
        self.deadline = deadline
        self.recorder.prompt(len(prompt_ids), dropped=dropped)
        self.cancelled_at: float | None = None
        self._eos = eos
        self._core = core
        self._stream = GenerationStream(tokenizer, core=core)
        prompt_text = request.prompt if isinstance(request.prompt, str) else decode_all(core, request.prompt)
        self._stopper = Stopper(prompt_text, StopAt(request.stop_at), request.stop)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def cancel(self) -> None:
        with self._changed:
            if self.cancelled_at is None and self._reason is None:
                self.cancelled_at = time.monotonic()

    # The engine's side.

    @property
    def output_ids(self) -> Sequence[int]:
        return self._ids

    def add_tokens(
        self,
        now: float,
        ids: Sequence[int],
        logprobs: Sequence[tuple[float, Sequence[tuple[int, float]]]] | None = None,
    ) -> FinishReason | None:
        """Take new tokens in order, up to the one that ends the text; returns why it ended, or None.

        `logprobs` has, for each id, that of the id and the likeliest (id, logprob) pairs, best first. The caller then
        calls `finish` with the reason.
        """
        reason = None
        events: list[TokenEvent] = []
        for index, token in enumerate(ids):
            ended = token == self._eos and self.request.stop_at is not StopAt.LENGTH
            text = self._stopper.push("" if token == self._eos else self._stream.decoder.push(token))
            reason = self._stopper.reason
            if reason is None and ended:
                reason = FinishReason.EOS
            if reason is None and len(self._ids) + len(events) + 1 >= self.max_new_tokens:
                reason = FinishReason.LENGTH
            if reason in (FinishReason.EOS, FinishReason.LENGTH):
                text += self._release_rest()
                reason = self._stopper.reason or reason
            chosen, top = (None, ()) if logprobs is None else self._named(token, *logprobs[index])
            events.append(TokenEvent(text, token, chosen, top, now))
            if reason is not None:
                break
        self._add(now, ids[: len(events)], events, [event.text for event in events])
        self._stream.write("".join(event.text for event in events))
        return reason

    def finish(self, now: float, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        """End it: releases what is held back, tells readers and watchers. Later calls change nothing."""
        if self.ended:
            return
        rest = self._release_rest() if reason in (FinishReason.CANCELLED, FinishReason.DEADLINE) else ""
        if reason is FinishReason.ERROR and error is None:
            error = GenerationFailed("The engine failed while generating; the text so far is kept.")
        self._end(now, reason, error, rest)
        self._stream.write(rest)
        if error is not None:
            self._stream.fail(error)
        else:
            self._stream.close()
        self.notify()

    def _release_rest(self) -> str:
        released = self._stopper.push(self._stream.decoder.finish())
        return released if self._stopper.reason is not None else released + self._stopper.finish()

    def _named(
        self, token: int, logprob: float, top: Sequence[tuple[int, float]]
    ) -> tuple[TokenLogprob, tuple[TokenLogprob, ...]]:
        def named(token_id: int, value: float) -> TokenLogprob:
            return TokenLogprob(str(self._core.decode([token_id], skip_special_tokens=False)), value, token_id)

        wanted = self.request.logprobs or 0
        return named(token, logprob), tuple(named(*pair) for pair in top[:wanted])
