"""A server with a feed of BTCUSDT and EURUSD, for clients that others have written."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

from tests.marketdata.server_process import ROOT, ServerProcess, running_server

SETTINGS = {
    "DATABASE_URL": "",
    "BROKERS_ENABLED": "simulated",
    "SIMULATED_RATE": "20",
    "HEARTBEAT_S": "1",
    "FEED_SILENT_S": "3.5",
}


@contextlib.contextmanager
def simulated_market() -> Iterator[ServerProcess]:
    """Run the server and the simulated feed."""
    prefix = f"market-{uuid4().hex[:8]}"
    feed = subprocess.Popen(
        [sys.executable, "manage.py", "run_feed", "simulated"],
        cwd=ROOT,
        env={**os.environ, "CHANNEL_PREFIX": prefix, **SETTINGS},
    )
    try:
        with running_server(prefix, **SETTINGS) as server:
            yield server
    finally:
        feed.terminate()
        feed.wait(60)
