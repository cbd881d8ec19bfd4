"""Kraken's names of pairs, both ways, and the requests that follow them. Pure.

Its WebSocket API of version 1 writes `XBT/USD` where others write BTC, and `XDG/USD`
where they write DOGE. Source: "WebSocket API v1" of Kraken's documentation.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from brokers.exceptions import InvalidFeedSetting

# Kraken documents no limit; so many pairs make a frame of about 1 KiB.
PAIRS_PER_REQUEST = 100
PING = '{"event":"ping"}'

_TO_KRAKEN = {"BTC": "XBT", "DOGE": "XDG"}
_FROM_KRAKEN = {theirs: ours for ours, theirs in _TO_KRAKEN.items()}
# Longest first: a symbol without a separator ends with one of these.
_QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "CAD", "AUD", "CHF", "JPY", "ETH")
_QUOTES_OF_COINS = ("XBT", "BTC")


def to_pair(text: str) -> str:
    """Return Kraken's name: `XBT/USD` of `BTC/USD`, `BTC_USD`, `btcusd`, `XBTUSD`.

    What cannot be split into two comes back in upper case as it was.
    """
    text = text.upper().replace("_", "/", 1)
    base, separator, quote = text.partition("/")
    if not separator:
        base, quote = _split(text)
    if not base or not quote:
        return text
    return f"{_TO_KRAKEN.get(base, base)}/{_TO_KRAKEN.get(quote, quote)}"


def from_pair(pair: str) -> str:
    """Return the canonical symbol of Kraken's name: `BTCUSD` of `XBT/USD`."""
    base, _, quote = pair.partition("/")
    return _FROM_KRAKEN.get(base, base) + _FROM_KRAKEN.get(quote, quote)


def split_requests(pairs: Iterable[str]) -> Iterable[list[str]]:
    """Yield the pairs in lists that fit one request each."""
    rest = iter(pairs)
    while part := list(islice(rest, PAIRS_PER_REQUEST)):
        yield part


def encode_request(event: str, pairs: Sequence[str]) -> str:
    """Return the request's frame; ``event`` is `subscribe` or `unsubscribe`."""
    request = {"event": event, "pair": pairs, "subscription": {"name": "ticker"}}
    return msgspec.json.encode(request).decode()


def websocket_address(address: str) -> str:
    """Return the address of the settings.

    Raises:
        InvalidFeedSetting: it is not the address of a WebSocket server.
    """
    if not address.startswith(("ws://", "wss://")):
        expected = "an address that begins with ws:// or wss://"
        raise InvalidFeedSetting("KRAKEN_WS_URL", expected, address)
    return address


def _split(text: str) -> tuple[str, str]:
    for quote in (*_QUOTES_OF_COINS, *_QUOTES):
        if text.endswith(quote) and len(text) > len(quote):
            return text.removesuffix(quote), quote
    return text, ""
