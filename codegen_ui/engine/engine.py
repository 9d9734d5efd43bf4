"""The engine: any thread submits, one thread computes, and everybody's tokens come out of the same steps.

That thread lives while there is work. GNU's OpenMP keeps a team of threads for every thread that has ever computed, and
once all teams together outnumber the cores it makes them sleep at every pause, by which a decode step takes a third
longer. So an engine that is idle, beside another model's or a program's own use of PyTorch, must not keep one.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from codegen_ui.engine.costs import StepCosts
from codegen_ui.engine.device import choose_slots, memory_total, memory_used
from codegen_ui.engine.generation import LiveGeneration
from codegen_ui.engine.model.decoder import CodeGenModel
from codegen_ui.engine.prompts import fit_prompt
from codegen_ui.engine.runner import Outcome, Runner, SequenceState
from codegen_ui.engine.sampler import UniformStream
from codegen_ui.engine.scheduler import Scheduler
from codegen_ui.engine.speculation.lookup import EarlierTexts
from codegen_ui.engine.stream import plain_tokenizer
from codegen_ui.errors import Busy, GenerationFailed, InvalidInput, PlaygroundError
from codegen_ui.generation import EngineStats, ModelInfo
from codegen_ui.metrics import RollingRate
from codegen_ui.options import EngineOptions
from codegen_ui.request import MAX_SEED, FinishReason, GenerationRequest

logger = logging.getLogger(__name__)

MIB = 2**20
GATHER_SECONDS = 0.002
"""How long the first request waits for another that comes with it, so that they start together."""


class LocalEngine:
    """CodeGen on this machine, with continuous batching. A context manager; `close` ends what is running.

    Args:
        model: the weights; from now on only the engine uses them.
        tokenizer: transformers' tokenizer of the checkpoint.
        info: what is loaded; slots and memory are filled in here.
        options: see `EngineOptions`.
        common_code: texts that speculation drafts from, beside what it has seen.
    """

    def __init__(
        self,
        model: CodeGenModel,
        tokenizer: Any,
        info: ModelInfo,
        options: EngineOptions,
        common_code: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._core = plain_tokenizer(tokenizer)
        self._options = options
        self._context = model.config.n_positions
        self._eos: int | None = model.config.eos_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        slots, reason = choose_slots(model.config, model.device, model.dtype)
        if options.slots is not None:
            slots, reason = options.slots, "as asked for by --slots"
        self._info = replace(info, slots=slots, slots_reason=reason, context=self._context)
        self._costs = StepCosts(options.prefill_chunk)
        self._runner = Runner(
            model,
            slots,
            decodable=min(len(tokenizer), model.config.vocab_size),
            prefix_bytes=options.prefix_cache_mb * MIB,
            lookup=EarlierTexts(map(self._encode, common_code)) if options.lookup else None,
            costs=self._costs,
        )
        self._lock = threading.Lock()
        # Under the lock: everything down to the totals.
        self._thread: threading.Thread | None = None
        self._scheduler: Scheduler[SequenceState] = Scheduler(slots)
        self._generations: dict[SequenceState, LiveGeneration] = {}
        self._closing = False
        self._finished: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._rate = RollingRate()
        logger.info("%s: %d slots (%s)", info.name, slots, reason)
        self._joining: list[SequenceState] = []
        self._warm = False
        with self._lock:
            self._start_thread()

    @property
    def info(self) -> ModelInfo:
        return self._info

    def submit(self, request: GenerationRequest) -> LiveGeneration:
        """Queue a request. Tokenizes on the caller's thread. Raises `InvalidInput`, `Busy`, or, after `close`,
        `GenerationFailed`."""
        arrival = time.monotonic()
        given = tuple(self._encode(request.prompt) if isinstance(request.prompt, str) else request.prompt)
        if not given:
            raise InvalidInput("prompt", request.prompt, "text that this model's tokenizer knows")
        if max(given) >= self._model.config.vocab_size:
            raise InvalidInput("prompt", max(given), f"token ids below {self._model.config.vocab_size}")
        room = fit_prompt(len(given), request.max_length, request.max_new_tokens, self._context)
        prompt = given[len(given) - room.kept :]
        seed = secrets.randbelow(min(MAX_SEED, 2**32)) if request.sampling.seed is None else request.sampling.seed
        deadline = self._options.deadline_seconds
        if request.deadline_seconds is not None:
            deadline = min(deadline, request.deadline_seconds)
        generation = LiveGeneration(
            request,
            prompt,
            dropped=len(given) - room.kept,
            max_new_tokens=room.new_tokens,
            seed=seed,
            arrival=arrival,
            deadline=arrival + deadline,
            eos=self._eos,
            tokenizer=self._tokenizer,
            core=self._core,
        )
        sequence = SequenceState(
            visitor=request.visitor,
            prompt_tokens=len(prompt),
            tokens=list(prompt),
            max_tokens=len(prompt) + room.new_tokens,
            sampling=request.sampling,
            logprobs=request.logprobs is not None,
            uniforms=UniformStream(seed, request.sampling.sample_index),
        )
        with self._lock:
            if self._closing:
                raise GenerationFailed("The engine is closed.")
            free = self._info.slots - len(self._scheduler.running)
            if len(self._scheduler.waiting) - free >= self._options.max_waiting:
                raise Busy(self._options.max_waiting)
            self._scheduler.add(sequence)
            self._generations[sequence] = generation
            self._number_waiting()
            self._start_thread()
        return generation

    def count_tokens(self, text: str) -> int:
        return len(self._encode(text))

    def encode(self, text: str) -> tuple[int, ...]:
        """The token ids that a prompt of this text has, before it is fitted to the context."""
        return tuple(self._encode(text))

    def stats(self) -> EngineStats:
        prefixes = self._runner.prefixes
        with self._lock:
            return EngineStats(
                active=len(self._scheduler.running),
                waiting=len(self._scheduler.waiting),
                slots=self._info.slots,
                tokens_per_second=self._rate.rate(time.monotonic()),
                prompt_tokens_total=self._totals["prompt"],
                generation_tokens_total=self._totals["generation"],
                finished=dict(self._finished),
                memory_used_bytes=memory_used(self._model.device),
                memory_total_bytes=memory_total(self._model.device),
                kv_cache_bytes=self._runner.cache.bytes,
                prefix_cache_bytes=prefixes.bytes,
                prefix_cache_queries=self._totals["queries"],
                prefix_cache_hits=self._totals["hits"],
                prefix_cache_hit_tokens=self._totals["hit_tokens"],
                drafted_tokens=self._totals["drafted"],
                accepted_tokens=self._totals["accepted"],
            )

    def close(self) -> None:
        with self._lock:
            self._closing = True
            thread = self._thread
        if thread is None:
            self._runner.prefixes.clear()
        elif threading.current_thread() is not thread:
            thread.join()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._core.encode(text, add_special_tokens=False).ids
        return ids

    def _start_thread(self) -> None:
        """Under the lock: have a thread, where none is at work."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"engine {self._info.name}", daemon=True)
            self._thread.start()

    # From here on: the engine's thread.

    def _run(self) -> None:
        """Warm up, where that is still to be done, and work until nothing is left to do."""
        if not self._warm:
            self._try_warm_up()
            self._warm = True
        try:
            self._gather()
            while self._has_work():
                self._release_ended(time.monotonic())
                self._admit()
                self._step()
        except Exception as error:
            # Nothing above should raise. If it does, nobody may be left waiting for an engine that is gone.
            logger.exception("the engine ended by a fault")
            with self._lock:
                self._closing = True
            self._finish_all(FinishReason.ERROR, failure(error))

    def _gather(self) -> None:
        """Wait a moment for requests that come together: behind the first one's decoding the others would be
        prefilled in small chunks."""
        before = -1
        while before < (count := len(self._generations)) < self._info.slots:
            before = count
            time.sleep(GATHER_SECONDS)

    def _has_work(self) -> bool:
        """Whether to take another step; if not, the next request starts another thread, or everything has ended."""
        with self._lock:
            if not self._closing:
                if not self._generations:
                    self._thread = None
                return bool(self._generations)
        self._finish_all(FinishReason.CANCELLED)
        return False

    def _release_ended(self, now: float) -> None:
        for sequence, generation in list(self._generations.items()):
            if generation.cancelled_at is not None:
                self._finish(sequence, now, FinishReason.CANCELLED)
            elif now >= generation.deadline:
                self._finish(sequence, now, FinishReason.DEADLINE)

    def _admit(self) -> None:
        with self._lock:
            admitted = self._scheduler.admit()
            waiting = self._number_waiting() if admitted else []
            running = list(self._scheduler.running)
        self._joining = [sequence for sequence in self._joining if sequence.slot is not None] + admitted
        for sequence in self._joining:
            # Who begins like a prompt that is being computed waits for it and copies: n samples cost one prefill.
            sequence.held = self._runner.leader(sequence, running) is not None
            if not sequence.held:
                self._start(sequence, running)
        self._joining = [sequence for sequence in self._joining if sequence.held]
        for generation in waiting:
            generation.notify()

    def _start(self, sequence: SequenceState, running: list[SequenceState]) -> None:
        generation = self._generations[sequence]
        try:
            cached = self._runner.admit(sequence, running)
        except Exception as error:
            # Out of memory, most likely: this request ends, the others and the engine go on.
            logger.exception("%s: could not be given slot %s", generation.id, sequence.slot)
            self._recover([sequence], error)
            return
        generation.recorder.started(time.monotonic(), cached=cached)
        generation.notify()
        with self._lock:
            self._totals.update(prompt=sequence.prompt_tokens, queries=1, hits=int(cached > 0), hit_tokens=cached)

    def _step(self) -> None:
        with self._lock:
            running = self._scheduler.running
            decoding = sum(1 for sequence in running if not sequence.prefill_left)
            context = sum(s.computed for s in running if s.prefill_left and not s.held)
            plan = self._scheduler.plan(self._costs.chunk(decoding, context))
        if not plan:
            return
        try:
            outcomes = self._runner.step(plan)
        except Exception as error:
            # A fault of ours or of the device: it ends the generations of this step, not the engine.
            logger.exception("a step failed")
            self._recover([*plan.decode, *(sequence for sequence, _ in plan.prefill)], error)
            return
        now = time.monotonic()
        for outcome in outcomes:
            self._take(outcome, now)

    def _take(self, outcome: Outcome, now: float) -> None:
        sequence, generation = outcome.sequence, self._generations[outcome.sequence]
        if outcome.broken:
            logger.error("%s: the model gave numbers that are not finite in %s", generation.id, self._info.dtype)
            self._recover([sequence], OverflowError())
            return
        ids = [drawn.token for drawn in outcome.drawn]
        logprobs = [(drawn.logprob or 0.0, drawn.top) for drawn in outcome.drawn] if sequence.logprobs else None
        before = len(generation.output_ids)
        try:
            reason = generation.add_tokens(now, ids, logprobs)
        except Exception as error:
            # What turns tokens into text failed for this one stream: the others go on.
            logger.exception("%s: taking new tokens failed", generation.id)
            self._finish(sequence, now, FinishReason.ERROR, failure(error))
            return
        taken = len(generation.output_ids) - before
        if outcome.drafted:
            generation.recorder.drafts(outcome.drafted, outcome.accepted)
        self._rate.add(now, taken)
        with self._lock:
            self._totals["generation"] += taken
            self._totals["drafted"] += outcome.drafted
            self._totals["accepted"] += outcome.accepted
        if reason is None:
            generation.notify()
        else:
            self._finish(sequence, now, reason)

    def _finish(
        self, sequence: SequenceState, now: float, reason: FinishReason, error: PlaygroundError | None = None
    ) -> None:
        """Free the slot, remember the prefix, then tell the readers."""
        if reason is not FinishReason.ERROR:
            self._keep(sequence)
        with self._lock:
            slot = self._scheduler.remove(sequence)
            generation = self._generations.pop(sequence)
            self._finished[reason.value] += 1
            if slot is None:
                self._number_waiting()
        if generation.cancelled_at is not None:
            freed = "left the queue" if slot is None else f"slot {slot} free"
            late = (time.monotonic() - generation.cancelled_at) * 1000
            logger.info("%s: %s %.0f ms after stop", generation.id, freed, late)
        generation.finish(now, reason, error)

    def _recover(self, sequences: list[SequenceState], error: Exception) -> None:
        """After a failed step: its slots hold anything, and so may what was copied from them."""
        self._runner.prefixes.clear()
        for sequence in sequences:
            if sequence.slot is not None:
                self._runner.cache.clear(sequence.slot)
            self._finish(sequence, time.monotonic(), FinishReason.ERROR, failure(error))

    def _finish_all(self, reason: FinishReason, error: PlaygroundError | None = None) -> None:
        for sequence in list(self._generations):
            self._finish(sequence, time.monotonic(), reason, error)
        self._runner.prefixes.clear()

    def _try_warm_up(self) -> None:
        try:
            self._runner.warm_up()
        except Exception:
            # The first request would meet the same fault and report it; the engine must be there to do so.
            logger.exception("warming up failed")

    def _keep(self, sequence: SequenceState) -> None:
        try:
            self._runner.keep(sequence)
        except RuntimeError:
            # Out of memory, most likely: the cache is there to save time, not to cost a visitor's completion.
            logger.exception("could not keep a prefix; the prefix cache was emptied")
            self._runner.prefixes.clear()

    def _number_waiting(self) -> list[LiveGeneration]:
        """Under the lock: set the waiting ones' positions in the queue; returns them."""
        waiting = [self._generations[sequence] for sequence in self._scheduler.order()]
        for position, generation in enumerate(waiting, start=1):
            generation.recorder.queued(position)
        return waiting


def failure(error: Exception) -> GenerationFailed:
    if isinstance(error, OverflowError):
        return GenerationFailed(
            "The model's numbers overflowed while generating; the text so far is kept. "
            "A dtype of bfloat16 or float32 may avoid it."
        )
    found = GenerationFailed(f"The engine failed while generating ({type(error).__name__}); the text so far is kept.")
    found.__cause__ = error
    return found
