"""Run the playground: `python app.py`."""

from __future__ import annotations

import sys

from codegen_ui.main import main

if __name__ == "__main__":
    sys.exit(main())
