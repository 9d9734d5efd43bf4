"""Models by name: hub, cache, local folder or bundled -> configuration, tokenizer and weights, or one clear message."""

from __future__ import annotations

from codegen_ui.checkpoints.checkpoint import BUNDLED, Checkpoint, open_checkpoint
from codegen_ui.checkpoints.hub_errors import HubRefused
from codegen_ui.checkpoints.tokenizer import import_libraries

__all__ = ["BUNDLED", "Checkpoint", "HubRefused", "import_libraries", "open_checkpoint"]
