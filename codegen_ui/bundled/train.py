"""Train the bundled checkpoint: `python -m codegen_ui.bundled.train --hours 1.5`.

The learning rate stays constant and falls linearly to zero over the last part of the time budget; the state before the
fall is kept as stable.pt, from which `--continue-from` starts a longer run.  Stopping at any moment loses at most a few
minutes: the same command goes on.  Paused time (SIGSTOP) does not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from codegen_ui.bundled import DEFAULT_WORK
from codegen_ui.bundled.model import Block, Shape, TrainingModel, load_codegen_state
from codegen_ui.bundled.muon import Muon
from codegen_ui.bundled.plan import Plan, batch_at, tokenised
from codegen_ui.bundled.store import TokenStream
from codegen_ui.bundled.tokenizer import load_tokenizer


def optimisers(model: TrainingModel, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices; AdamW for embedding, head, norms and biases."""
    matrices = [p for b in model.blocks if isinstance(b, Block) for p in (b.qkv, b.fc_in, b.out_proj, b.fc_out)]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    adam = torch.optim.AdamW(others, lr=plan.adam_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    precision = torch.bfloat16 if plan.bf16 else torch.float32
    result: list[torch.optim.Optimizer] = [Muon(matrices, lr=plan.muon_lr, iterate_in=precision), adam]
    for optimiser in result:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return result


@torch.no_grad()
def held_out_loss(model: TrainingModel, stream: TokenStream, windows: int = 16, length: int = 512) -> float:
    """Mean nats a token over fixed windows."""
    draw = np.random.default_rng(1)
    device = next(model.parameters()).device
    rows = [torch.from_numpy(stream.window(length + 1, draw)) for _ in range(windows)]
    losses = [model.loss(torch.stack(rows[i : i + 8]).to(device)).item() for i in range(0, windows, 8)]
    return sum(losses) / len(losses)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write whole or not at all, so that a kill while writing costs nothing."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


class Trainer:
    """Model, optimisers and the position in a run."""

    def __init__(self, work: Path, run: Path, plan: Plan, shape: Shape) -> None:
        self.work, self.run, self.plan, self.shape = work, run, plan, shape
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(plan.seed)
        self.model = TrainingModel(shape).to(self.device)
        self.optimisers = optimisers(self.model, plan)
        self.step, self.tokens, self.used, self.best = 0, 0, 0.0, float("inf")
        self.earlier_hours = 0.0
        self.stop = False
        run.mkdir(parents=True, exist_ok=True)
        (run / "plan.json").write_text(json.dumps(dataclasses.asdict(plan)), encoding="utf-8")

    def state(self) -> dict[str, Any]:
        return {
            "shape": dataclasses.asdict(self.shape),
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "tokens": self.tokens,
            "used": self.used,
            "best": self.best,
            "earlier_hours": self.earlier_hours,
        }

    def restore(self, path: Path, *, as_new_run: bool) -> None:
        """Take up a saved state; `as_new_run` starts a fresh time budget from its weights."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["shape"] != dataclasses.asdict(self.shape):
            raise ValueError(f"{path} holds another shape: {state['shape']}")
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            peaks = [group["peak"] for group in optimiser.param_groups]
            optimiser.load_state_dict(saved)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["peak"] = peak
        self.step, self.tokens, self.earlier_hours = state["step"], state["tokens"], state["earlier_hours"]
        if as_new_run:
            self.earlier_hours += state["used"] / 3600
        else:
            self.used, self.best = state["used"], state["best"]

    def progress(self) -> float:
        """The used share of the budget."""
        return self.step / self.plan.steps if self.plan.steps else self.used / self.plan.seconds

    def train(self, *, compiled: bool) -> None:
        """Run to the end of the budget, logging to log.jsonl and saving to last.pt, stable.pt and best.pt."""
        streams = [tokenised(self.work, name) for name in ("textbook.train", "real.train")]
        held_out = {name: tokenised(self.work, f"{name}.heldout") for name in ("textbook", "real")}
        loss_of = torch.compile(self.loss, dynamic=False) if compiled else self.loss
        recent: deque[float] = deque(maxlen=50)
        next_save = self.used + self.plan.save_every
        bar = tqdm(total=1000, unit="‰", mininterval=10)
        while self.progress() < 1 and not self.stop:
            began = time.monotonic()
            if self.progress() > 1 - self.plan.decay and not (self.run / "stable.pt").exists():
                save(self.run / "stable.pt", self.state())
            ids, weights = (part.to(self.device) for part in batch_at(self.step, self.plan, *streams))
            loss = self.take_step(loss_of, ids, weights)
            elapsed = time.monotonic() - began
            # a pause from outside shows as one huge step: count what such a step usually takes
            self.used += min(elapsed, 5 * median(recent)) if len(recent) > 10 else min(elapsed, 20.0)
            recent.append(elapsed)
            bar.update(min(1000, round(1000 * self.progress())) - bar.n)
            bar.set_postfix(step=self.step, loss=f"{loss:.3f}", tokens=f"{self.tokens / 1e6:.2f}M")
            row: dict[str, float] = {"step": self.step, "tokens": self.tokens, "used": self.used, "loss": loss}
            if self.used >= next_save or self.progress() >= 1 or self.stop:
                next_save = self.used + self.plan.save_every
                for name, stream in held_out.items():
                    row[f"heldout_{name}"] = held_out_loss(self.model, stream, self.plan.held_out_windows)
                self.keep(row)
                # a corpus that was rebuilt meanwhile is taken up here, without a restart
                streams = [tokenised(self.work, name) for name in ("textbook.train", "real.train")]
            with (self.run / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(row | {"hours_before": self.earlier_hours}) + "\n")
        bar.close()

    def loss(self, ids: Tensor, weights: Tensor) -> Tensor:
        """The model's loss in the plan's precision."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.plan.bf16):
            return self.model.loss(ids, weights)

    def take_step(self, loss_of: Callable[[Tensor, Tensor], Tensor], ids: Tensor, weights: Tensor) -> float:
        """One update of the weights; returns the loss before it, in nats a token as weighted."""
        factor = self.plan.rate(self.step if not self.earlier_hours else self.plan.warmup_steps, self.progress())
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
        loss = loss_of(ids, weights)
        torch.autograd.backward(loss)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += ids[:, 1:].numel()
        return loss.item()

    def keep(self, row: dict[str, float]) -> None:
        """Save last.pt, and best.pt when the mixed held-out loss has fallen."""
        share = self.plan.textbook_share
        mixed = share * row["heldout_textbook"] + (1 - share) * row["heldout_real"]
        if mixed < self.best:
            self.best = mixed
            save(self.run / "best.pt", self.state())
        save(self.run / "last.pt", self.state())
        tqdm.write(json.dumps({key: round(value, 4) for key, value in row.items()}))


def main(arguments: list[str] | None = None) -> None:
    """The command; everything it writes is under WORK/RUN."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK)
    parser.add_argument("--run", default="run", help="name of the run's folder under WORK")
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=0, help="a budget in steps instead of hours")
    parser.add_argument("--decay", type=float, default=Plan.decay)
    parser.add_argument("--batch", type=int, default=Plan.batch)
    parser.add_argument("--length", type=int, default=Plan.length)
    parser.add_argument("--n-embd", type=int, default=Shape.n_embd)
    parser.add_argument("--n-layer", type=int, default=Shape.n_layer)
    parser.add_argument("--textbook-share", type=float, default=Plan.textbook_share)
    parser.add_argument("--save-every", type=float, default=Plan.save_every, help="seconds")
    parser.add_argument("--muon-lr", type=float, default=Plan.muon_lr)
    parser.add_argument("--adam-lr", type=float, default=Plan.adam_lr)
    parser.add_argument("--bf16", action="store_true", help="faster where the processor has bf16 units")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile: needs a C++ compiler, about 1.4 times as fast"
    )
    parser.add_argument(
        "--warm-start",
        type=Path,
        help="a checkpoint folder to take the weights from; it may have fewer layers",
    )
    parser.add_argument("--continue-from", type=Path, help="a stable.pt to start from, with a new time budget")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    shape = Shape(len(load_tokenizer(options.work / "tokenizer")), n_embd=options.n_embd, n_layer=options.n_layer)
    plan = Plan(
        options.hours * 3600,
        options.steps,
        batch=options.batch,
        length=options.length,
        decay=options.decay,
        textbook_share=options.textbook_share,
        save_every=options.save_every,
        muon_lr=options.muon_lr,
        adam_lr=options.adam_lr,
        bf16=options.bf16,
        seed=options.seed,
    )
    trainer = Trainer(options.work, options.work / options.run, plan, shape)
    last = options.work / options.run / "last.pt"
    if last.exists():
        trainer.restore(last, as_new_run=False)
    elif options.continue_from:
        trainer.restore(options.continue_from, as_new_run=True)
    elif options.warm_start:
        load_codegen_state(trainer.model, load_file(options.warm_start / "model.safetensors"))
    print(f"{sum(p.numel() for p in trainer.model.parameters()):,} parameters on {trainer.device}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(trainer, "stop", True))  # after this step, and saved
    trainer.train(compiled=options.compile)


if __name__ == "__main__":
    main()
