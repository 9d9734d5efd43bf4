"""The servers together: which of them answers a request, which are down, and what they are as the page shows it.

Other threads than the loop's only read the pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx

from codegen_ui.errors import BackendRefused, Busy, InvalidInput, ModelUnavailable
from codegen_ui.generation import ModelInfo
from codegen_ui.remote.backend import Backend
from codegen_ui.remote.exchange import Unserved, prepare, stream, tokenize_as_text
from codegen_ui.remote.remote_generation import RemoteGeneration
from codegen_ui.remote.wire import sent_settings
from codegen_ui.request import MAX_LENGTH, FinishReason, GenerationRequest, StopAt

PROBE_SECONDS = 3.0
PROBE_DOWN_SECONDS = 1.0
MISSES_THAT_END_STREAMS = 3
NAMES = {"openai": "OpenAI's", "vllm": "vLLM's", "ours": "this project's"}


class Pool:
    """Several backends, of which the one with the fewest of our requests is asked first.

    Attributes:
        client: set before anything is asked.
    """

    client: httpx.AsyncClient

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.backends = tuple(backends)
        self._where: dict[RemoteGeneration, Backend] = {}
        self._probed = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether any is."""
        return any(backend.up for backend in self.backends)

    def down(self) -> str:
        """Which servers are down and why, for people; empty when all are up."""
        return "; ".join(f"{backend.name} {backend.reason}" for backend in self.backends if not backend.up)

    async def until_up(self) -> None:
        """Wait for any to be."""
        while not self.up:
            self._probed.clear()
            await self._probed.wait()

    async def watch(self, lose: Callable[[RemoteGeneration, str], None]) -> None:
        """Probe every server for ever; `lose` is called with each generation whose server is gone, and the reason."""
        await asyncio.gather(*(self._probe(backend, lose) for backend in self.backends))

    async def generate(self, generation: RemoteGeneration, count: Callable[[int], None]) -> FinishReason:
        """Ask the servers in order of load until one takes the request; `count` hears of new tokens.

        Raises `BackendRefused` where one finds it at fault, `Busy` where none takes it and one would later,
        `ModelUnavailable` where none takes it at all, and `GenerationFailed` once tokens have come.
        """
        failures: dict[str, Unserved] = {}
        # Those that are thought to be down come last: one may have come back since the last probe.
        for backend in sorted(self.backends, key=lambda b: (not b.up, b.active)):
            for _ in range(2):  # A kept-alive connection may turn out to be dead: that says nothing of the server.
                try:
                    return await self._ask(backend, generation, count)
                except Unserved as error:
                    failures[backend.name] = error
                    if not isinstance(error.__cause__, httpx.ReadError | httpx.RemoteProtocolError):
                        break
        told = "; ".join(f"{name} {error}" for name, error in failures.items())
        if any(error.busy for error in failures.values()):
            raise Busy(None, f"No backend took the request: {told}")
        name = next((backend.served.model for backend in self.backends if backend.served), "remote")
        raise ModelUnavailable(name, f"no backend took the request: {told}. Please try again in a moment.")

    async def tokenize(self, text: str) -> tuple[int, tuple[int, ...] | None] | None:
        """How many tokens a text has, and which, as any server says; None where none does."""
        for backend in self.backends:
            if backend.up:
                try:
                    found = await tokenize_as_text(self.client, backend, text)
                except (Unserved, BackendRefused):
                    continue
                if found is not None:
                    return found
        return None

    async def _probe(self, backend: Backend, lose: Callable[[RemoteGeneration, str], None]) -> None:
        while True:
            await backend.probe(self.client)
            self._probed.set()
            if backend.misses >= MISSES_THAT_END_STREAMS:
                # It will send no token either: its readers are told instead of left waiting.
                for generation in [one for one, where in self._where.items() if where is backend]:
                    lose(generation, f"{backend.name} {backend.reason}")
            await asyncio.sleep(PROBE_SECONDS if backend.up else PROBE_DOWN_SECONDS)

    async def _ask(self, backend: Backend, generation: RemoteGeneration, count: Callable[[int], None]) -> FinishReason:
        if backend.served is None:
            await backend.probe(self.client)
        if backend.served is None:
            raise Unserved(backend.reason)
        backend.active += 1
        self._where[generation] = backend
        try:
            body = await prepare(self.client, backend, backend.served, generation)
            return await stream(self.client, backend, body, generation, count)
        finally:
            backend.active -= 1
            self._where.pop(generation, None)


def model_info(backends: Sequence[Backend], slots: int) -> ModelInfo:
    """What the servers have in common, of those that have told anything yet."""
    served = [backend.served for backend in backends if backend.served is not None]
    names = ", ".join(backend.name for backend in backends)
    contexts = [one.context for one in served if one.context is not None]
    counted = all(one.abilities.tokenize for one in served)
    length = "" if counted else "; prompt tokens are not counted, so max length bounds new tokens alone"
    return ModelInfo(
        name=served[0].model if served else "remote",
        architecture=f"as served by {served[0].owner or 'a remote server'}" if served else "remote",
        context=min([MAX_LENGTH, *contexts]),
        device="remote",
        device_name=f"remote: {names}; figures measured at this page's server, network included{length}",
        slots=slots,
        slots_reason="requests on their way at once; the remote decides how many it decodes together",
        unsupported=unsupported(backends),
    )


def unsupported(backends: Sequence[Backend], table: type = GenerationRequest) -> dict[str, str]:
    """Settings that one of the servers does not take, with the reason."""
    for backend in backends:
        known = backend.served.abilities.settings if backend.served is not None else tuple(NAMES)
        missing = [one.name for one in sent_settings(table) if one.origin not in known]
        if missing:
            own = " and ".join(NAMES[origin] for origin in known)
            return dict.fromkeys(missing, f"{backend.name} is not known to take more than {own} own settings")
    return {}


def check_abilities(request: GenerationRequest, info: ModelInfo) -> None:
    """Raises `InvalidInput` for a setting that the servers would ignore, or a length over their context."""
    for one in sent_settings(type(request)):
        given = getattr(request, one.name)
        if one.name in info.unsupported and given != one.neutral:
            raise InvalidInput(one.name, given, f"{one.kind.show(one.neutral)}: {info.unsupported[one.name]}")
    if "top_k" in info.unsupported and request.stop_at is StopAt.LENGTH:
        # Over the API it may have been asked for by either name.
        choice = "another choice, and ignore_eos, which means 'length', must be false"
        raise InvalidInput("stop_at", "length", f"{choice}: {info.unsupported['top_k']}")
    if request.max_new_tokens is None and request.max_length > info.context:
        limit = f"at most this model's context of {info.context} tokens"
        raise InvalidInput("max_length", request.max_length, limit)
