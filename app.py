"""Run the playground: `python app.py`."""

from __future__ import annotations

import signal
import sys

# An interrupt while modules are being imported ends the process without a trace of where it was.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from codegen_ui.main import command  # noqa: E402

if __name__ == "__main__":
    sys.exit(command())
