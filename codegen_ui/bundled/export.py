"""Turn a training state into a checkpoint folder: `python -m codegen_ui.bundled.export --run run`.

The folder loads with transformers' `CodeGenForCausalLM` and `CodeGenTokenizer`; weights are fp16 safetensors.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codegen_ui.bundled import CHECKPOINT_DIR, DEFAULT_WORK
from codegen_ui.bundled.model import Shape, TrainingModel, to_codegen_state

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json")


def config_of(shape: Shape, end_of_text: int) -> dict[str, Any]:
    """What config.json holds; the names are transformers' CodeGenConfig."""
    return {
        "architectures": ["CodeGenForCausalLM"],
        "model_type": "codegen",
        "activation_function": "gelu_new",
        "vocab_size": shape.vocab_size,
        "n_embd": shape.n_embd,
        "n_layer": shape.n_layer,
        "n_head": shape.n_head,
        "n_inner": None,
        "n_positions": shape.n_positions,
        "n_ctx": shape.n_positions,
        "rotary_dim": shape.rotary_dim,
        "layer_norm_epsilon": shape.layer_norm_epsilon,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "initializer_range": 0.02,
        "scale_attn_weights": True,
        "use_cache": True,
        "tie_word_embeddings": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "dtype": "float16",
    }


def load_state(path: Path) -> TrainingModel:
    """The model in a file that `train` wrote, on the CPU."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = TrainingModel(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model


def export_checkpoint(model: TrainingModel, tokenizer_folder: Path, out: Path) -> int:
    """Write the folder; returns the bytes of the weights file. Raises OverflowError where fp16 is too narrow."""
    from safetensors.torch import save_file

    from codegen_ui.bundled.tokenizer import load_tokenizer

    state: dict[str, Tensor] = {name: tensor.half() for name, tensor in to_codegen_state(model).items()}
    wide = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if wide:
        raise OverflowError(f"not representable in fp16: {', '.join(wide)}")
    out.mkdir(parents=True, exist_ok=True)
    end = int(load_tokenizer(tokenizer_folder).eos_token_id)
    (out / "config.json").write_text(json.dumps(config_of(model.shape, end), indent=2) + "\n", encoding="utf-8")
    generation = {"bos_token_id": end, "eos_token_id": end, "do_sample": False}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n", encoding="utf-8")
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # it is written readable by its owner alone
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer_folder / name, out / name)
    return (out / "model.safetensors").stat().st_size


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a run's log.jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def plot_losses(rows: list[dict[str, float]], out: Path) -> None:
    """Training and held-out loss (nats a token) against tokens seen; needs matplotlib, see requirements.txt here."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=110)
    tokens = [row["tokens"] / 1e6 for row in rows]
    smooth, value = [], rows[0]["loss"]
    for row in rows:
        value += 0.05 * (row["loss"] - value)
        smooth.append(value)
    axes.plot(tokens, smooth, color="#888", linewidth=1, label="training (smoothed)")
    for name, colour in (("textbook", "#1f77b4"), ("real", "#d62728")):
        points = [(row["tokens"] / 1e6, row[f"heldout_{name}"]) for row in rows if f"heldout_{name}" in row]
        axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=3, label=f"held out: {name}")
    axes.set(xlabel="tokens seen (millions)", ylabel="loss (nats a token)", ylim=(0, 5))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """The command; writes the checkpoint folder and its loss.png."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--run", default="run")
    parser.add_argument("--state", default="best.pt", help="best.pt, last.pt or stable.pt")
    parser.add_argument("--earlier-run", action="append", default=[], help="runs that this one continued, for the plot")
    parser.add_argument("--out", type=Path, default=CHECKPOINT_DIR)
    options = parser.parse_args(arguments)
    run = options.work / options.run
    size = export_checkpoint(load_state(run / options.state), options.work / "tokenizer", options.out)
    rows = [row for name in [*options.earlier_run, options.run] for row in read_log(options.work / name / "log.jsonl")]
    plot_losses(sorted(rows, key=lambda row: row["tokens"]), options.out / "loss.png")
    print(f"{options.out}: {size / 1e6:.1f} MB of weights, {len(rows)} steps, {rows[-1]['tokens'] / 1e6:.2f}M tokens")


if __name__ == "__main__":
    main()
