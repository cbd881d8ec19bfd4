"""Everything that a feed stands on is killed while it runs; then all is counted.

    python -m benchmarks.chaos [--minutes 10] [--rate 5000]

Brings a PostgreSQL and a Redis of its own, in a temporary folder. An upstream on real
sockets that speaks Binance's protocol sends ticks and trades of 200 symbols and is
killed six times, PostgreSQL is killed and away for a tenth of the time (a minute at
most), Redis is killed and started empty, the feed process is killed with another one
standing by; clients follow all of it through a web process. In the end each tick that
the feed read must be in the store exactly once, what it did not read in a gap that was
told and stored, each trade stored, too, and what clients got as it is stored. The exit
code is 1 if not.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import services
from benchmarks.command_line import parser_of, run_benchmark
from services.command_line import Parser

# What names another's services, or fixes their ports.
OTHERS = ("DATABASE_URL", "REDIS_URL", "SERVICES_PG_PORT", "SERVICES_REDIS_PORT")


def run(options: argparse.Namespace) -> int:
    """Run it in a process that has the services' addresses; return its exit code."""
    # So that what was started is stopped, however this process is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with own_services():
        command = [sys.executable, "-m", "benchmarks.chaos_run"]
        numbers = options.minutes, options.rate, options.trading
        return subprocess.run([*command, *map(str, numbers)], check=False).returncode


@contextmanager
def own_services() -> Iterator[None]:
    """Start both services, name them in the environment; remove them at the end."""
    with TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user if we are root
        for setting in OTHERS:
            os.environ.pop(setting, None)
        os.environ["SERVICES_DIR"] = str(folder / "services")
        try:
            found = services.up()
            os.environ |= {
                "DATABASE_URL": found.database_url,
                "REDIS_URL": found.redis_url,
                "JOURNAL_DIR": str(folder / "journal"),
                "SECRET_KEY": secrets.token_urlsafe(40),
                "ENV_FILE": os.devnull,
                "CONFIG_FILE": os.devnull,
                "CHANNEL_PREFIX": "chaos",
                "LOG_LEVEL": "WARNING",
            }
            yield
        finally:
            services.down(purge=True)


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of("chaos", __doc__, "", "--minutes 2 --rate 1000")
    result.add_argument("--minutes", type=float, default=10.0)
    result.add_argument("--rate", type=float, default=5_000.0, help="ticks a second")
    result.add_argument(
        "--trading", type=int, default=200, help="symbols that have trades"
    )
    return result


if __name__ == "__main__":
    run_benchmark(lambda: run(parser().parse_args()), "chaos")
