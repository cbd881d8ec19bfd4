"""Help, exit codes and Ctrl-C of benchmarks."""

import sys
from collections.abc import Callable
from typing import NoReturn

from services.command_line import Parser, stopped_cleanly

_EPILOG = """\
Exit codes: 0 done, 1 a limit is missed, 64 wrong usage, 130 stopped by Ctrl-C; what was
made for the benchmark is removed each time.

examples:
"""


def parser_of(name: str, doc: str | None, *examples: str) -> Parser:
    """Return a parser whose help is the module's docstring and these arguments."""
    lines = [f"  python -m benchmarks.{name} {item}".rstrip() for item in examples]
    return Parser(
        prog=f"python -m benchmarks.{name}",
        description=doc,
        epilog=_EPILOG + "\n".join(lines),
    )


def run_benchmark(main: Callable[[], int | None], name: str) -> NoReturn:
    """Exit with the code of ``main``; with 130 after Ctrl-C."""
    sys.exit(stopped_cleanly(main, name))
