"""Proof that a converted checkpoint is the same model, from its files alone.

transformers' CodeGen on the source and transformers' GPT-J on the export compute the logits of a probe side by side,
one layer of each in memory at a time, so that the largest model is checked like the smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen_ui.checkpoints import Checkpoint
from codegen_ui.checkpoints.weights import LazyWeights
from codegen_ui.errors import PlaygroundError
from codegen_ui.export.convert import gptj_shapes

if TYPE_CHECKING:
    import torch

PROBE_TOKENS = 48
PROBE_TEXT = "def f(x):\n    # i != j, 'é'\n\t\treturn [y\n            for y in x]\n<|endoftext|>"
TOLERANCE = 1e-4
"""Of the logits' standard deviation: room for another order of summation, far under any wrong weight."""


class NotEqual(PlaygroundError):
    """The export does not do what its source does."""


@dataclass(frozen=True)
class Verified:
    """What was compared: tokens of the probe, layers, and the largest difference of any two logits."""

    tokens: int
    layers: int
    largest_difference: float


def verify(
    checkpoint: Checkpoint, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Verified:
    """Reload `folder` and compare names, shapes, embedding, tokenizer and logits. Raises `NotEqual`, naming which.

    `progress(done, total)` counts layers.
    """
    import torch
    from transformers import AutoConfig, CodeGenConfig, CodeGenForCausalLM, GPTJForCausalLM

    exported_config = AutoConfig.from_pretrained(str(folder))
    check_names(exported_config, checkpoint)
    check_tokenizer(checkpoint, folder)
    exported = LazyWeights(folder, gptj_shapes(checkpoint.config))
    dtype = exported["lm_head.weight"].dtype
    source = Rounded(checkpoint.weights, dtype)
    if not torch.equal(source["transformer.wte.weight"], exported["transformer.wte.weight"]):
        raise NotEqual(f"{folder}: the embedding differs from the source's.")
    config = CodeGenConfig.from_pretrained(str(checkpoint.folder))
    ids = torch.randint(
        checkpoint.config.vocab_size,
        (1, min(PROBE_TOKENS, checkpoint.config.n_positions)),
        generator=torch.Generator().manual_seed(0),
    )
    with torch.inference_mode():
        ours = Walk(CodeGenForCausalLM, config, source, ids)
        theirs = Walk(GPTJForCausalLM, exported_config, exported, ids)
        for layer in range(checkpoint.config.n_layer):
            ours.layer(layer)
            theirs.layer(layer)
            progress(layer + 1, checkpoint.config.n_layer)
        expected, got = ours.logits(), theirs.logits()
    exported.close()
    difference = float((expected - got).abs().max())
    if not difference <= TOLERANCE * float(expected.std()):
        raise NotEqual(f"{folder}: logits differ from the source's by up to {difference:g}; do not use it.")
    return Verified(ids.shape[1], checkpoint.config.n_layer, difference)


class Rounded(Mapping[str, "torch.Tensor"]):
    """Weights in the export's dtype, so that the comparison is of the conversion and not of the rounding asked for."""

    def __init__(self, weights: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
        self._weights = weights
        self._dtype = dtype

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._weights[name].to(self._dtype)

    def __iter__(self) -> Any:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


class Walk:
    """A probe's way through one of transformers' models, in float32, with the weights of one layer at a time."""

    def __init__(self, model: Any, config: Any, weights: Mapping[str, torch.Tensor], ids: torch.Tensor) -> None:
        import torch

        single = type(config)(
            **{**config.to_dict(), "n_layer": 1, "vocab_size": 8, "bos_token_id": 0, "eos_token_id": 0}
        )
        single._attn_implementation = "eager"
        self._block = model(single).eval().float().transformer.h[0]
        self._weights = weights
        self._epsilon = config.layer_norm_epsilon
        self._hidden = weights["transformer.wte.weight"][ids].float()
        tokens = ids.shape[1]
        self._positions = torch.arange(tokens)[None]
        self._mask = torch.full((1, 1, tokens, tokens), torch.finfo(torch.float32).min).triu(1)

    def layer(self, number: int) -> None:
        prefix = f"transformer.h.{number}."
        state = {name: self._weights[prefix + name].float() for name in self._block.state_dict()}
        self._block.load_state_dict(state, assign=True)
        self._hidden = self._block(self._hidden, attention_mask=self._mask, position_ids=self._positions)[0]

    def logits(self) -> torch.Tensor:
        from torch.nn import functional

        weight, bias = (self._weights[f"transformer.ln_f.{part}"].float() for part in ("weight", "bias"))
        hidden = functional.layer_norm(self._hidden, weight.shape, weight, bias, self._epsilon)
        weight, bias = (self._weights[f"lm_head.{part}"].float() for part in ("weight", "bias"))
        return functional.linear(hidden, weight, bias)


def check_names(exported_config: Any, checkpoint: Checkpoint) -> None:
    """That transformers' GPT-J has exactly the tensors that were written."""
    import torch
    from transformers import GPTJForCausalLM

    with torch.device("meta"):
        state = GPTJForCausalLM(exported_config).state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted != gptj_shapes(checkpoint.config):
        wrong = sorted(set(wanted.items()) ^ set(gptj_shapes(checkpoint.config).items()))
        raise NotEqual(f"the export's tensors are not GPT-J's: {wrong[:3]}")


def check_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    from transformers import AutoTokenizer

    reloaded = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    same = reloaded(PROBE_TEXT)["input_ids"] == checkpoint.tokenizer(PROBE_TEXT)["input_ids"]
    if not same or reloaded.get_vocab() != checkpoint.tokenizer.get_vocab():
        raise NotEqual(f"{folder}: the tokenizer differs from the source's.")
