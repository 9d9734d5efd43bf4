"""Put a run's weights part of the way back to a checkpoint's: `python -m codegen_ui.bundled.blend --share 0.75`.

A model that is trained further on other text learns the new and forgets some of the old.  Between the two sets of
weights there is often a point that does both better than either (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models").  The run goes on from there with the same `train` command; `--out` writes a checkpoint folder instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from codegen_ui.bundled import CHECKPOINT_DIR, DEFAULT_WORK
from codegen_ui.bundled.export import export_checkpoint, load_state
from codegen_ui.bundled.model import TrainingModel, load_codegen_state, to_codegen_state
from codegen_ui.bundled.train import save


def blend(model: TrainingModel, earlier: Mapping[str, Tensor], share: float) -> None:
    """Set the model's weights to `share` of its own and the rest of the earlier ones, under transformers' names.

    Raises:
        ValueError: a share outside 0 to 1, or weights of another shape.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share} must be from 0 to 1")
    own = to_codegen_state(model)
    if {name: tensor.shape for name, tensor in own.items()} != {name: earlier[name].shape for name in earlier}:
        raise ValueError("the earlier checkpoint has another shape")
    load_codegen_state(model, {name: share * own[name] + (1 - share) * earlier[name].float() for name in own})


def main(arguments: list[str] | None = None) -> None:
    """The command; rewrites the run's last.pt, or writes a checkpoint folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--run", default="run")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT_DIR, help="the earlier one")
    parser.add_argument("--share", type=float, required=True, help="of the run's own weights")
    parser.add_argument("--out", type=Path, help="a checkpoint folder to write instead")
    options = parser.parse_args(arguments)
    path = options.work / options.run / "last.pt"
    model = load_state(path)
    blend(model, load_file(options.checkpoint / "model.safetensors"), options.share)
    if options.out:
        export_checkpoint(model, options.work / "tokenizer", options.out)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        # the best loss so far was another model's
        save(path, state | {"model": model.state_dict(), "best": float("inf")})


if __name__ == "__main__":
    main()
