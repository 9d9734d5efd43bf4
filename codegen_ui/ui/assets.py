"""The files of the page: its own, each loaded when it is first needed, Brython's from its package, and Gradio's.

They are known by name and compressed once. Gradio's bear a hash of their content in their names: browsers keep those
for good. Of the others they ask each time whether what they have is still right.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path

import gradio
from fastapi import FastAPI, Request, Response

PREFIX = "/own"
GRADIO = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
GRADIO_PREFIX = "/assets"
SCRIPT, STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
MEDIA = {".js": SCRIPT, ".css": STYLE, ".svg": "image/svg+xml", ".woff": "font/woff", ".woff2": "font/woff2",
         ".ttf": "font/ttf"}  # fmt: skip
FOR_GOOD, ASK = "public, max-age=31536000, immutable", "no-cache"
MENDED = {"statustracker-DQF-KcRT.js": (b"W&&ze()", b"W&&U?.isConnected&&ze()")}
"""What stands in a file of Gradio's, and what shall. Its status tracker counts its seconds at every frame. The one
shown while the page loads never hears that this is over, so each open page would draw 60 frames a second for nothing:
over half of what it costs at rest."""
HERE = Path(__file__).parent
SANDBOX_POLICY = (
    "sandbox allow-scripts; default-src 'none'; connect-src 'none'; script-src blob: 'unsafe-inline' 'unsafe-eval'; "
    "worker-src blob:"
)
"""For the frame in which generated code runs: an opaque origin, and no request to any host, ours included. Brython
makes functions from text, hence `unsafe-eval`; `blob:` is code that the page handed over itself."""


@dataclass(frozen=True)
class Asset:
    """A file to serve; `policy` replaces the page's own where it is not empty, `keep` says how long browsers may.
    `mend`: see `MENDED`."""

    path: Path
    media_type: str = SCRIPT
    policy: str = ""
    keep: str = ASK
    mend: tuple[bytes, bytes] | None = None


@dataclass(frozen=True)
class Content:
    """What an answer carries: as it is, compressed by gzip, and its tag."""

    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, plain: bytes) -> Content:
        return cls(plain, gzip.compress(plain, 6, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:24]}"')

    def answer(self, request: Request, media_type: str, **headers: str) -> Response:
        """The response; 304 without a body where the browser has it already."""
        headers = {"etag": self.tag, "vary": "Accept-Encoding", **headers}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, headers={**headers, "content-encoding": "gzip"}, media_type=media_type)
        return Response(self.plain, headers=headers, media_type=media_type)


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


def gradio_assets() -> dict[str, Asset]:
    """What Gradio's page is built of, by name."""
    return {
        path.name: Asset(
            path,
            MEDIA.get(path.suffix, "application/octet-stream"),
            keep=FOR_GOOD,
            mend=MENDED.get(path.name),
        )
        for path in GRADIO.iterdir()
    }


@lru_cache(maxsize=1024)
def read(asset: Asset, changed: int) -> Content:
    """`changed` is the file's time, so that an edit is seen. There are fewer files than are remembered."""
    content = asset.path.read_bytes()
    return Content.of(content.replace(*asset.mend) if asset.mend else content)


def add_assets(app: FastAPI) -> None:
    """Serve the files under `PREFIX`, and Gradio's in its stead: it compresses each again at every request."""
    for prefix, assets in ((PREFIX, find_assets()), (GRADIO_PREFIX, gradio_assets())):
        app.add_api_route(f"{prefix}/{{name}}", partial(answer, assets), include_in_schema=False)


async def answer(assets: Mapping[str, Asset], name: str, request: Request) -> Response:
    found = assets.get(name)
    if found is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    # Compressing the library takes a moment, once: not on the loop that carries everybody's streams.
    content = await asyncio.to_thread(read, found, found.path.stat().st_mtime_ns)
    headers = {"content-security-policy": found.policy} if found.policy else {}
    return content.answer(request, found.media_type, **{"cache-control": found.keep}, **headers)
