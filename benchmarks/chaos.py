"""Everything that a feed stands on is killed while it runs; then the ticks are counted.

    python -m benchmarks.chaos [--minutes 10] [--rate 5000]

An upstream on real sockets sends ticks of 200 symbols and is killed six times, the
database is cut off for a tenth of the time (a minute at most), Redis is killed and
started empty, the feed process is killed with another standing by. In the end each
tick that the feed read must be in the store exactly once, and each that was published
under the number that it was published with. Exit code 1 if not.
"""

import argparse
import os
import sys

import django
import uvloop
from django.conf import settings
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SECRET_KEY", "benchmark")
os.environ.setdefault("LOG_LEVEL", "warning")
django.setup()

from benchmarks.chaos_account import Account  # noqa: E402
from benchmarks.chaos_run import run_chaos  # noqa: E402
from benchmarks.ingest_instruments import make_instruments  # noqa: E402


def tell_account(found: Account) -> None:
    """Print the account."""
    for name, count in found._asdict().items():
        print(f"{name.replace('_', ' '):<16}{count:>12,}")
    print("exactly once" if found.is_clean else "NOT exactly once")


def run(duration_s: float, rate: float) -> int:
    connection.settings_dict["TEST"]["NAME"] = f"chaos_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        make_instruments()
        connection.close()
        found, _ = uvloop.run(run_chaos(duration_s, rate, print))
        tell_account(found)
        return 0 if found.is_clean else 1
    finally:
        connection.creation.destroy_test_db(settings.DATABASES["default"]["NAME"], 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=5_000.0)
    options = parser.parse_args()
    sys.exit(run(60 * options.minutes, options.rate))
