"""The command: `python app.py` or, once installed, `codegen-playground`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from codegen_ui.announce import say
from codegen_ui.collector import uncollected
from codegen_ui.command_line import read_command_line
from codegen_ui.errors import PlaygroundError
from codegen_ui.options import Options

INTERRUPTED = 130
SWITCH_SECONDS = 0.0005
"""How long a thread that has the interpreter may keep it while another wants it. Python's own 5 ms, times the
threads that read prompts and draw pages, is how late the event loop answers and how long a step waits for its own."""


def command() -> int:
    """The command as a process of its own: it can be interrupted at any moment."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    return main()


def leave(number: int, frame: FrameType | None) -> None:
    """End the process at once: with 0 where it was told to stop, with 130 where it was interrupted, as shells expect.
    While it serves, the server has handlers of its own, which end what runs first and then come here.

    An ordinary exit would wait for threads that are loading or computing, or take PyTorch away beneath them.
    """
    with suppress(OSError):
        os.write(1, b"Stopped.\n")
    os._exit(INTERRUPTED if number == signal.SIGINT else 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit status: 2 where the options or the port cannot be used, 130 where
    somebody interrupted."""
    program = os.path.basename(sys.argv[0])
    try:
        run(read_command_line(sys.argv[1:] if arguments is None else arguments, os.environ, program))
    except PlaygroundError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("Stopped.")
        return INTERRUPTED
    return 0


def run(options: Options) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    say("CodeGen Playground: importing the web server, a few seconds ...")
    with uncollected():
        from codegen_ui.server import serve

    serve(options)
