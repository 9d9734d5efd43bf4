"""The servers together: which of them answers a request, which are down. Other threads than the loop's only read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx

from codegen_ui.errors import BackendRefused, Busy, ModelUnavailable
from codegen_ui.remote.backend import Backend
from codegen_ui.remote.exchange import Unserved, prepare, stream, tokenize_as_text
from codegen_ui.remote.remote_generation import RemoteGeneration
from codegen_ui.request import FinishReason

PROBE_SECONDS = 3.0
PROBE_DOWN_SECONDS = 1.0
MISSES_THAT_END_STREAMS = 3


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
