"""What one visitor asks for: validated once, here, whoever asks (page, API, library)."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from codegen_ui.errors import InvalidInput

MAX_PROMPT_CHARACTERS = 200_000
MAX_STOP_STRINGS = 16
MAX_STOP_CHARACTERS = 200
MAX_LENGTH = 2048
MAX_TOP_K = 51_200
MAX_TEMPERATURE = 5.0
MAX_REPETITION_PENALTY = 5.0
MAX_SEED = 2**63 - 1
MAX_LOGPROBS = 5


class StopAt(str, enum.Enum):
    """Where a completion ends, besides its stop strings and its length."""

    FUNCTION = "function"
    """The first complete top-level function or class, judged from the text; the model's own end too."""
    PAPER = "paper"
    """The truncation of the CodeGen paper's sampling script; the model's own end too."""
    EOS = "eos"
    """Only the model's own `<|endoftext|>`."""
    LENGTH = "length"
    """Only the maximum length: `<|endoftext|>` does not stop."""


class FinishReason(str, enum.Enum):
    """Why a generation ended."""

    FUNCTION = "function"
    PAPER = "paper"
    EOS = "eos"
    STOP_STRING = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    ERROR = "error"

    @property
    def early(self) -> bool:
        """Whether the model or a stopping rule ended the text, before a limit or anybody did."""
        return self in (FinishReason.FUNCTION, FinishReason.PAPER, FinishReason.EOS, FinishReason.STOP_STRING)


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is drawn; the order is transformers': penalty, temperature, top-k, top-p, min-p.

    Attributes:
        temperature: 0 means greedy; otherwise logits are divided by it.
        top_p: nucleus mass kept, in (0, 1]; 1 keeps all.
        top_k: number of tokens kept; 0 keeps all.
        min_p: tokens under this share of the likeliest one's probability are dropped, in [0, 1).
        repetition_penalty: 1 is none (Keskar et al. 2019, as in transformers, prompt included).
        seed: None draws one; the used seed is in the result.
        sample_index: which of several samples of one request this is; each has its own random stream.
    """

    temperature: float = 0.2
    top_p: float = 0.95
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    sample_index: int = 0


@dataclass(frozen=True, init=False)
class GenerationRequest:
    """One completion to make. Construction raises `InvalidInput`, naming the field, for anything out of range.

    Attributes:
        prompt: text, or token ids (used as they are) for programs that tokenize themselves.
        max_length: prompt and completion together, in tokens (transformers' `max_length`).
        max_new_tokens: when given, bounds the completion alone and `max_length` is the model's context.
        sampling: see `SamplingParams`.
        stop: strings that end the completion; they are not part of its text.
        stop_at: see `StopAt`.
        logprobs: None, or how many of the likeliest tokens (0 to 5) to report beside each chosen one.
        deadline_seconds: None takes the engine's default; counted from arrival.
        visitor: who asks, for fairness between visitors; any opaque string.
    """

    prompt: str | tuple[int, ...]
    max_length: int
    max_new_tokens: int | None
    sampling: SamplingParams
    stop: tuple[str, ...]
    stop_at: StopAt
    logprobs: int | None
    deadline_seconds: float | None
    visitor: str

    def __init__(
        self,
        prompt: str | Sequence[int],
        *,
        max_length: int = 512,
        max_new_tokens: int | None = None,
        temperature: float = 0.2,
        top_p: float = 0.95,
        top_k: int = 0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        sample_index: int = 0,
        stop: str | Sequence[str] = (),
        stop_at: str | StopAt = StopAt.FUNCTION,
        logprobs: int | None = None,
        deadline_seconds: float | None = None,
        visitor: str = "",
    ) -> None:
        values = {
            "prompt": check_prompt(prompt),
            "max_length": check_integer("max_length", max_length, 2, MAX_LENGTH),
            "max_new_tokens": None
            if max_new_tokens is None
            else check_integer("max_new_tokens", max_new_tokens, 1, MAX_LENGTH - 1),
            "sampling": SamplingParams(
                temperature=check_number("temperature", temperature, 0, MAX_TEMPERATURE),
                top_p=check_number("top_p", top_p, 0, 1, open_low=True),
                top_k=check_integer("top_k", top_k, 0, MAX_TOP_K),
                min_p=check_number("min_p", min_p, 0, 1, open_high=True),
                repetition_penalty=check_number(
                    "repetition_penalty", repetition_penalty, 0, MAX_REPETITION_PENALTY, open_low=True
                ),
                seed=None if seed is None else check_integer("seed", seed, 0, MAX_SEED),
                sample_index=check_integer("sample_index", sample_index, 0, 1_000_000),
            ),
            "stop": check_stop(stop),
            "stop_at": check_stop_at(stop_at),
            "logprobs": None if logprobs is None else check_integer("logprobs", logprobs, 0, MAX_LOGPROBS),
            "deadline_seconds": None
            if deadline_seconds is None
            else check_number("deadline_seconds", deadline_seconds, 0, 86_400, open_low=True),
            "visitor": visitor,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)


def check_integer(field: str, value: object, low: int, high: int) -> int:
    """The value as an int; whole floats (a slider's 512.0) count. Raises `InvalidInput`."""
    limit = f"a whole number from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(field, value, limit)
    if not math.isfinite(value) or value != int(value) or not low <= value <= high:
        raise InvalidInput(field, value, limit)
    return int(value)


def check_number(
    field: str, value: object, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> float:
    """The value as a float within its bounds (an open bound is itself excluded). Raises `InvalidInput`."""
    limit = f"a number {'above' if open_low else 'from'} {low:g} {'and below' if open_high else 'to'} {high:g}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(field, value, limit)
    too_low = value <= low if open_low else value < low
    too_high = value >= high if open_high else value > high
    if too_low or too_high:
        raise InvalidInput(field, value, limit)
    return float(value)


def check_prompt(prompt: object) -> str | tuple[int, ...]:
    """Text that can be tokenized, or a tuple of token ids. Raises `InvalidInput`."""
    if isinstance(prompt, str):
        return check_text(prompt)
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes):
        raise InvalidInput("prompt", prompt, "text or a list of token ids")
    if not prompt:
        raise InvalidInput("prompt", prompt, "at least one token")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidInput("prompt", f"{len(prompt)} token ids", f"at most {MAX_PROMPT_CHARACTERS} token ids")
    return tuple(check_integer("prompt", token, 0, 2**31 - 1) for token in prompt)


def check_text(text: str) -> str:
    if not text:
        raise InvalidInput("prompt", text, "at least one character")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise InvalidInput("prompt", f"a text of {len(text):,} characters", f"at most {MAX_PROMPT_CHARACTERS:,}")
    if "\0" in text:
        raise InvalidInput("prompt", f"a NUL byte at character {text.index(chr(0))}", "text without NUL bytes")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        found = f"a lone surrogate at character {error.start}"
        raise InvalidInput("prompt", found, "text that can be written as UTF-8") from None
    return text


def check_stop(stop: object) -> tuple[str, ...]:
    strings = (stop,) if isinstance(stop, str) else stop
    if not isinstance(strings, Sequence):
        raise InvalidInput("stop", stop, "a list of strings")
    if len(strings) > MAX_STOP_STRINGS:
        raise InvalidInput("stop", f"{len(strings)} strings", f"at most {MAX_STOP_STRINGS} strings")
    for string in strings:
        if not isinstance(string, str) or not 1 <= len(string) <= MAX_STOP_CHARACTERS:
            raise InvalidInput("stop", string, f"strings of 1 to {MAX_STOP_CHARACTERS} characters")
    return tuple(strings)


def check_stop_at(value: object) -> StopAt:
    try:
        return StopAt(value)
    except ValueError:
        names = ", ".join(choice.value for choice in StopAt)
        raise InvalidInput("stop_at", value, f"one of {names}") from None
