"""What is known of a tab's last run when it has ended: enough for its code and for a link to it, without its texts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from codegen_ui.generation import Snapshot
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.request import FinishReason, GenerationRequest


@dataclass(frozen=True)
class Ran:
    """Attributes:
    generation: its id.
    request: its request's `name`.
    digest: of the completion.
    """

    generation: str
    request: int
    metrics: GenerationMetrics
    reason: FinishReason | None
    digest: str

    @classmethod
    def of(cls, generation: str, request: GenerationRequest, last: Snapshot) -> Ran:
        return cls(generation, name(request), last.metrics, last.finish_reason, digest(last.text))


def name(request: GenerationRequest) -> int:
    """Equal for requests that ask for the same, whoever asks."""
    return hash(replace(request, visitor=""))


def digest(text: str) -> str:
    """A name for a text, by which one that is identical is known."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
