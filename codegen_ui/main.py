"""The command: `python app.py` or, once installed, `codegen-playground`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from codegen_ui.errors import PlaygroundError
from codegen_ui.options import Settings
from codegen_ui.settings import read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit status: 2 where the settings or the port cannot be used."""
    program = os.path.basename(sys.argv[0])
    try:
        run(read_settings(sys.argv[1:] if arguments is None else arguments, os.environ, program))
    except PlaygroundError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.")
    return 0


def run(settings: Settings) -> None:
    print("CodeGen Playground: importing the web server, a few seconds ...", flush=True)
    from codegen_ui.server import serve

    serve(settings)
