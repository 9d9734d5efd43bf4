"""How a prompt and its completion share the model's context."""

from __future__ import annotations

from dataclasses import dataclass

from codegen_ui.errors import InvalidInput


@dataclass(frozen=True)
class Room:
    """Tokens of the prompt to keep, its last ones, and how many new ones may follow."""

    kept: int
    new_tokens: int


def fit_prompt(prompt_tokens: int, max_length: int, max_new_tokens: int | None, context: int) -> Room:
    """Share `context` positions between a prompt of `prompt_tokens` and what follows it.

    With `max_new_tokens`, that many may follow, or as many as the context holds; a prompt over the context keeps so
    many of its last tokens that they fit. Without it, `max_length` bounds both together, as in transformers; a prompt
    over the context keeps three quarters of that, so that a quarter is left to generate.

    Raises `InvalidInput` on `max_length` or `max_new_tokens` where the model's context is smaller, or where a prompt
    that does fit the context leaves no room under `max_length`.
    """
    if max_new_tokens is not None:
        if max_new_tokens >= context:
            raise InvalidInput("max_new_tokens", max_new_tokens, f"at most {context - 1}, one less than the context")
        if prompt_tokens < context:
            return Room(prompt_tokens, min(max_new_tokens, context - prompt_tokens))
        return Room(context - max_new_tokens, max_new_tokens)
    if max_length > context:
        raise InvalidInput("max_length", max_length, f"at most this model's context of {context} tokens")
    if prompt_tokens >= context:
        new_tokens = max(1, max_length // 4)
        return Room(max_length - new_tokens, new_tokens)
    if prompt_tokens >= max_length:
        limit = f"more than the prompt's {prompt_tokens} tokens, to leave room for new ones"
        raise InvalidInput("max_length", max_length, limit)
    return Room(prompt_tokens, max_length - prompt_tokens)
