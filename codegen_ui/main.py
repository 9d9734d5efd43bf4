"""The command: `python app.py` or, once installed, `codegen-playground`.

Command line and environment become one frozen `Options`, read once; `options.py` has the options.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from codegen_ui.announce import say
from codegen_ui.collector import uncollected
from codegen_ui.errors import InvalidInput, PlaygroundError
from codegen_ui.kinds import Choice, Kind, Switch
from codegen_ui.options import ENVIRONMENT_PREFIX, GROUPS, Options
from codegen_ui.table import Option, Row, rows

INTERRUPTED = 130
SWITCH_SECONDS = 0.0005
"""How long a thread that has the interpreter may keep it while another wants it. Python's own 5 ms, times the
threads that read prompts and draw pages, is how late the event loop answers and how long a step waits for its own."""
HELP_WIDTH = 110


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


def read_command_line(argv: Sequence[str], environ: Mapping[str, str], program: str = "app.py") -> Options:
    """The options in force. Raises `InvalidInput` naming the option, its value and the limit.

    What is no option at all is a `PlaygroundError`. `--help` prints itself and exits.
    """
    return Options(**read_options(build_command(program), argv, environ))


def read_options(command: click.Command, argv: Sequence[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """What was given, by the options' names and in their types."""
    try:
        context = command.make_context(command.name, list(argv), obj=environ)
    except click.exceptions.Exit as done:
        raise SystemExit(done.exit_code) from None
    except click.UsageError as error:
        raise PlaygroundError(f"{error.format_message()} --help shows every option.") from None
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name: value for name, value in context.params.items() if sources[name] is not ParameterSource.DEFAULT}
    typed = {name: value for name, value in given.items() if sources[name] is ParameterSource.COMMANDLINE}
    check_used(command, typed, remote=bool(given.get("backend_url")))
    return given


def check_used(command: click.Command, typed: Mapping[str, object], *, remote: bool) -> None:
    """Raises `InvalidInput` for an option on the command line that would have no effect.

    The environment may hold such options: it is often shared between servers that differ in one of them.
    """
    for option in command.params:
        if not isinstance(option, RowOption) or option.row.name not in typed:
            continue
        name, value = option.row.name, option.row.kind.show(typed[option.row.name])
        if option.row.only == "remote" and not remote:
            raise InvalidInput(name, value, "left out unless --backend-url is given as well")
        if option.row.only == "local" and remote:
            instead = "; --backend-model chooses the model there" if name == "model" else ""
            raise InvalidInput(name, value, f"left out where the servers of --backend-url generate{instead}")


def build_command(program: str = "app.py", groups: Mapping[str, Sequence[type]] = GROUPS) -> click.Command:
    """Every option of these tables with its help."""
    options = [
        RowOption(one, group) for group, tables in groups.items() for table in tables for one in rows(table, Option)
    ]
    return Command(
        program,
        params=list(options),
        help="A browser playground for CodeGen models.",
        epilog=f"Every option can also be set by an environment variable: {ENVIRONMENT_PREFIX} and its name in "
        f"capitals, such as {ENVIRONMENT_PREFIX}MODEL (several values separated by commas). The command line wins.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH},
    )


class Kinded(click.ParamType[Any]):
    """A row's kind as click asks for it. What `InvalidInput` says stays as it is: click passes it on."""

    def __init__(self, row: Row) -> None:
        self.name = row.name
        self._row = row

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        # One value of a repeated option; all of them are checked together by `Options`.
        return value if self._row.kind.several else self._row.kind.parse(self._row.name, value)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return rv.split(",")


class Switched(Kinded, click.types.BoolParamType):
    """The same for a switch, which click takes for one only if its type is click's own."""


class RowOption(click.Option):
    """A row as an option of the command line and as a variable of the environment that `ctx.obj` holds."""

    def __init__(self, row: Option, group: str) -> None:
        name = row.name.replace("_", "-")
        switch = isinstance(row.kind, Switch)
        super().__init__(
            [f"--{name}/--no-{name}" if switch else f"--{name}", row.name],
            type=Switched(row) if switch else Kinded(row),
            is_flag=switch or None,
            multiple=row.kind.several,
            metavar=None if switch else row.shown,
            help=f"{names_of(row.kind)}{row.help} (default: {row.default_text})",
            default=row.default,
        )
        self.row = row
        self.group = group

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """As click does it, but of the environment that was passed in; an empty variable is none."""
        environ: Mapping[str, str] = ctx.obj or {}
        return environ.get(ENVIRONMENT_PREFIX + self.row.name.upper()) or None


def names_of(kind: Kind) -> str:
    """What an option's help begins with where only a few words are allowed."""
    return f"{', '.join(kind.words)}: " if isinstance(kind, Choice) else ""


class Command(click.Command):
    """A command whose help has a section for each group of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "group", "options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
