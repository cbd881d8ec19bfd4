"""Spellings of symbols: any of them in, the canonical one out.

Canonical is upper case without separators (`EURUSD`, `BTCUSDT`); the display symbol has
a slash (`EUR/USD`); brokers have their own (`EUR_USD`, `btcusdt`, `XBT/USD`).
"""

import re
from collections.abc import Iterator

from marketdata.exceptions import InvalidSymbol

MAX_SYMBOL_LENGTH = 20
_SPELLING = re.compile(r"[A-Za-z0-9/_.\-]{1,20}")
_SEPARATORS = str.maketrans("", "", "/_.-")
# Kraken's names of assets that all others call something else (COMPAT A-BR-06).
_ASSETS = {"XBT": "BTC", "XDG": "DOGE"}


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


def other_names(symbol: str) -> Iterator[str]:
    """Yield what a canonical symbol is with the assets' usual names: XBTUSDT, BTCUSDT.

    They are guesses, for a symbol that nothing is known by.
    """
    for asset, usual in _ASSETS.items():
        if symbol.startswith(asset):
            yield usual + symbol[len(asset) :]
        if symbol.endswith(asset):
            yield symbol[: -len(asset)] + usual
