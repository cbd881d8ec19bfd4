"""`make bench`: run the named benchmarks, or all; each prints its figures as lines."""

import sys
from pathlib import Path

from services.command_line import Parser, run_to_its_end, stopped_cleanly

HERE = Path(__file__).parent
EPILOG = """\
Each runs in a process of its own; `python -m benchmarks.<name> --help` tells what it
measures. Exit codes: the worst of them: 0 done, 1 a limit is missed; 64 wrong usage,
130 stopped by Ctrl-C.

examples:
  python -m benchmarks
  python -m benchmarks metadata candle_reads
"""


def parser() -> Parser:
    """Return the parser; examples are in its epilogue."""
    result = Parser(prog="python -m benchmarks", description=__doc__, epilog=EPILOG)
    result.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every()))
    return result


def every() -> list[str]:
    """Return the names of all benchmarks that `make bench` runs."""
    return sorted(
        path.stem for path in HERE.glob("[a-z]*.py") if "def main(" in path.read_text()
    )


def main(arguments: list[str] | None = None) -> int:
    """Run each benchmark in a process of its own; return the worst exit code."""
    names = parser().parse_args(arguments).names
    unknown = sorted(set(names) - set(every()))
    if unknown:
        parser().error(
            f"expected some of {', '.join(every())}, found {', '.join(unknown)}"
        )
    worst = 0
    for name in names or every():
        sys.stdout.write(f"--- {name}\n")
        sys.stdout.flush()
        argv = [sys.executable, "-m", f"benchmarks.{name}"]
        worst = max(worst, abs(run_to_its_end(argv, cwd=HERE.parent)))
    return worst


if __name__ == "__main__":
    sys.exit(stopped_cleanly(main, "benchmarks"))
