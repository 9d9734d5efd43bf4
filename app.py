"""Run the playground: `python app.py`. Settings -> models -> page and API -> server; nothing else."""

from __future__ import annotations

import os
import sys

from codegen_ui.errors import PlaygroundError
from codegen_ui.settings import Settings, read_settings


def main() -> int:
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        run(settings)
    except PlaygroundError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.")
    return 0


def run(settings: Settings) -> None:
    print("CodeGen Playground: importing the web server, a few seconds ...", flush=True)
    from codegen_ui.server import serve

    serve(settings)


if __name__ == "__main__":
    sys.exit(main())
