"""Runs all tests in two processes at once, since most of the time tests wait.

    python -m tests.all [pytest's options]

Each has a database and a Redis of its own. The second one's output is shown behind the
first one's. Exit code 0 only if both passed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.marketdata.private_redis import PrivateRedis, find_program

TESTS = Path(__file__).parent
# About half of the time; what is not named here, new folders too, is the other half.
FIRST_HALF = ("benchmarks", "brokers", "compat", "marketdata")


def main(options: Sequence[str]) -> int:
    """Return the exit code of all tests together."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    first = [str(TESTS / name) for name in FIRST_HALF]
    others = [f"--ignore={name}" for name in first]
    redis = PrivateRedis(find_program())
    redis.start()
    mine = {
        "DATABASE_URL": os.environ["DATABASE_URL"] + "_other",
        "REDIS_URL": redis.url,
        "CHANNEL_PREFIX": os.environ.get("CHANNEL_PREFIX", "test") + "-other",
    }
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    try:
        with tempfile.TemporaryFile() as output:
            other = subprocess.Popen(
                [*pytest, *others, str(TESTS)],
                env=os.environ | mine,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            code = subprocess.run([*pytest, *first], check=False).returncode
            code = other.wait() or code
            output.seek(0)
            sys.stdout.write(output.read().decode(errors="replace"))
    finally:
        redis.kill()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
