"""What a remote backend is, as the page shows it, and what it cannot do."""

from __future__ import annotations

from collections.abc import Sequence

from codegen_ui.errors import InvalidInput
from codegen_ui.generation import ModelInfo
from codegen_ui.remote.backend import Backend
from codegen_ui.remote.wire import sent_settings
from codegen_ui.request import MAX_LENGTH, GenerationRequest, StopAt

NAMES = {"openai": "OpenAI's", "vllm": "vLLM's", "ours": "this project's"}


def model_info(backends: Sequence[Backend], slots: int) -> ModelInfo:
    """What the servers have in common, of those that have told anything yet."""
    served = [backend.served for backend in backends if backend.served is not None]
    names = ", ".join(backend.name for backend in backends)
    contexts = [one.context for one in served if one.context is not None]
    counted = all(one.abilities.tokenize for one in served)
    length = "" if counted else "; prompt tokens are not counted, so max length bounds new tokens alone"
    return ModelInfo(
        name=served[0].model if served else "remote",
        architecture=f"as served by {served[0].owner or 'a remote server'}" if served else "remote",
        context=min([MAX_LENGTH, *contexts]),
        device="remote",
        device_name=f"remote: {names}; figures measured at this page's server, network included{length}",
        slots=slots,
        slots_reason="requests on their way at once; the remote decides how many it decodes together",
        unsupported=unsupported(backends),
    )


def unsupported(backends: Sequence[Backend], table: type = GenerationRequest) -> dict[str, str]:
    """Settings that one of the servers does not take, with the reason."""
    for backend in backends:
        known = backend.served.abilities.settings if backend.served is not None else tuple(NAMES)
        missing = [one.name for one in sent_settings(table) if one.origin not in known]
        if missing:
            own = " and ".join(NAMES[origin] for origin in known)
            return dict.fromkeys(missing, f"{backend.name} is not known to take more than {own} own settings")
    return {}


def check_abilities(request: GenerationRequest, info: ModelInfo) -> None:
    """Raises `InvalidInput` for a setting that the servers would ignore, or a length over their context."""
    for one in sent_settings(type(request)):
        given = getattr(request, one.name)
        if one.name in info.unsupported and given != one.neutral:
            raise InvalidInput(one.name, given, f"{one.kind.show(one.neutral)}: {info.unsupported[one.name]}")
    if "top_k" in info.unsupported and request.stop_at is StopAt.LENGTH:
        # Over the API it may have been asked for by either name.
        choice = "another choice, and ignore_eos, which means 'length', must be false"
        raise InvalidInput("stop_at", "length", f"{choice}: {info.unsupported['top_k']}")
    if request.max_new_tokens is None and request.max_length > info.context:
        limit = f"at most this model's context of {info.context} tokens"
        raise InvalidInput("max_length", request.max_length, limit)
