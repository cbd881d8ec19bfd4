"""Spellings of symbols: any of them in, the canonical one out.

Canonical is upper case without separators (`EURUSD`, `BTCUSDT`); the display symbol has
a slash (`EUR/USD`); brokers have their own (`EUR_USD`, `btcusdt`, `XBT/USD`).
"""

import re

from marketdata.exceptions import InvalidSymbol

MAX_SYMBOL_LENGTH = 20
_SPELLING = re.compile(r"[A-Za-z0-9/_.\-]{1,20}")
_SEPARATORS = str.maketrans("", "", "/_.-")


def canonical(text: str) -> str:
    """Return the canonical spelling of a symbol.

    Raises:
        InvalidSymbol: other characters, empty, or more than 20.
    """
    if not isinstance(text, str) or not _SPELLING.fullmatch(text):
        raise InvalidSymbol(text)
    symbol = text.translate(_SEPARATORS).upper()
    if not symbol:
        raise InvalidSymbol(text)
    return symbol
