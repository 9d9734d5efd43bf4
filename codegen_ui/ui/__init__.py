"""The page: one file a panel, composed by `page`. With it Gradio is imported, without what nobody here asks of it."""

from __future__ import annotations

import importlib.util
import os
import sys

# No telemetry, no version check, no request to any other host.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


def import_gradio() -> None:
    """Import Gradio in half the time: by itself it reads the source of its 76 components each time, and writes the
    stubs (`.pyi`) anew that tell an editor of their events.

    As the import system does it, the package is known before it is run; so one of its modules can be had before the
    others. Where Gradio has been imported already, nothing is done.
    """
    spec = importlib.util.find_spec("gradio")
    if "gradio" in sys.modules or spec is None or spec.loader is None:
        return
    package = sys.modules["gradio"] = importlib.util.module_from_spec(spec)
    try:
        from gradio import component_meta

        component_meta.create_or_modify_pyi = lambda *_: None
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules["gradio"]
        raise


import_gradio()
