"""An engine that says what a test told it to, a token at a time, and remembers what was asked of it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from types import TracebackType

from codegen_ui.errors import Busy, GenerationFailed, PlaygroundError
from codegen_ui.generation import EngineStats, ModelInfo, TokenEvent, TokenLogprob
from codegen_ui.readable import ReadableGeneration
from codegen_ui.request import FinishReason, GenerationRequest, StopAt
from codegen_ui.service import Loaded, Service
from codegen_ui.status import Phase
from codegen_ui.steps import RecentSteps
from codegen_ui.stopping import Stopper

EOS = 0
CONTEXT = 128


def word_ids(text: str) -> tuple[int, ...]:
    """One token a word: enough of a tokenizer for a test to count with."""
    return tuple(len(word) for word in text.split())


class FakeGeneration(ReadableGeneration):
    """The `Generation` protocol over a script."""

    def __init__(self, request: GenerationRequest, prompt_ids: tuple[int, ...], max_new_tokens: int) -> None:
        seed = 7 if request.sampling.seed is None else request.sampling.seed
        super().__init__(request, seed=seed, arrival=time.monotonic(), max_new_tokens=max_new_tokens)
        self.prompt_ids = prompt_ids
        self.max_new_tokens = max_new_tokens
        self.recorder.prompt(len(prompt_ids))
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()

    def add(self, text: str, token_id: int, token: str) -> None:
        now = time.monotonic()
        wanted = self.request.logprobs
        chosen = None if wanted is None else TokenLogprob(token, -0.25, token_id)
        top = tuple(TokenLogprob(f"alt{i}", -1.0 - i, 100 + i) for i in range(wanted or 0))
        self._add(now, [token_id], [TokenEvent(text, token_id, chosen, top, now)], [text])
        self.notify()

    def end(self, reason: FinishReason, rest: str = "", error: PlaygroundError | None = None) -> None:
        self._end(time.monotonic(), reason, error, rest)
        self.notify()


class FakeEngine:
    """Answers every prompt with `script`, `seconds` a token, then ends as the model would.

    Args:
        script: the tokens' texts.
        fail_after: raise a `GenerationFailed` after that many tokens.
        max_active: more at once are `Busy`.
    """

    def __init__(
        self,
        script: tuple[str, ...] = ("    return", " 1", "\n"),
        *,
        seconds: float = 0.0,
        fail_after: int | None = None,
        max_active: int = 100,
        context: int = CONTEXT,
    ) -> None:
        self.info = ModelInfo("fake", "CodeGenForCausalLM", context, dtype="float32", device="cpu")
        self.steps = RecentSteps()
        self.script = script
        self.seconds = seconds
        self.fail_after = fail_after
        self.max_active = max_active
        self.requests: list[GenerationRequest] = []
        self.generations: list[FakeGeneration] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._told: list[Callable[[str], None]] = []

    def encode(self, text: str) -> tuple[int, ...]:
        return word_ids(text)

    def count_tokens(self, text: str) -> int | None:
        return len(word_ids(text))

    @property
    def active(self) -> int:
        return sum(generation.snapshot().finish_reason is None for generation in self.generations)

    def submit(self, request: GenerationRequest) -> FakeGeneration:
        if self._closed.is_set():
            raise GenerationFailed("The engine is closed.")
        if self.active >= self.max_active:
            raise Busy(self.max_active)
        prompt = word_ids(request.prompt) if isinstance(request.prompt, str) else tuple(request.prompt)
        limit = request.max_new_tokens or request.max_length - len(prompt)
        generation = FakeGeneration(request, prompt, limit)
        self.requests.append(request)
        self.generations.append(generation)
        self._start(generation)
        return generation

    def _start(self, generation: FakeGeneration) -> None:
        thread = threading.Thread(target=self._run, args=(generation,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, generation: FakeGeneration) -> None:
        request = generation.request
        prompt = request.prompt if isinstance(request.prompt, str) else ""
        stopper = Stopper(prompt, StopAt(request.stop_at), request.stop)
        generation.recorder.started(time.monotonic())
        script = itertools.cycle(self.script) if request.stop_at is StopAt.LENGTH else iter(self.script)
        for count, piece in enumerate(script):
            if generation.cancelled.wait(self.seconds) or self._closed.is_set():
                generation.end(FinishReason.CANCELLED, stopper.finish())
                return
            if count == self.fail_after:
                generation.end(FinishReason.ERROR, error=GenerationFailed("The fake engine failed, as it was told to."))
                return
            text = stopper.push(piece)
            last = count + 1 == generation.max_new_tokens and stopper.reason is None
            generation.add(text + (stopper.finish() if last else ""), 10 + count, piece)
            if stopper.reason is not None or last:
                generation.end(stopper.reason or FinishReason.LENGTH)
                return
        generation.add(stopper.finish(), EOS, "<|endoftext|>")
        generation.end(FinishReason.EOS)

    def stats(self) -> EngineStats:
        ended: dict[str, int] = {}
        for generation in self.generations:
            reason = generation.snapshot().finish_reason
            if reason is not None:
                ended[reason.value] = ended.get(reason.value, 0) + 1
        metrics = [generation.snapshot().metrics for generation in self.generations]
        return EngineStats(
            active=self.active,
            slots=4,
            prompt_tokens_total=sum(figures.prompt_tokens for figures in metrics),
            generation_tokens_total=sum(figures.output_tokens for figures in metrics),
            finished=ended,
        )

    def __enter__(self) -> FakeEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_failure(self, tell: Callable[[str], None]) -> None:
        self._told.append(tell)

    def fail(self, reason: str) -> None:
        """End by a fault."""
        for tell in self._told:
            tell(reason)

    def close(self) -> None:
        self._closed.set()
        for generation in self.generations:
            generation.cancel()
        for thread in self._threads:
            thread.join(5)


def serve(engine: FakeEngine, name: str = "fake") -> Service:
    """A service whose one model is ready."""
    service = Service([name], lambda name, progress: Loaded(engine))
    service.start()
    wait_until(lambda: service.status().phase is Phase.READY)
    return service


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Look, at first often and then less often: what is waited for wants the processor too."""
    end, pause = time.monotonic() + seconds, 0.001
    while not condition():
        assert time.monotonic() < end, f"nothing happened within {seconds} s"
        time.sleep(pause)
        pause = min(0.02, 1.2 * pause)
