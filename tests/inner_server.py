"""A server to be killed: `python inner_server.py PORT SECONDS` serves the API over a fake engine, SECONDS a token."""

from __future__ import annotations

import sys

import uvicorn
from fake_engine import FakeEngine, serve
from web import api_app

WORDS = tuple(f"    word{number}\n" for number in range(50))

if __name__ == "__main__":
    app = api_app(serve(FakeEngine(WORDS, seconds=float(sys.argv[2]), context=2048)))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
