"""Run a generated program where it can do no harm: own process, limits, no network, empty folder, no environment.

Used by `evaluate` alone; the server never runs generated code.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

MEMORY_BYTES = 2 << 30  # address space; importing numpy alone reserves several hundred MB
CPU_SECONDS = 10
FILE_BYTES = 1 << 20
OUTPUT_CHARACTERS = 2000
# Sockets, processes and signals are refused from inside, too, so that a machine without `unshare` keeps the promise.
# The hook cannot be removed once it is set.
GUARD = """import sys
def _refuse(event, arguments):
    kind, _, name = event.partition(".")
    if kind in ("socket", "subprocess", "ctypes", "signal", "shutil") or kind == "os" and name in (
        "system", "exec", "fork", "forkpty", "posix_spawn", "kill", "killpg", "remove", "rename", "rmdir", "chmod"
    ):
        raise PermissionError(f"{event} is not allowed here")
{imports}
sys.addaudithook(_refuse)
del _refuse
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a program; `passed` means that it ended by itself with status 0."""

    passed: bool
    reason: str


def network_namespace() -> list[str]:
    """A command prefix that takes the network away, or nothing where the system does not allow that."""
    tool = shutil.which("unshare")
    for flags in (["--net"], ["--user", "--net"]):
        if tool and subprocess.run([tool, *flags, "true"], capture_output=True, check=False).returncode == 0:
            return [tool, *flags]
    return []


def run_program(source: str, *, prefix: list[str], seconds: float = 10.0, imports: str = "") -> Outcome:
    """Run Python source to its end or to a limit. `prefix` is from `network_namespace`; never raises for what it does.

    `imports` are statements of ours that run before the guard is in place (numpy probes the machine as it loads).
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *prefix,
            sys.executable,
            "-I",
            "-S" if not imports else "-B",
            "-c",
            GUARD.replace("{imports}", imports) + source,
        ]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": folder},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
                preexec_fn=_limit,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return Outcome(False, "timeout")
    if done.returncode == 0:
        return Outcome(True, "")
    return Outcome(False, (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:OUTPUT_CHARACTERS])


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
