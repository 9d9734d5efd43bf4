"""Run the playground: `python app.py`."""

try:
    import signal
    import sys

    # An interrupt while modules are being imported ends the process without a trace of where it was; see `main.leave`
    # for all that comes later. What Python itself does before this file's first line is out of our hands.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    from codegen_ui.main import command
except KeyboardInterrupt:
    raise SystemExit(130) from None

if __name__ == "__main__":
    sys.exit(command())
