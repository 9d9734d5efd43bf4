"""How things stand with a model: idle, loading, ready or failed, and what people are told of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from codegen_ui.generation import ModelInfo


class Phase(str, enum.Enum):
    """A model's state."""

    IDLE = "idle"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class ModelStatus:
    """What the page and `/readyz` show of one model.

    Attributes:
        name: as the operator gave it.
        stage: while loading, what is being done ("downloading", "reading weights"), else empty.
        done, total: of that stage, in bytes; total is None where it is not known.
        message: why it failed, empty otherwise.
        notice: a banner that visitors must see, such as that the bundled checkpoint stands in for `name`.
        info: of the model that really runs; None until ready.
    """

    name: str
    phase: Phase = Phase.IDLE
    stage: str = ""
    done: int = 0
    total: int | None = None
    message: str = ""
    notice: str = ""
    info: ModelInfo | None = None
