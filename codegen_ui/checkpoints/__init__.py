"""Models by name: hub, cache, local folder or bundled -> configuration, tokenizer and weights, or one clear message."""

from __future__ import annotations

from codegen_ui.checkpoints.checkpoint import BUNDLED, Checkpoint, open_checkpoint
from codegen_ui.checkpoints.hub_errors import HubRefused
from codegen_ui.checkpoints.known import KNOWN_MODELS, KnownModel
from codegen_ui.checkpoints.tokenizer import import_libraries
from codegen_ui.engine.model.config import parameter_count, required_bytes

__all__ = [
    "BUNDLED",
    "KNOWN_MODELS",
    "Checkpoint",
    "HubRefused",
    "KnownModel",
    "import_libraries",
    "open_checkpoint",
    "parameter_count",
    "required_bytes",
]
