"""Read the last days of candles that there are: the metadata first, then page by page.

python candles.py http://127.0.0.1:8080 EURUSD 1h 7
"""

import json
import sys
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import urlopen

DAY_S, WEEK_S = 86_400, 604_800


def recent_candles(server, symbol, timeframe="1h", days=7):
    """Yield candles, the oldest first; raise LookupError for what is not there."""
    metadata, _ = get(urljoin(server, "/api/metadata"), symbol=symbol)
    last = metadata["latest"]  # history ends here, which may be long before now
    # Candles bear the time of their start, up to a week before their first tick.
    first = max(last - days * DAY_S, metadata["earliest"] - WEEK_S)
    query = {"symbol": symbol, "timeframe": timeframe, "from": first, "to": last}
    # With the version in it an address never means anything else: it is cached well.
    query |= {"limit": 5000, "v": metadata["version"]}
    address = urljoin(server, "/api/candles")
    while True:
        candles, headers = get(address, **query)
        yield from candles
        if "X-Next-Cursor" not in headers:
            return
        query["cursor"] = headers["X-Next-Cursor"]


def get(address, **query):
    try:
        with urlopen(f"{address}?{urlencode(query)}", timeout=30) as answer:
            return json.load(answer), answer.headers
    except HTTPError as exc:
        error = json.load(exc)  # always {"error": text, "code": code}
        raise LookupError(f"{error['code']}: {error['error']}") from None


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    _, server, symbol, timeframe, days = sys.argv
    for candle in recent_candles(server, symbol, timeframe, int(days)):
        print(json.dumps(candle))
