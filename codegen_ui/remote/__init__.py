"""Generating on other machines, through any OpenAI-compatible completions server."""

from __future__ import annotations

from codegen_ui.remote.engine import RemoteEngine
from codegen_ui.remote.loader import make_loader

__all__ = ["RemoteEngine", "make_loader"]
