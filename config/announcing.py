"""What `make run` prints when all is up."""

import sys
import time
import urllib.error
import urllib.request


def announce(port: str, login: str) -> None:
    """Print the addresses once the web process answers; blocks for up to 60 s."""
    host = f"127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{host}/health/live", timeout=1).close()
            break
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.1)
    else:
        print(f"launch: nothing answers at {host} after 60 s", file=sys.stderr)
        return
    print(
        f"\n  Page       http://{host}/"
        f"\n  WebSocket  ws://{host}/"
        f"\n  REST       http://{host}/api/candles?symbol=EURUSD&timeframe=1h"
        "&from=1549238400&to=1549324799"
        f"\n  Admin      http://{host}/admin/  {login}"
        "\n  Stop with Ctrl-C\n",
        flush=True,
    )
