"""The page's own files, each loaded when it is first needed: scripts, and Brython from its package.

They are few, known by name, compressed once, and kept by browsers until they change.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI, Request, Response

PREFIX = "/own"
SCRIPT, STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
HERE = Path(__file__).parent
SANDBOX_POLICY = (
    "sandbox allow-scripts; default-src 'none'; connect-src 'none'; script-src blob: 'unsafe-inline' 'unsafe-eval'; "
    "worker-src blob:"
)
"""For the frame in which generated code runs: an opaque origin, and no request to any host, ours included. Brython
makes functions from text, hence `unsafe-eval`; `blob:` is code that the page handed over itself."""


@dataclass(frozen=True)
class Asset:
    """A file to serve; `policy` replaces the page's own where it is not empty."""

    path: Path
    media_type: str = SCRIPT
    policy: str = ""


def find_assets() -> dict[str, Asset]:
    """By the name under `PREFIX`."""
    scripts = {path.name: Asset(path) for path in sorted((HERE / "static").glob("*.js"))}
    styles = {path.name: Asset(path, STYLE) for path in sorted((HERE / "static").glob("*.css"))}
    return {
        **scripts,
        **styles,
        "sandbox.html": Asset(HERE / "static" / "sandbox.html", "text/html; charset=utf-8", SANDBOX_POLICY),
        "check_runner.py": Asset(HERE / "views" / "check_runner.py", "text/plain; charset=utf-8"),
        "brython.js": Asset(brython("brython.js")),
        "brython_stdlib.js": Asset(brython("brython_stdlib.js")),
    }


def brython(name: str) -> Path:
    """A file of the installed Brython package, which is data to us and is not imported."""
    spec = find_spec("brython")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("brython is not installed: pip install -r requirements.txt", name="brython")
    return Path(spec.origin).parent / "data" / name


@lru_cache(maxsize=64)
def read(path: Path, changed: int) -> tuple[bytes, bytes, str]:
    """(content, the same compressed, its tag); `changed` is the file's time, so that an edit is seen."""
    content = path.read_bytes()
    return content, gzip.compress(content, 6, mtime=0), f'"{hashlib.sha256(content).hexdigest()[:24]}"'


def add_assets(app: FastAPI) -> None:
    """Serve the files under `PREFIX`."""
    assets = find_assets()

    @app.get(f"{PREFIX}/{{name}}", include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        found = assets.get(name)
        if found is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        # Compressing the library takes a moment, once: not on the loop that carries everybody's streams.
        content, packed, tag = await asyncio.to_thread(read, found.path, found.path.stat().st_mtime_ns)
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if found.policy:
            headers["Content-Security-Policy"] = found.policy
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.media_type)
        return Response(content, headers=headers, media_type=found.media_type)
