"""Candles as a DataFrame, by time, in UTC.

python candles_pandas.py http://127.0.0.1:8080 EURUSD 1h 2019-02-04 2019-02-05
"""

import sys
from urllib.parse import urlencode

import pandas as pd


def read_candles(server, symbol, timeframe, first, last, **more):
    """Return open, high, low, close, volume, ticks, complete and rev of each bucket.

    Times are ISO 8601 or Unix seconds, both inclusive, a year apart at most.
    """
    query = {"symbol": symbol, "timeframe": timeframe, "from": first, "to": last}
    query |= {"format": "csv", "fields": "full"} | more
    frame = pd.read_csv(f"{server}/api/candles?{urlencode(query)}", index_col="time")
    frame.index = pd.to_datetime(frame.index, unit="s", utc=True)
    return frame


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    hours = read_candles(*sys.argv[1:])
    hours["return"] = hours["close"].pct_change()
    hours["average"] = hours["close"].rolling(5).mean()
    columns = ["open", "high", "low", "close", "ticks", "return", "average"]
    print(hours[columns].to_string())
