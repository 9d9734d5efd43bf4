"""On a GPU the host must not wait in the middle of a step: what is sent there, and what comes back.

`meta` tensors take the way of a GPU's and have no values, so that whatever looks at one fails; and every operator is
watched for what would make the host wait on CUDA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from sequences import sequence
from tiny import Eager, random_decoder
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from codegen_ui.engine.fixed.buckets import Buckets
from codegen_ui.engine.fixed.fixed_steps import Compute, FixedSteps
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.runner import Runner
from codegen_ui.engine.scheduler import StepPlan, work
from codegen_ui.engine.sequence import SequenceState
from codegen_ui.engine.speculation.lookup import Draft
from codegen_ui.request import SamplingParams

META = torch.device("meta")
CONFIG = ModelConfig(vocab_size=2000, n_positions=64, n_embd=32, n_layer=2, n_head=4, rotary_dim=4)
LOOKS = {"_local_scalar_dense", "item", "nonzero", "masked_select", "is_nonzero", "equal", "unique_dim", "_unique2"}
"""Operators that give the host a number or a shape which only the device knows."""


class Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what goes to the device and fails what would wait for it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sent = 0
        self.operators: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:
            # In inference mode operators arrive whole that are made of others, such as `to`.
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        on_device = [one for one in tensors if one.device.type == "meta"]
        if name == "_to_copy" and tensors and not on_device and kwargs.get("device") == META:
            assert kwargs.get("non_blocking"), "a copy to the device that is waited for"
            self.sent += 1
        elif name == "copy_" and on_device and len(on_device) < len(tensors):
            assert tensors[0].device == META, "a copy from the device"
            assert kwargs.get("non_blocking") or args[2:] == (True,), "a copy to the device that is waited for"
            self.sent += 1
        elif on_device:
            self.operators.append(name)
            assert name not in LOOKS, f"{name} asks the device"
            assert len(on_device) == len(tensors), f"{name} takes a tensor of the host: it is copied, and waited for"
            if name.startswith("index"):
                assert all(one.dtype != torch.bool for one in on_device), f"{name} by a mask counts it first"
        return func(*args, **kwargs)


@pytest.fixture
def brought_back(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of what the host asked for; it is given zeros."""
    shapes: list[tuple[int, ...]] = []
    original = torch.Tensor.tolist

    def tolist(tensor: torch.Tensor) -> Any:
        if tensor.device.type != "meta":
            return original(tensor)
        shapes.append(tuple(tensor.shape))
        return original(torch.zeros(tensor.shape, dtype=tensor.dtype))

    monkeypatch.setattr(torch.Tensor, "tolist", tolist)
    return shapes


def decoding(slot: int, length: int, **sampling: float) -> SequenceState:
    """A sequence that has all but its last token in its slot."""
    one = sequence("anna", [(slot * 100 + i) % 2000 for i in range(length)])
    one.prompt_tokens, one.computed, one.slot = length - 3, length - 1, slot
    one.sampling = SamplingParams(**({"temperature": 0.0} | sampling))  # type: ignore[arg-type]
    return one


class Alone(Eager):
    """Watches a recorded step apart from what precedes it."""

    def __init__(self) -> None:
        self.replays: list[Watched] = []

    def __call__(self, compute: Compute) -> Compute:
        def watched() -> None:
            self.replays.append(Watched())
            with self.replays[-1]:
                compute()

        return watched


def run(*sequences: SequenceState, draft: tuple[int, ...] = ()) -> Watched:
    """One step of all of them, the first with a draft, and a chunk of a prompt beside them."""
    model = random_decoder(CONFIG, device=META, dtype=torch.float16)
    runner = Runner(model, model.new_cache(8), decodable=1900)
    prompt = sequence("ben", range(20))
    prompt.slot = 7
    works = [work(one, 1, Draft(list(draft)) if one is sequences[0] else Draft([])) for one in sequences]
    watched = Watched()
    with watched:
        drawn, _ = runner.run(StepPlan(tuple(works), (work(prompt, 8),)))
    assert len(drawn) == len(sequences) + 1
    return watched


def test_a_greedy_step_sends_its_layout_and_brings_its_tokens_back(brought_back: list[tuple[int, ...]]) -> None:
    watched = run(decoding(0, 9), decoding(3, 12), draft=(5, 6))
    assert watched.sent == 1
    assert brought_back == [(5,)]
    assert "argmax" in watched.operators


def test_a_sampled_step_sends_all_settings_and_penalties_at_once(brought_back: list[tuple[int, ...]]) -> None:
    watched = run(
        decoding(0, 9, temperature=0.8, repetition_penalty=1.2, top_p=0.9),
        decoding(1, 12),
        decoding(3, 12, temperature=1.0, top_k=40, min_p=0.1, top_p=1.0),
        decoding(4, 30, repetition_penalty=1.1),
        draft=(5, 6, 7),
    )
    assert watched.sent == 2, "the layout and the sampler's table"
    assert brought_back == [(8,)]
    assert watched.operators.count("sort") == 1


def test_token_probabilities_come_back_with_the_tokens(brought_back: list[tuple[int, ...]]) -> None:
    asked = decoding(0, 9, temperature=0.8)
    asked.logprobs = True
    run(asked, decoding(1, 12))
    assert brought_back == [(3, 12)]


def test_a_recorded_step_takes_nothing_from_the_host(brought_back: list[tuple[int, ...]]) -> None:
    """While a graph is recorded a copy from the host, or a look at the device, is an error."""
    model = random_decoder(CONFIG, device=META, dtype=torch.float16)
    cache, alone = model.new_cache(8), Alone()
    fixed = FixedSteps(model, cache, Buckets(4, cache.length, drafts=True), most_bytes=2**40)
    fixed.record(alone, lambda stage: None)
    sequences = [decoding(0, 9, temperature=0.8), decoding(3, 12), decoding(5, 40)]
    works = [work(one, 1, Draft([5, 6] if one is sequences[0] else [])) for one in sequences]
    watched = Watched()
    with watched:
        Runner(model, cache, decodable=1900, fixed=fixed).run(StepPlan(tuple(works)))
    (replay,) = alone.replays
    assert replay.sent == 0
    assert "addmm" in replay.operators
    assert watched.sent == 2, "numbers and the sampler's table"
    assert brought_back == [(5,)]


def test_what_would_wait_is_noticed() -> None:
    """The watch itself, on the ways to wait that are easily written."""
    here = torch.zeros(4, 4, device=META)
    waits: list[Callable[[], object]] = [
        lambda: torch.where(here > 0, here, torch.tensor(1.0)),
        lambda: here[here > 0],
        lambda: here.__setitem__(torch.tensor([1, 2]), here[:2]),
        lambda: torch.tensor([1.0]).to(META),
        lambda: here.sum().item(),
    ]
    for wait in waits:
        with Watched(), pytest.raises((AssertionError, RuntimeError)):
            wait()
