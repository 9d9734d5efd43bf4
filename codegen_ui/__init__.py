"""A playground and a library for CodeGen, Salesforce's family of autoregressive code models.

    engine = codegen_ui.load("bundled")
    generation = engine.submit(codegen_ui.GenerationRequest("def fibonacci(n):\n", max_length=128))
    print(generation.result().text)

Importing this package costs nothing: torch and transformers are imported by `load`.
"""

from __future__ import annotations

from typing import Any

from codegen_ui.errors import Busy, GenerationFailed, InvalidInput, ModelUnavailable, PlaygroundError
from codegen_ui.generation import Completion, Engine, EngineStats, Generation, ModelInfo, Snapshot, TokenEvent
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.options import DEFAULT_MODEL
from codegen_ui.request import FinishReason, GenerationRequest, SamplingParams, StopAt

__all__ = [
    "Busy",
    "Completion",
    "Engine",
    "EngineStats",
    "FinishReason",
    "Generation",
    "GenerationFailed",
    "GenerationMetrics",
    "GenerationRequest",
    "InvalidInput",
    "ModelInfo",
    "ModelUnavailable",
    "PlaygroundError",
    "SamplingParams",
    "Snapshot",
    "StopAt",
    "TokenEvent",
    "load",
]


def load(model: str = DEFAULT_MODEL, **options: Any) -> Engine:
    """Load a model and start its engine; options have the command line's names (`device="cpu"`, `slots=4`, ...).

    They are those of `options.LoadOptions` and `EngineOptions`, and `progress`, a function of (stage, done, total).

    `model` is a hub id, a local folder or `"bundled"`. Blocks until the weights are in place. The engine is a context
    manager. Raises `InvalidInput` for an option out of range and `ModelUnavailable` where the model cannot be had.
    """
    from codegen_ui.loading import load_engine

    return load_engine(model, **options)
