"""What went wrong between us and the model hub, as one sentence that says what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from codegen_ui.checkpoints.progress import free_bytes, no_room
from codegen_ui.errors import ModelUnavailable


class HubRefused(ModelUnavailable):
    """The hub was reached and did not give the model; the reason quotes its answer."""


def explain(name: str, revision: str | None, error: Exception, seconds: float) -> ModelUnavailable:
    """For an error of the first question to the hub. Errors that are no such thing are raised again."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    endpoint = constants.ENDPOINT
    if isinstance(error, HfHubHTTPError):
        return refusal(name, revision, error)
    if isinstance(error, HFValidationError):
        return ModelUnavailable(name, "this is neither a folder on this machine nor a model hub id (owner/name).")
    if isinstance(error, OfflineModeIsEnabled):
        reason = "the model hub may not be asked (HF_HUB_OFFLINE is set), and the model is not in the cache."
        return ModelUnavailable(name, reason, offline=True)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        reason = f"the model hub at {endpoint} did not answer within {seconds:g} s, and the model is not in the cache."
        return ModelUnavailable(name, reason, offline=True)
    if isinstance(error, httpx2.RequestError | ConnectionError):
        why = network_reason(error)
        reason = f"the model hub at {endpoint} cannot be reached ({why}), and the model is not in the cache."
        return ModelUnavailable(name, reason, offline=True)
    if isinstance(error, ValueError):
        return HubRefused(name, f"{endpoint} answers, but not as a model hub does; check HF_ENDPOINT.")
    raise error


def network_reason(error: BaseException) -> str:
    import httpx2

    if isinstance(error, httpx2.LocalProtocolError):
        return "a header of the request is malformed; check HF_TOKEN"  # the error's own text would show the token
    text = str(error).strip() or type(error).__name__
    lowered = text.lower()
    if any(hint in lowered for hint in ("name or service not known", "name resolution", "nodename nor servname")):
        return "its name cannot be looked up: no network, or no DNS"
    if "refused" in lowered:
        return "connection refused"
    return text.splitlines()[0]


def refusal(name: str, revision: str | None, error: Any) -> HubRefused:
    """`error` is a `HfHubHTTPError`: the hub answered, and the answer was no."""
    from huggingface_hub import constants

    response = error.response
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    said = (error.server_message or response.headers.get("X-Error-Message") or "").strip().split("\n")[0]
    quoted = f' ("{said[:200]}")' if said else ""
    if code == "GatedRepo":
        what = "access has to be granted on the model's page first; then set HF_TOKEN to a token of that account"
    elif code == "RevisionNotFound":
        what = f"the model has no revision {revision!r}"
    elif status == 401:
        what = "there is no such model, or it is private: check the name, or set HF_TOKEN to a token that may read it"
    elif status == 403:
        what = "access is forbidden; set HF_TOKEN to a token that may read it"
    elif status == 404:
        what = "there is no such model; check the name" if revision is None else "there is no such model or revision"
    elif status == 429:
        what = "too many requests from here; please try again later"
    else:
        what = "the hub has a problem of its own; please try again later"
    return HubRefused(name, f"the model hub at {constants.ENDPOINT} answered {status}{quoted}: {what}.")


def download_failure(name: str, file: str, size: int, so_far: str, error: Exception) -> ModelUnavailable:
    """For an error in the middle of a download, `offline` where the line is at fault. Others are raised again."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
    cache = Path(constants.HF_HUB_CACHE)
    if isinstance(cause, HfHubHTTPError):
        return refusal(name, None, cause)
    number = cause.errno if isinstance(cause, OSError) and not isinstance(cause, ConnectionError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return ModelUnavailable(name, no_room(cache, free_bytes(cache), size))
    if number is not None:
        return ModelUnavailable(name, f"{file} cannot be written to the cache {cache} ({cause}).")
    # The client's Xet transfers, written in Rust, report a lost line as a plain RuntimeError.
    if isinstance(cause, httpx2.RequestError | OSError | RuntimeError):
        reason = f"the connection to the model hub broke off while downloading {file} after {so_far}"
        return ModelUnavailable(name, f"{reason} ({network_reason(cause)}). Please try again.", offline=True)
    raise error
