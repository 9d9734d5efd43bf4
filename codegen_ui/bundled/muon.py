"""Muon for the matrices, AdamW for everything else.

Muon (K. Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) replaces a matrix's
momentum by the nearest semi-orthogonal matrix, found by a quintic Newton-Schulz iteration.
torch.optim.Muon iterates in bf16, which CPUs without bf16 units emulate slowly; here the precision is a
choice, and matrices of one shape are iterated together as one batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Singular values of each matrix in [n, rows, cols], rows <= cols, driven to about 1 (.7 to 1.2)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return x


class Muon(torch.optim.Optimizer):
    """For parameters of shape [rows, cols], or [n, rows, cols] for n independent matrices."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        iterate_in: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.iterate_in = iterate_in

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            same_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(state["momentum"], group["momentum"])  # Nesterov
                weights = parameter.unsqueeze(0) if parameter.dim() == 2 else parameter
                update = update.unsqueeze(0) if update.dim() == 2 else update
                if update.shape[1] > update.shape[2]:
                    weights, update = weights.mT, update.mT
                same_shape[tuple(update.shape[1:])].append((weights, update))
            for pairs in same_shape.values():
                updates = orthogonalise(torch.cat([update for _, update in pairs]).to(self.iterate_in))
                first = 0
                for weights, update in pairs:
                    count = len(update)
                    # tall matrices take larger steps, as the reference implementation scales them
                    scale = group["lr"] * max(1.0, update.shape[2] / update.shape[1]) ** 0.5
                    weights.mul_(1 - group["lr"] * group["weight_decay"])
                    weights.add_(updates[first : first + count], alpha=-scale)
                    first += count
