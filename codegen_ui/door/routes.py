"""Which routes are open at all. Gradio brings many more than this page uses, and every release may bring others."""

from __future__ import annotations

import re

API = r"/v1(/.*)?|/tokenize"
OPERATIONS = r"/healthz|/readyz|/metrics|/docs|/openapi\.json"
FILES = (
    r"/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon(/\w+)?"
    r"|/(assets|static|svelte|own)/[\w./+@~-]{1,300}"
)
READ = (
    r"/|/config/?|/gradio_api/(info/?|app_id/?|theme\.css|startup-events|queue/data)"
    r"|/gradio_api/(heartbeat|call/generate)/[\w-]{1,64}"
)
WRITE = r"/gradio_api/(queue/join|run/predict/?|reset/?|cancel|call/generate/?)"

_api, _operations, _static = re.compile(API), re.compile(OPERATIONS), re.compile(FILES)
_read, _write = re.compile(f"{FILES}|{READ}"), re.compile(WRITE)


def is_open(method: str, path: str) -> bool:
    """Whether the page, the API or an operator has a use for that route.

    The API says itself, in its own shape, what it has not.
    """
    if is_api(path) or is_operations(path):
        return True
    wanted = _read if method in ("GET", "HEAD") else _write if method == "POST" else None
    return wanted is not None and wanted.fullmatch(path) is not None and ".." not in path


def is_api(path: str) -> bool:
    return _api.fullmatch(path) is not None


def is_operations(path: str) -> bool:
    return _operations.fullmatch(path) is not None


def is_static(path: str) -> bool:
    """Files that are the same for everybody."""
    return _static.fullmatch(path) is not None
