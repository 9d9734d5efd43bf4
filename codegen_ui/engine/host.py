"""The engine: any thread submits, one thread computes, and everybody's tokens come out of the same steps.

That thread lives while there is work. GNU's OpenMP keeps a team of threads for every thread that has ever computed, and
once all teams together outnumber the cores it makes them sleep at every pause, by which a decode step takes a third
longer. So an engine that is idle, beside another model's or a program's own use of PyTorch, must not keep one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from codegen_ui.engine.assemble import Parts, assemble
from codegen_ui.engine.core import EngineCore
from codegen_ui.engine.decoders import Decoder
from codegen_ui.engine.device import choose_slots, give_memory_back, memory_total, memory_used
from codegen_ui.engine.faults import Failure, failure
from codegen_ui.engine.intake import Intake
from codegen_ui.engine.live_generation import LiveGeneration
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.threads import close_at_exit
from codegen_ui.engine.totals import Totals
from codegen_ui.errors import Busy, GenerationFailed, PlaygroundError
from codegen_ui.generation import EngineStats, ModelInfo
from codegen_ui.metrics import State
from codegen_ui.options import EngineOptions
from codegen_ui.request import FinishReason, GenerationRequest

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.001
"""How long the first request waits for another that comes with it, so that they start together."""
LINGER_SECONDS = 0.1
"""How long the thread stays when nothing is left to do: who asks again at once need not wait for another."""


class LocalEngine(AbstractContextManager["LocalEngine"]):
    """CodeGen on this machine, with continuous batching. A context manager; `close` ends what is running.

    Args:
        model: the weights; from now on only the engine uses them.
        tokenizer: transformers' tokenizer of the checkpoint.
        info: what is loaded; slots and memory are filled in here.
        options: see `EngineOptions`.
        common_code: texts that speculation drafts from, beside what it has seen.
        tell: hears, before this returns, what is being done where that takes long.
    """

    def __init__(
        self,
        model: Decoder,
        tokenizer: Any,
        info: ModelInfo,
        options: EngineOptions,
        common_code: Sequence[str] = (),
        tell: Callable[[str], None] = lambda stage: None,
    ) -> None:
        self._options = options
        self._device = model.device
        self._intake = Intake(tokenizer, model.config, options.deadline_seconds)
        slots, reason = choose_slots(model.config, model.device, model.token_bytes(), model.quantize, options.slots)
        self._info = replace(info, slots=slots, slots_reason=reason, context=model.config.n_positions)
        self._totals, self._failure = Totals(), Failure()
        self.steps = self._totals.steps
        decodable = min(len(tokenizer), model.config.vocab_size)
        store = map(self._intake.encode, common_code)
        self._parts: Parts | None = assemble(
            model, options, self._totals, streams=slots, decodable=decodable, store=store, tell=tell
        )
        self._lock = self._wake = threading.Condition(threading.Lock())
        # Under the lock: everything from here on.
        self._thread: threading.Thread | None = None
        self._inbox: list[SequenceState] = []
        self._unfinished: list[LiveGeneration] = []
        self._closing = self._warm = self._given_up = False
        self._step_began: float | None = None
        logger.info("%s: %d slots (%s)", info.name, slots, reason)
        close_at_exit(self)
        with self._lock:
            self._start_thread()

    @property
    def info(self) -> ModelInfo:
        return self._info

    def submit(self, request: GenerationRequest) -> LiveGeneration:
        """Queue a request. Tokenizes on the caller's thread. Raises `InvalidInput`, `Busy`, or, after `close`,
        `GenerationFailed`."""
        generation, sequence = self._intake.take(request)
        with self._lock:
            if self._closing:
                raise GenerationFailed("The engine is closed.")
            self._forget_finished()
            ahead = len(self._unfinished) - self._info.slots
            if ahead >= self._options.max_waiting:
                raise Busy(self._options.max_waiting)
            generation.recorder.queued(max(0, ahead + 1))
            self._unfinished.append(generation)
            self._inbox.append(sequence)
            self._wake.notify()
            self._start_thread()
        return generation

    def count_tokens(self, text: str) -> int:
        return len(self.encode(text))

    def encode(self, text: str) -> tuple[int, ...]:
        """The token ids that a prompt of this text has, before it is fitted to the context."""
        return tuple(self._intake.encode(text))

    def stats(self) -> EngineStats:
        with self._lock:
            self._forget_finished()
            unfinished, parts = list(self._unfinished), self._parts
        active = sum(generation.recorder.state is not State.QUEUED for generation in unfinished)
        return replace(
            self._totals.stats(),
            active=active,
            waiting=len(unfinished) - active,
            slots=self._info.slots,
            memory_used_bytes=memory_used(self._device),
            memory_total_bytes=memory_total(self._device),
            kv_cache_bytes=parts.kv_bytes if parts else 0,
            kv_cache_written_bytes=parts.written_bytes if parts else 0,
            prefix_cache_bytes=parts.kept_bytes if parts else 0,
            unavailable=self._failure.reason,
        )

    def on_failure(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with the reason if the engine should end by a fault: from then on it serves nobody."""
        self._failure.on(tell)

    @property
    def step_seconds(self) -> float:
        """How long the step that runs has lasted; 0 between two."""
        began = self._step_began
        return 0.0 if began is None else time.monotonic() - began

    def give_up(self, reason: str) -> None:
        """End what runs with an error and be of no more use, for a step that does not end: the engine's own thread
        cannot be asked. What that thread holds is freed if it ever comes back."""
        with self._lock:
            self._closing = self._given_up = True
            unfinished = list(self._unfinished)
        self._failure.happened(f"the engine is stuck ({reason})")
        error = GenerationFailed("The engine is stuck and is started anew; the text so far is kept.")
        for generation in unfinished:
            generation.finish(time.monotonic(), FinishReason.ERROR, error)
        self._failure.tell()

    def close(self) -> None:
        """End every generation, then the thread; weights and KV cache are freed. A stuck engine is left alone."""
        with self._lock:
            self._closing = True
            self._wake.notify()
            thread = self._thread
            if self._given_up:
                return
        if thread is None:
            self._shut(FinishReason.CANCELLED)
        elif threading.current_thread() is not thread:
            thread.join()

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _forget_finished(self) -> None:
        """Under the lock."""
        self._unfinished = [generation for generation in self._unfinished if not generation.ended]

    def _start_thread(self) -> None:
        """Under the lock: have a thread, where none is at work."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"engine {self._info.name}", daemon=True)
            self._thread.start()

    # From here on: the engine's thread.

    def _run(self) -> None:
        """Warm up, where that is still to be done, and work until nothing is left to do."""
        if not self._warm and self._parts is not None:
            self._parts.try_warm_up()
            self._warm = True
        try:
            while (core := self._work_comes()) is not None:
                while self._take_in(core):
                    self._step_began = time.monotonic()
                    core.step()
                    self._step_began = None
        except Exception as error:
            # Recovery itself failed. Nobody may be left waiting for an engine that is gone.
            logger.exception("the engine ended by a fault")
            self._fail(error)

    def _work_comes(self) -> EngineCore | None:
        """Rest until there are requests, and a moment longer for those that come with the first: behind its decoding
        the others would be prefilled in small chunks. None where none come: the next one starts another thread."""
        if self._parts is None:
            return None
        core = self._parts.core
        core.rest()
        with self._lock:
            self._wake.wait_for(lambda: self._inbox or self._closing, LINGER_SECONDS)
            if not self._inbox and not self._closing:
                self._thread = None
                return None
        before = -1
        while before < (count := len(self._inbox)) < self._info.slots and not self._closing:
            before = count
            time.sleep(GATHER_SECONDS)
        return core

    def _take_in(self, core: EngineCore) -> bool:
        """Hand new requests over, and end all when that is wanted; False where nothing is left to do."""
        with self._lock:
            new, self._inbox = self._inbox, []
            closing = self._closing
        for sequence in new:
            core.add(sequence)
        if closing:
            self._shut(FinishReason.CANCELLED)
            return False
        return bool(core.sequences)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._closing = True
        self._failure.happened(f"the engine ended by a fault ({type(error).__name__}: {error})")
        self._shut(FinishReason.ERROR, failure(error))
        self._failure.tell()

    def _shut(self, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        """End everybody, free everything. Later calls change nothing."""
        with self._lock:
            parts, self._parts = self._parts, None
            left, self._inbox = self._inbox, []
        if parts is not None:
            for sequence in left:
                parts.core.add(sequence)
            parts.core.end_all(reason, error)
            parts.promise.end()
            del parts
            give_memory_back(self._device)
