"""The 200 instruments that feeds and the page are measured with."""

from history.models import Series
from marketdata.models import Broker, BrokerSymbol, Instrument

SYMBOLS = [f"C{number:03}USDT" for number in range(200)]


def make_instruments(*names: str, is_simulated: bool = False) -> None:
    """Store them, carried by the named brokers, else Binance; no others are stored."""
    brokers = Broker.objects.bulk_create(
        Broker(name=name, title=name.title(), is_simulated=is_simulated)
        for name in names or ("binance",)
    )
    rows = Instrument.objects.bulk_create(
        Instrument(
            symbol=symbol, base=symbol[:4], quote="USDT", type="crypto", decimals=2
        )
        for symbol in SYMBOLS
    )
    BrokerSymbol.objects.bulk_create(
        BrokerSymbol(instrument=row, broker=broker, symbol=row.symbol)
        for row in rows
        for broker in brokers
    )


def make_series() -> None:
    """Make all series, which a feed does once, with the first records of a symbol."""
    every = BrokerSymbol.objects.values_list("instrument_id", "broker_id")
    Series.objects.bulk_create(
        Series(instrument_id=instrument, broker_id=broker)
        for instrument, broker in every
    )
