"""A random CodeGen small enough for unit tests, once as transformers' model and once as ours."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from small_checkpoints import random_model, write_tokenizer
from transformers import CodeGenForCausalLM, CodeGenTokenizer

from codegen_ui.engine.fixed.fixed_steps import Compute
from codegen_ui.engine.host import LocalEngine
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel
from codegen_ui.engine.model.weights import RandomWeights
from codegen_ui.generation import ModelInfo
from codegen_ui.options import EngineOptions

CPU = torch.device("cpu")
TIE = 5e-6
"""Logits of these models, about 0.3 apart, differ by up to 1e-6 from transformers'."""


@dataclass(frozen=True)
class Tiny:
    """transformers' model and tokenizer, and our model with the same weights."""

    theirs: CodeGenForCausalLM
    ours: CodeGenModel
    tokenizer: Any

    @property
    def decodable(self) -> int:
        return len(self.tokenizer)

    def engine(self, **options: Any) -> LocalEngine:
        values: dict[str, Any] = {"slots": 4, "prefix_cache_mb": 0, "lookup": False} | options
        return LocalEngine(self.ours, self.tokenizer, ModelInfo("tiny", "CodeGen", 0), EngineOptions(**values))

    def greedy(self, prompt: tuple[int, ...], tokens: int) -> list[int]:
        """What transformers' `generate` makes of a prompt, ids that have no text excluded, end of text ignored.

        Two likeliest tokens must nowhere be as close as the rounding of two computations, here or on another CPU.
        """
        output = self.theirs.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),  # a 0 in the prompt is no padding
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=None,
            pad_token_id=0,
            suppress_tokens=list(range(self.decodable, self.theirs.config.vocab_size)),
        )
        logits = self.theirs(output).logits[0, len(prompt) - 1 : -1, : self.decodable].topk(2).values
        assert (logits[:, 0] - logits[:, 1]).min() > TIE, "a tie on the way: take another prompt"
        return [int(token) for token in output[0, len(prompt) :]]


@functools.cache
def tokenizer() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        return CodeGenTokenizer.from_pretrained(folder, local_files_only=True)


@functools.cache
def tiny(**shape: Any) -> Tiny:
    """The same shape gives the same weights; `shape` as in `small_checkpoints.random_model`."""
    theirs = random_model(**shape)
    config = ModelConfig.from_json(theirs.config.to_dict())
    ours = CodeGenModel(config, theirs.state_dict(), device=CPU, dtype=torch.float32)
    return Tiny(theirs, ours, tokenizer())


def random_decoder(config: ModelConfig, device: torch.device = CPU, **options: Any) -> CodeGenModel:
    """Random weights in a config's shape; `options` as `CodeGenModel` takes them."""
    return CodeGenModel(config, RandomWeights(config), device=device, **{"dtype": torch.float32, **options})


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny matrices gain nothing from threads, and on a busy machine lose much by waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Eager:
    """Keeps nothing: every step is told anew. The same operators as where they are recorded, on any device."""

    bytes = 0

    def __call__(self, compute: Compute) -> Compute:
        return compute
