"""Follow prices for ever: comes back after a loss and gets what it missed.

python client.py ws://127.0.0.1:8080/ BTC/USDT EUR/USD
"""

import asyncio
import json
import random
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake


async def follow(url, symbols, handle):
    """Call handle with each data frame; raise when the server wants us no more."""
    positions, failures = {}, 0  # of each topic: the last frame that we have
    while True:
        wait_s = None
        try:
            async with connect(url) as socket:
                for request in requests(symbols, positions):
                    await socket.send(json.dumps(request))
                while True:
                    frame = json.loads(await socket.recv())
                    if frame["type"] == "data":
                        failures = 0
                        positions[key(frame["data"])] = position(frame)
                        handle(frame)
                    elif frame.get("code") == "SHUTDOWN":
                        wait_s = frame["reconnect_after_ms"] / 1000
                    elif "code" in frame:  # an error, or the state of a feed
                        print(frame, file=sys.stderr)
                    for topic in frame.get("accepted", []):
                        positions.setdefault(key(topic), position(topic))
        except ConnectionClosed as exc:
            if exc.rcvd and exc.rcvd.code >= 4500:
                raise  # coming back unchanged is of no use
        except (OSError, InvalidHandshake) as exc:
            print(exc, file=sys.stderr)
        longest_s = min(0.5 * 2 ** min(failures, 6), 30.0)
        failures += 1
        await asyncio.sleep(random.uniform(0, longest_s) if wait_s is None else wait_s)


def requests(symbols, positions):
    """Subscribe by name the first time, later to each topic from where it was."""
    if not positions:
        yield {"action": "subscribe", "symbols": symbols}
    for (broker, symbol, kind), since in positions.items():
        topic = {"broker": broker, "symbols": [symbol], "types": [kind]}
        more = {"since": since, "snapshot": False} if since else {}
        yield {"action": "subscribe", **topic, **more}


def key(topic):
    return topic["broker"], topic["symbol"], topic["type"]


def position(frame):
    time = frame.get("data", {}).get("timestamp")
    if frame.get("epoch") is None:  # imported history has no numbers
        return time
    place = {"epoch": frame["epoch"], "seq": frame["seq"]}
    return place | ({"timestamp": time} if time else {})


if __name__ == "__main__":
    _, url, *symbols = sys.argv
    asyncio.run(follow(url, symbols, lambda frame: print(json.dumps(frame))))
