"""An engine that says what a test told it to, a token at a time, and remembers what was asked of it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from codegen_ui.errors import Busy, GenerationFailed, PlaygroundError
from codegen_ui.generation import Completion, EngineStats, ModelInfo, Snapshot, TokenEvent, TokenLogprob
from codegen_ui.metrics import MetricsRecorder
from codegen_ui.request import FinishReason, GenerationRequest, StopAt
from codegen_ui.service import Loaded, Phase, Service
from codegen_ui.stopping import Stopper

EOS = 0
CONTEXT = 128


def word_ids(text: str) -> tuple[int, ...]:
    """One token a word: enough of a tokenizer for a test to count with."""
    return tuple(len(word) for word in text.split())


class FakeGeneration:
    """The `Generation` protocol over a script."""

    ids = itertools.count(1)

    def __init__(self, request: GenerationRequest, prompt_ids: tuple[int, ...], max_new_tokens: int) -> None:
        self.id = f"fake-{next(self.ids)}"
        self.request = request
        self.prompt_ids = prompt_ids
        self.seed = 7 if request.sampling.seed is None else request.sampling.seed
        self.max_new_tokens = max_new_tokens
        self.recorder = MetricsRecorder(time.monotonic(), max_new_tokens=max_new_tokens, seed=self.seed)
        self.recorder.prompt(len(prompt_ids))
        self.cancelled = threading.Event()
        self._changed = threading.Condition(threading.RLock())
        self._events: list[TokenEvent] = []
        self._text = ""
        self._reason: FinishReason | None = None
        self._error: PlaygroundError | None = None
        self._watchers: list[Callable[[], None]] = []

    @property
    def ended(self) -> bool:
        return self._reason is not None

    def __iter__(self) -> Iterator[str]:
        seen = 0
        while True:
            with self._changed:
                while len(self._events) == seen and self._reason is None:
                    self._changed.wait()
                events, ended = self._events[seen:], self._reason is not None
            seen += len(events)
            yield from (event.text for event in events if event.text)
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def cancel(self) -> None:
        self.cancelled.set()

    def result(self, timeout: float | None = None) -> Completion:
        with self._changed:
            if not self._changed.wait_for(lambda: self._reason is not None, timeout):
                raise TimeoutError
            assert self._reason is not None
            if self._error is not None:
                raise self._error
            ids = tuple(event.token_id for event in self._events if event.token_id is not None)
            metrics = self.recorder.snapshot(time.monotonic())
            return Completion(self._text, ids, self._reason, metrics, self.prompt_ids, self.seed, tuple(self._events))

    def snapshot(self) -> Snapshot:
        with self._changed:
            return Snapshot(self._text, self.recorder.snapshot(time.monotonic()), self._reason, self._error)

    def tokens(self, start: int = 0) -> tuple[TokenEvent, ...]:
        with self._changed:
            return tuple(self._events[start:])

    def subscribe(self, wake: Callable[[], None]) -> None:
        with self._changed:
            if self._reason is None:
                self._watchers.append(wake)
                return
        wake()

    def add(self, text: str, token_id: int, token: str) -> None:
        now = time.monotonic()
        wanted = self.request.logprobs
        chosen = None if wanted is None else TokenLogprob(token, -0.25, token_id)
        top = tuple(TokenLogprob(f"alt{i}", -1.0 - i, 100 + i) for i in range(wanted or 0))
        with self._changed:
            self.recorder.tokens(now)
            self._events.append(TokenEvent(text, token_id, chosen, top, now))
            self._text += text
        self._notify()

    def end(self, reason: FinishReason, rest: str = "", error: PlaygroundError | None = None) -> None:
        with self._changed:
            self.recorder.finished(time.monotonic(), early=reason is not FinishReason.LENGTH)
            self._text += rest
            self._reason, self._error = reason, error
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
            watchers = list(self._watchers)
        for wake in watchers:
            wake()


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
        self.script = script
        self.seconds = seconds
        self.fail_after = fail_after
        self.max_active = max_active
        self.requests: list[GenerationRequest] = []
        self.generations: list[FakeGeneration] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def encode(self, text: str) -> tuple[int, ...]:
        return word_ids(text)

    def count_tokens(self, text: str) -> int | None:
        return len(word_ids(text))

    @property
    def active(self) -> int:
        return sum(generation.snapshot().finish_reason is None for generation in self.generations)

    def submit(self, request: GenerationRequest) -> FakeGeneration:
        if self.active >= self.max_active:
            raise Busy(self.max_active)
        prompt = word_ids(request.prompt) if isinstance(request.prompt, str) else tuple(request.prompt)
        limit = request.max_new_tokens or request.max_length - len(prompt)
        generation = FakeGeneration(request, prompt, limit)
        self.requests.append(request)
        self.generations.append(generation)
        thread = threading.Thread(target=self._run, args=(generation,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return generation

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


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing happened within {seconds} s"
        time.sleep(0.005)
