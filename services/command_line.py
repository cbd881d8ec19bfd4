"""What commands that are not Django's share: help as written, exit codes, Ctrl-C.

64 for wrong usage is EX_USAGE of sysexits.h (argparse's own 2 means "file not found"
to make); 130 is 128 and SIGINT's number, as shells have it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

EX_USAGE = 64
EX_INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """argparse with exit code 64, and help that keeps its lines."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EX_USAGE, f"{self.prog}: {message}\n")


def stopped_cleanly(main: Callable[[], int | None], name: str) -> int:
    """Return the exit code of ``main``; after Ctrl-C 130, with a line and no traceback.

    None is 0.
    """
    try:
        return main() or 0
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: stopped\n")
        return EX_INTERRUPTED


def run_to_its_end(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a command and return its exit code; after Ctrl-C, too, it may clean up.

    `subprocess.run` would kill it after 0.25 s.

    Raises:
        KeyboardInterrupt: after its end, or at once by the second Ctrl-C.
    """
    with subprocess.Popen(argv, cwd=cwd, env=env) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # it has the same terminal and got it, too
            process.wait()
            raise
