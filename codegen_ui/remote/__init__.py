"""Generating on other machines, through any OpenAI-compatible completions server."""

from __future__ import annotations

from codegen_ui.remote.loader import make_loader
from codegen_ui.remote.remote_engine import RemoteEngine

__all__ = ["RemoteEngine", "make_loader"]
