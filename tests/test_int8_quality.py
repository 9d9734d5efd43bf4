"""What int8 costs the bundled checkpoint: the condition under which it is the default on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

import codegen_ui
from codegen_ui.engine.model.config import ModelConfig
from codegen_ui.engine.model.decoder import CodeGenModel, Segment
from codegen_ui.engine.model.linear import int8_available

torch.set_num_threads(1)
PACKAGE = Path(codegen_ui.__file__).parent
CHECKPOINT = PACKAGE / "bundled" / "checkpoint"
TEXTS = ("request.py", "metrics.py", "engine/model/layout.py")
"""Python of this project that the checkpoint was not trained on."""


def tokens_of(text: str) -> list[int]:
    ids: list[int] = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json")).encode(text).ids
    return ids[:700]


def log_loss(model: CodeGenModel, tokens: list[int]) -> float:
    logits = model.step([Segment(0, 0, tokens, logits=len(tokens))], model.new_cache(1, len(tokens)))
    return float(functional.cross_entropy(logits[:-1], torch.tensor(tokens[1:]), reduction="sum"))


@pytest.mark.skipif(not int8_available(), reason="this CPU or build of PyTorch has no fbgemm")
@pytest.mark.skipif(not (CHECKPOINT / "model.safetensors").exists(), reason="the bundled checkpoint is not here")
def test_int8_grows_the_bundled_checkpoints_perplexity_by_under_one_percent() -> None:
    config = ModelConfig.from_json(json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8")))
    weights = load_file(CHECKPOINT / "model.safetensors")
    texts = [tokens_of((PACKAGE / name).read_text(encoding="utf-8")) for name in TEXTS]
    losses = {}
    for quantize in ("none", "int8"):
        model = CodeGenModel.load(config, weights, device=torch.device("cpu"), dtype=torch.float32, quantize=quantize)
        losses[quantize] = sum(log_loss(model, tokens) for tokens in texts)
    count = sum(len(tokens) - 1 for tokens in texts)
    growth = torch.tensor((losses["int8"] - losses["none"]) / count).expm1().item()
    assert growth < 0.01, f"perplexity grows by {growth:.2%}"
