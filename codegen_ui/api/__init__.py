"""The OpenAI-compatible HTTP API and the operator's routes."""
