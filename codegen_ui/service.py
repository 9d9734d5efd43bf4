"""The operator's models behind one door: who is loading, who is ready, and which engine serves a request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from codegen_ui.checkpoints.progress import Progress
from codegen_ui.errors import Busy, InvalidInput, ModelUnavailable, PlaygroundError
from codegen_ui.generation import Engine, Generation
from codegen_ui.reloads import Reloads
from codegen_ui.request import GenerationRequest
from codegen_ui.status import ModelStatus, Phase
from codegen_ui.turns import Places, Waits

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A running engine and the banner to show with it, if any."""

    engine: Engine
    notice: str = ""


Loader = Callable[[str, Progress], Loaded]
"""Loads a model by the operator's name for it. Raises `ModelUnavailable`."""


class Observer(Protocol):
    """Told of every request that comes in through a `Service`, by whichever surface; must return at once."""

    def accepted(self, model: str, generation: Generation) -> None: ...

    def refused(self, model: str, request: GenerationRequest, error: PlaygroundError) -> None: ...


class Service:
    """Loads models in the background, one at a time, and routes requests to their engines.

    The first name is loaded by `start`; the others when a visitor first chooses them. A model that is ready stays so:
    switching concerns only the visitor who switches.
    """

    def __init__(
        self,
        names: Sequence[str],
        load: Loader,
        on_change: Callable[[ModelStatus], None] = lambda status: None,
        *,
        per_visitor: int = 0,
    ) -> None:
        """`on_change` is as in `watching`, for as long as there is a service; `per_visitor` requests may run or wait at
        a time, or any number. Raises `InvalidInput` if `names` is empty."""
        if not names:
            raise InvalidInput("model", list(names), "at least one model")
        self.names = tuple(dict.fromkeys(names))
        self.places = Places(per_visitor)
        self.waits = Waits()
        self._load = load
        self._watchers = [on_change]
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._statuses = {name: ModelStatus(name) for name in self.names}
        self._engines: dict[str, Engine] = {}
        self._observers: list[Observer] = []
        self._reloads = Reloads(self.request_load)
        self._draining = self._closed = False

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every request from now on."""
        self._observers.append(observer)

    @property
    def default(self) -> str:
        return self.names[0]

    def start(self) -> None:
        """Begin to load the first model."""
        self.request_load(self.default)

    def status(self, name: str | None = None) -> ModelStatus:
        """Raises `InvalidInput` for a name that is not the operator's."""
        with self._lock:
            return self._statuses[self._known(name)]

    @contextmanager
    def watching(self, on_change: Callable[[ModelStatus], None]) -> Iterator[None]:
        """While it lasts, `on_change` hears of every new status, from the thread that made it; it must return soon."""
        self._watchers.append(on_change)
        try:
            yield
        finally:
            self._watchers.remove(on_change)

    def request_load(self, name: str | None = None) -> None:
        """Begin to load a model in the background, unless it is loading or ready; a failed one is tried again."""
        name = self._known(name)
        self._reloads.cancel(name)
        with self._lock:
            if self._closed or self._statuses[name].phase in (Phase.LOADING, Phase.READY):
                return
            self._statuses[name] = status = ModelStatus(name, Phase.LOADING, stage="waiting to load")
        self._tell(status)
        threading.Thread(target=self._run_load, args=(name,), name=f"load {name}", daemon=True).start()

    def engine(self, name: str | None = None) -> Engine:
        """The engine of a ready model. Raises `ModelUnavailable` (saying what is the matter) or `InvalidInput`."""
        status = self.status(name)
        with self._lock:
            engine = self._engines.get(status.name)
        if engine is not None:
            return engine
        if status.phase is Phase.FAILED:
            raise ModelUnavailable(status.name, status.message)
        if status.phase is Phase.IDLE:
            self.request_load(status.name)
        raise ModelUnavailable(status.name, "is still loading; please try again in a moment.")

    def submit(self, request: GenerationRequest, name: str | None = None) -> Generation:
        """Raises `ModelUnavailable`, `InvalidInput` or `Busy`."""
        name = self._known(name)
        try:
            if self._draining:
                raise ModelUnavailable(name, "the server is shutting down; please try again in a moment.")
            generation = self._submit(request, name)
        except PlaygroundError as error:
            for observer in self._observers:
                observer.refused(name, request, error)
            raise
        for observer in self._observers:
            observer.accepted(name, generation)
        return generation

    def _submit(self, request: GenerationRequest, name: str) -> Generation:
        engine = self.engine(name)
        self.places.take(request.visitor)
        generation = None
        try:
            generation = engine.submit(request)
        except Busy as error:
            stats = engine.stats()
            error.retry_seconds = self.waits.seconds(name, 1, stats.slots)
            raise
        finally:
            self.places.give(request.visitor, generation)
        return generation

    def engines(self) -> dict[str, Engine]:
        """The ready engines by the operator's names."""
        with self._lock:
            return dict(self._engines)

    @property
    def draining(self) -> bool:
        """Whether no request is taken any more."""
        return self._draining

    @property
    def busy(self) -> bool:
        """Whether any engine has a request, running or waiting."""
        return any(stats.active + stats.waiting for stats in (engine.stats() for engine in self.engines().values()))

    def drain(self) -> None:
        """Take no more requests; those that run go on."""
        self._draining = True

    def close(self) -> None:
        """Close every engine. Idempotent."""
        self.drain()
        with self._lock:
            self._closed = True
            engines, self._engines = list(self._engines.values()), {}
        self._reloads.close()
        for engine in engines:
            engine.close()

    def _known(self, name: str | None) -> str:
        if name is None or name == "":
            return self.default
        if name not in self._statuses:
            raise InvalidInput("model", name, f"one of {', '.join(self.names)}")
        return name

    def _run_load(self, name: str) -> None:
        with self._loading:
            try:
                loaded = self._load(name, lambda stage, done, total: self._progress(name, stage, done, total))
            except PlaygroundError as error:
                message = error.reason if isinstance(error, ModelUnavailable) else str(error)
                logger.debug("cannot load %s: %s", name, message)  # whoever watches the statuses says it
                self._failed(name, message)
                return
            except Exception:
                # A fault of ours: the log has the trace, the page one sentence, and the server stays up.
                logger.exception("cannot load %s", name)
                self._failed(name, "loading failed unexpectedly; see the server's log.")
                return
        ready = ModelStatus(name, Phase.READY, notice=loaded.notice, info=loaded.engine.info)
        with self._lock:
            closed = self._closed
            if not closed:
                self._engines[name] = loaded.engine
                self._statuses[name] = ready
        if closed:
            loaded.engine.close()
            return
        self._reloads.served(name)
        self._tell(ready)
        loaded.engine.on_failure(lambda reason: self._engine_failed(name, loaded.engine, reason))

    def _engine_failed(self, name: str, engine: Engine, reason: str) -> None:
        """A model that served serves no more: it is tried again, by whoever asks and by itself."""
        with self._lock:
            if self._engines.get(name) is not engine:
                return
            del self._engines[name]
        self._reloads.engine_failed(name)
        logger.error("%s: %s", name, reason)
        engine.close()
        self._failed(name, reason)

    def _failed(self, name: str, message: str) -> None:
        seconds = None if self._closed else self._reloads.plan(name)
        if seconds is not None:
            message = f"{message.rstrip('.')}. The next try is in {seconds:.0f} s."
        self._set(ModelStatus(name, Phase.FAILED, message=message))

    def _progress(self, name: str, stage: str, done: int, total: int | None) -> None:
        self._set(ModelStatus(name, Phase.LOADING, stage=stage, done=done, total=total))

    def _set(self, status: ModelStatus) -> None:
        with self._lock:
            self._statuses[status.name] = status
        self._tell(status)

    def _tell(self, status: ModelStatus) -> None:
        for on_change in tuple(self._watchers):
            try:
                on_change(status)
            except Exception:
                # Whoever listens may fail; the model has loaded, or not, all the same.
                logger.exception("%s: a change of its status could not be told", status.name)
