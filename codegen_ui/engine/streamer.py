"""Token ids in, text out: the streamer that carries a completion from the engine's thread to its reader."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from queue import Queue
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from transformers import TextIteratorStreamer

from codegen_ui.errors import PlaygroundError


def plain_tokenizer(tokenizer: Any) -> Tokenizer:
    """A transformers tokenizer's own core, copied, that reads `<|endoftext|>` and the like in a prompt as text.

    The copy may be used from any thread; the original's setting is shared state that every call may flip.
    """
    core: Tokenizer = copy.deepcopy(tokenizer.backend_tokenizer)
    core.encode_special_tokens = True
    core.no_truncation()
    core.no_padding()
    return core


class IncrementalDecoder:
    """Ids to text, each piece as soon as its UTF-8 is whole; special tokens have no text.

    `push` costs the same however long the text is. The pieces joined with `finish`'s are the text of `decode_all` on
    all ids; after bytes that are no UTF-8 the pieces stay as they are and the end may differ from it.
    """

    def __init__(self, core: Tokenizer) -> None:
        self._core = core
        self._stream = DecodeStream([], skip_special_tokens=True)
        self._ids: list[int] = []
        self._length = 0

    def push(self, token_id: int) -> str:
        self._ids.append(token_id)
        piece = self._stream.step(self._core, token_id) or ""
        self._length += len(piece)
        return piece

    def finish(self) -> str:
        """Bytes that never became a character, as `\\ufffd`."""
        return decode_all(self._core, self._ids)[self._length :]


def decode_all(core: Tokenizer, ids: Iterable[int]) -> str:
    """The text of ids exactly as it was generated: no tidying of spaces, no special tokens."""
    return str(core.decode(list(ids), skip_special_tokens=True))


class GenerationStream(TextIteratorStreamer):  # type: ignore[misc]
    """transformers' `TextIteratorStreamer`, mended: text comes out at each token instead of each word, the cost of a
    token does not grow with the text, and an error on the writer's side reaches the reader.

    The engine writes by `write`; transformers' `generate(streamer=...)` by `put`. Either ends with `end` or `fail`. The
    reader iterates and gets text, then the end or the error.

    Args:
        tokenizer: a transformers tokenizer; unused by `write`.
        core: see `plain_tokenizer`; made from the tokenizer where it is not given.
        skip_prompt: leave out the first `put`, which is the prompt's.
        timeout: seconds the reader waits for a piece before `queue.Empty`; None waits for ever.
    """

    def __init__(
        self, tokenizer: Any, *, core: Tokenizer | None = None, skip_prompt: bool = False, timeout: float | None = None
    ) -> None:
        super().__init__(tokenizer, skip_prompt=skip_prompt, timeout=timeout)
        self.next_tokens_are_prompt: bool = True
        self.text_queue: Queue[str | PlaygroundError | None]
        self._core = core or plain_tokenizer(tokenizer)
        self.decoder = IncrementalDecoder(self._core)

    def put(self, value: Any) -> None:
        """Ids from `generate`: a tensor `[n]` or `[1, n]`. Raises `ValueError` for a batch of several."""
        if len(value.shape) > 1 and value.shape[0] > 1:
            raise ValueError("GenerationStream carries one sequence; give each of a batch its own")
        if self.skip_prompt and self.next_tokens_are_prompt:
            self.next_tokens_are_prompt = False
            return
        self.write("".join(self.decoder.push(token) for token in value.flatten().tolist()))

    def write(self, text: str) -> None:
        """Hand text to the reader; empty text is not handed on."""
        if text:
            self.text_queue.put(text)

    def end(self) -> None:
        """No more text. Bytes that are still incomplete come out as `\\ufffd` if `put` was the writer."""
        self.write(self.decoder.finish())
        self.decoder = IncrementalDecoder(self._core)
        self.next_tokens_are_prompt = True
        self.close()

    def close(self) -> None:
        """No more text, and nothing left to decode."""
        self.text_queue.put(self.stop_signal)

    def fail(self, error: PlaygroundError) -> None:
        """End with an error, which the reader's iteration raises after the text before it."""
        self.text_queue.put(error)

    def __next__(self) -> str:
        value = self.text_queue.get(timeout=self.timeout)
        if isinstance(value, str):
            return value
        self.text_queue.put(value)  # so that iterating again ends again instead of waiting for ever
        if value is None:
            raise StopIteration
        raise value
