"""A minute in which everything that a feed stands on is killed (`benchmarks.chaos`)."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MINUTES, RATE, TRADING = 0.75, 1_000, 20


def test_chaos_what_the_feed_read_is_stored_exactly_once() -> None:
    options = ("--minutes", MINUTES, "--rate", RATE, "--trading", TRADING)

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "exactly once" in done.stdout
    assert count(done.stdout, "sent") > 60 * MINUTES * RATE / 4
    assert count(done.stdout, "lost") < count(done.stdout, "sent") / 10
    assert count(done.stdout, "back filled") > 0
    assert count(done.stdout, "client frames") > count(done.stdout, "stored") / 2
    assert done.stdout.count("upstream killed") == 6


def count(printed: str, name: str) -> int:
    """Return a figure of the account."""
    found = re.search(rf"^{name} +([\d,]+)$", printed, re.MULTILINE)
    assert found, printed
    return int(found[1].replace(",", ""))
