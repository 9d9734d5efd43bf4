"""The seam between surfaces (page, API, library) and whatever generates (our engine, a remote server).

Surfaces know only these names. Everything here may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from codegen_ui.errors import PlaygroundError
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.steps import RecentSteps


@dataclass(frozen=True)
class TokenLogprob:
    """A token, as text, and its natural-log probability under the model (before temperature and filters)."""

    token: str
    logprob: float
    token_id: int | None = None


@dataclass(frozen=True)
class TokenEvent:
    """One generated token.

    Attributes:
        text: what became readable with it; empty while a UTF-8 character is incomplete or text is held back by a
            stop rule; more than its own text when held-back text was released. The joined texts are the completion.
        token_id: None where a remote server does not tell.
        logprob: of the chosen token; None unless asked for.
        top: the likeliest tokens, best first; empty unless asked for.
        time: `time.monotonic()` seconds.
    """

    text: str
    token_id: int | None
    logprob: TokenLogprob | None
    top: tuple[TokenLogprob, ...]
    time: float


@dataclass(frozen=True)
class Snapshot:
    """The state of a generation at one moment. `finish_reason` is None while it goes on; `error` comes with `ERROR`."""

    text: str
    metrics: GenerationMetrics
    finish_reason: FinishReason | None = None
    error: PlaygroundError | None = None


@dataclass(frozen=True)
class Completion:
    """The result of a generation that ended.

    Attributes:
        text: the completion alone, exactly as generated up to where it was ended.
        token_ids: every generated token, also those whose text a stop rule cut; empty where a remote does not tell.
        prompt_token_ids: the tokens that the model was given (after truncation from the left).
        seed: the seed that reproduces it.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    metrics: GenerationMetrics
    prompt_token_ids: tuple[int, ...] = ()
    seed: int | None = None
    tokens: tuple[TokenEvent, ...] = field(default=(), repr=False)


class Generation(Protocol):
    """A completion in the making."""

    @property
    def id(self) -> str: ...

    @property
    def request(self) -> GenerationRequest: ...

    @property
    def ended(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Text pieces as they come; blocks. Raises the `PlaygroundError` that ended it, if any. For one reader."""
        ...

    def cancel(self) -> None:
        """Ask to stop; returns at once. The slot is free after the engine's current step. Idempotent."""
        ...

    def result(self, timeout: float | None = None) -> Completion:
        """Wait for the end. Raises the error that ended it, or `TimeoutError` after `timeout` seconds."""
        ...

    def snapshot(self) -> Snapshot:
        """The text and figures now; cheap enough for ten calls a second."""
        ...

    def tokens(self, start: int = 0) -> tuple[TokenEvent, ...]:
        """The tokens generated so far, from index `start` on; the way to read every token without blocking."""
        ...

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call `wake` after every change (token, state, end), from the engine's thread: it must return at once.

        Called once immediately if the generation has ended already.
        """
        ...


@dataclass(frozen=True)
class ModelInfo:
    """What is loaded. Sizes in bytes, times in seconds; None where a remote does not tell."""

    name: str
    architecture: str
    context: int
    parameters: int | None = None
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    vocabulary: int | None = None
    dtype: str = ""
    quantize: str = "none"
    batch_invariant: bool | None = None
    """Whether a completion's tokens are the same, bit for bit, whoever else is served; None where a remote server does
    not tell."""
    batch_note: str = ""
    """Why not, where it could have been otherwise; for people."""
    lookup: bool = False
    """Whether it drafts by prompt lookup, for requests that do not decline."""
    device: str = ""
    device_name: str = ""
    weights_bytes: int | None = None
    memory_bytes: int | None = None
    load_seconds: float | None = None
    slots: int = 1
    slots_reason: str = ""
    revision: str = ""
    unsupported: dict[str, str] = field(default_factory=dict)
    """Request fields that this backend cannot honour -> the reason, for greying out (`{"min_p": "..."}`)."""


@dataclass(frozen=True)
class EngineStats:
    """The box at one moment and its totals since start. Bytes and seconds.

    `unavailable` says why nothing can be generated now, such as that every remote server is down; else empty.
    """

    active: int = 0
    waiting: int = 0
    slots: int = 1
    tokens_per_second: float = 0.0
    prompt_tokens_total: int = 0
    generation_tokens_total: int = 0
    finished: dict[str, int] = field(default_factory=dict)
    """Requests ended so far, by `FinishReason` value."""
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    kv_cache_bytes: int = 0
    kv_cache_written_bytes: int = 0
    prefix_cache_bytes: int = 0
    prefix_cache_queries: int = 0
    prefix_cache_hits: int = 0
    prefix_cache_hit_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    unavailable: str = ""


class Engine(Protocol):
    """Anything that generates."""

    @property
    def info(self) -> ModelInfo: ...

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue a request; returns at once. Raises `InvalidInput` (against this model's context) or `Busy`."""
        ...

    def count_tokens(self, text: str) -> int | None:
        """Number of prompt tokens of a text; None where the backend cannot tell."""
        ...

    def stats(self) -> EngineStats: ...

    @property
    def steps(self) -> RecentSteps:
        """The last of them; none where the backend does not tell."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the engine."""
        ...

    def on_failure(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the reason, in words, should the engine end by a fault and serve nobody from then on."""
        ...

    def close(self) -> None:
        """Cancel everything, free the memory and end the engine's thread. Idempotent."""
        ...
