"""What int8 costs the bundled checkpoint: the condition under which it is the default on a CPU."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

import codegen_ui
from codegen_ui.engine.decoders import Decoder, load_decoder
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.engine.model.linear import int8_available

torch.set_num_threads(1)
PACKAGE = Path(codegen_ui.__file__).parent
CHECKPOINT = PACKAGE / "bundled" / "checkpoint"
pytestmark = [
    pytest.mark.skipif(not int8_available(), reason="this CPU or build of PyTorch has no fbgemm"),
    pytest.mark.skipif(not (CHECKPOINT / "model.safetensors").exists(), reason="the bundled checkpoint is not here"),
]
TEXTS = ("request.py", "metrics.py", "engine/model/layout.py")
"""Python of this project that the checkpoint was not trained on."""


def tokens_of(text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json")).encode(text).ids
    return ids[:700]


def log_loss(model: Decoder, tokens: list[int]) -> float:
    logits = model.step([Segment(0, 0, tokens, logits=len(tokens))], model.new_cache(1, len(tokens)))
    return float(functional.cross_entropy(logits[:-1], torch.tensor(tokens[1:]), reduction="sum"))


@functools.cache
def perplexities() -> dict[str, float]:
    """Of float32, of int8 as it runs here, and of int8 on PyTorch's operators."""
    config = ModelConfig.from_json(json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8")))
    weights = load_file(CHECKPOINT / "model.safetensors")
    texts = [tokens_of((PACKAGE / name).read_text(encoding="utf-8")) for name in TEXTS]
    options: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
    models = {
        "float32": load_decoder(config, weights, quantize="none", **options),
        "int8": load_decoder(config, weights, quantize="int8", **options),
        "int8, operators": CodeGenModel(config, weights, quantize="int8", **options),
    }
    count = sum(len(tokens) - 1 for tokens in texts)
    return {name: math.exp(sum(log_loss(model, t) for t in texts) / count) for name, model in models.items()}


@pytest.mark.parametrize("kind", ["int8", "int8, operators"])
def test_int8_grows_the_bundled_checkpoints_perplexity_by_under_one_percent(kind: str) -> None:
    growth = perplexities()[kind] / perplexities()["float32"] - 1
    assert growth < 0.01, f"perplexity grows by {growth:.2%}"


def test_keys_and_values_in_bytes_cost_under_half_a_percent_of_perplexity() -> None:
    growth = perplexities()["int8"] / perplexities()["int8, operators"] - 1
    assert growth < 0.005, f"perplexity grows by {growth:.2%}"
