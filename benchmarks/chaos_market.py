"""What happens in the chaos' market: ticks and trades, each with a number. Pure.

The number of an event is its size, so it is in every row and frame that comes of it.
"""

import json
from array import array
from collections.abc import Sequence

import numpy as np

TICK, TRADE = 0, 1
# Of an event that was sent to nobody.
UNSENT = 0
MS_US = 1_000


class Market:
    """All events of ``symbols`` in order; the first has the number 1.

    ``connections`` says of each on which connection it was sent.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = symbols
        self.kinds = array("B")
        self.places = array("H")  # of the symbol
        self.connections = array("H")
        self.times_us = array("q")
        self._trades = [array("q") for _ in symbols]  # numbers, by id - 1

    @property
    def events(self) -> int:
        """How many there were."""
        return len(self.kinds)

    @property
    def trades(self) -> int:
        """How many of them are trades."""
        return sum(map(len, self._trades))

    def tick(self, place: int, connection: int, now_us: int) -> bytes:
        """Add a tick and return its frame."""
        number = self._add(TICK, place, connection, now_us)
        symbol = self.symbols[place]
        return (
            f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"u":{number},'
            f'"s":"{symbol}","b":"{100 + number % 97}.25","B":"{number}",'
            f'"a":"{100 + number % 97}.75","A":"0.5"}}}}'
        ).encode()

    def trade(self, place: int, connection: int, now_us: int) -> bytes:
        """Add a trade, with its symbol's next id, and return its frame."""
        self._trades[place].append(self._add(TRADE, place, connection, now_us))
        data = self._trade(place, len(self._trades[place])) | {"e": "aggTrade"}
        stream = f"{self.symbols[place].lower()}@aggTrade"
        return json.dumps({"stream": stream, "data": data}).encode()

    def trades_from(self, symbol: str, first_id: int, limit: int) -> bytes:
        """Answer as `/api/v3/aggTrades` does."""
        place = self.symbols.index(symbol)
        last_id = min(first_id + limit - 1, len(self._trades[place]))
        rows = [self._trade(place, number) for number in range(first_id, last_id + 1)]
        return json.dumps(rows).encode()

    def columns(self) -> tuple[np.ndarray, ...]:
        """Return kinds, places of symbols and connections, by number - 1."""
        return tuple(
            np.frombuffer(item, dtype=item.typecode)
            for item in (self.kinds, self.places, self.connections)
        )

    def _add(self, kind: int, place: int, connection: int, now_us: int) -> int:
        self.kinds.append(kind)
        self.places.append(place)
        self.connections.append(connection)
        self.times_us.append(now_us)
        return len(self.kinds)

    def _trade(self, place: int, trade_id: int) -> dict[str, object]:
        number = self._trades[place][trade_id - 1]
        return {
            "s": self.symbols[place],
            "a": trade_id,
            "p": f"{100 + number % 97}.5",
            "q": str(number),
            "f": trade_id,
            "l": trade_id,
            "T": self.times_us[number - 1] // MS_US,
            "m": False,
            "M": True,
        }
