"""What a charting library is told of symbols: configuration, resolve, search. Pure.

TradingView's UDF protocol as its documentation describes it (read 2026-11):
https://www.tradingview.com/charting-library-docs/latest/connecting_data/UDF

A ticker is `EURUSD`, the series that answers where no broker is named, or
`OANDA:EURUSD`, that broker's; brokers are the protocol's exchanges.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from history.exceptions import SymbolNotFound
from history.query_fields import InvalidValue, parse_broker, parse_symbol
from history.series_info import SeriesInfo
from history.udf_bars import RESOLUTIONS
from history.udf_markets import market_of
from marketdata.catalog import InstrumentType

DEFAULT_RESULTS = 30  # what the library's own adapter asks for
# The library knows no metals; its own data lists them as commodities.
_TYPES = {InstrumentType.METAL: "commodity"}
# Decimals of volumes: lots of forex are hundredths, coins come in 0.00001 (Binance).
_COIN_DECIMALS, _LOT_DECIMALS = 5, 2
_SEPARATORS = str.maketrans("", "", "/_.- ")


class Ticker(msgspec.Struct, frozen=True):
    """A canonical symbol, and a broker's name in lower case, empty if none is named."""

    symbol: str
    broker: str = ""


class Listing(msgspec.Struct, frozen=True):
    """A series that can be charted, and its instrument.

    ``is_named`` says that its ticker must name the broker.
    """

    series: SeriesInfo
    base: str
    quote: str
    type: InstrumentType
    is_named: bool = False

    @property
    def exchange(self) -> str:
        """The broker, as libraries write exchanges."""
        return self.series.broker.upper()

    @property
    def full_name(self) -> str:
        """The symbol and its broker."""
        return f"{self.exchange}:{self.series.symbol}"

    @property
    def ticker(self) -> str:
        """What is to be asked for."""
        return self.full_name if self.is_named else self.series.symbol

    @property
    def description(self) -> str:
        """The display symbol."""
        return f"{self.base}/{self.quote}" if self.quote else self.base

    @property
    def kind(self) -> str:
        """The type in the protocol's words."""
        return _TYPES.get(self.type, self.type.value)


class SearchQuery(msgspec.Struct, frozen=True):
    """What is looked for; an empty text stands for all."""

    text: str = ""
    kind: str = ""
    exchange: str = ""
    limit: int = DEFAULT_RESULTS


def parse_ticker(text: str) -> Ticker:
    """Return what a ticker names.

    Raises:
        SymbolNotFound: it cannot be one.
    """
    broker, _, symbol = text.rpartition(":")
    try:
        return Ticker(parse_symbol(symbol), parse_broker(broker) if broker else "")
    except InvalidValue as exc:
        raise SymbolNotFound(f"{text:.60}") from exc


def config_body(listings: Sequence[Listing]) -> dict[str, Any]:
    """Return what `/udf/config` answers; marks are not supported."""
    exchanges = sorted({listing.exchange for listing in listings})
    kinds = sorted({listing.kind for listing in listings})
    return {
        "supported_resolutions": list(RESOLUTIONS),
        "supports_search": True,
        "supports_group_request": False,
        "supports_marks": False,
        "supports_timescale_marks": False,
        "supports_time": True,
        "exchanges": [
            {"value": "", "name": "All brokers", "desc": ""},
            *({"value": name, "name": name, "desc": name} for name in exchanges),
        ],
        "symbols_types": [
            {"name": "All types", "value": ""},
            *({"name": kind.capitalize(), "value": kind} for kind in kinds),
        ],
    }


def symbol_body(listing: Listing) -> dict[str, Any]:
    """Return what `/udf/symbols` answers, the library's `LibrarySymbolInfo`."""
    market = market_of(listing.type)
    is_coin = listing.type is InstrumentType.CRYPTO
    return {
        "name": listing.series.symbol,
        "ticker": listing.ticker,
        "full_name": listing.full_name,
        "description": listing.description,
        "type": listing.kind,
        "session": market.session,
        "timezone": market.timezone,
        "exchange": listing.exchange,
        "listed_exchange": listing.exchange,
        "format": "price",
        "minmov": 1,
        "pricescale": 10**listing.series.decimals,
        "currency_code": listing.quote,
        "has_seconds": True,
        "seconds_multipliers": ["1"],
        "has_intraday": True,
        "intraday_multipliers": list(market.minutes),
        "has_daily": True,
        "daily_multipliers": ["1"],
        "has_weekly_and_monthly": True,
        "weekly_multipliers": ["1"],
        "monthly_multipliers": [],
        "supported_resolutions": list(RESOLUTIONS),
        "has_empty_bars": False,
        "visible_plots_set": "ohlcv",
        "volume_precision": _COIN_DECIMALS if is_coin else _LOT_DECIMALS,
        "data_status": "streaming",
    }


def search_body(
    listings: Iterable[Listing], query: SearchQuery
) -> list[dict[str, Any]]:
    """Return what `/udf/search` answers: those that begin with the text first.

    The text is compared without separators, with the symbol and with broker and symbol.
    """
    text = query.text.upper().translate(_SEPARATORS)
    found = [
        (rank, listing.series.symbol, listing.is_named, listing.exchange, listing)
        for listing in listings
        if query.kind in ("", listing.kind)
        and query.exchange.upper() in ("", listing.exchange)
        and (rank := _rank(listing, text)) is not None
    ]
    found.sort(key=lambda item: item[:-1])
    return [_result(listing) for *_, listing in found[: query.limit]]


def _rank(listing: Listing, text: str) -> int | None:
    """Return 0 for the text itself, 1 if it begins so, 2 if it holds it, else None."""
    ranks = []
    for name in (listing.series.symbol, listing.full_name.translate(_SEPARATORS)):
        if text in name:
            ranks.append(0 if name == text else 1 if name.startswith(text) else 2)
    return min(ranks, default=None)


def _result(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": listing.series.symbol,
        "full_name": listing.full_name,
        "description": listing.description,
        "exchange": listing.exchange,
        "ticker": listing.ticker,
        "type": listing.kind,
    }
