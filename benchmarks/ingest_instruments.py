"""The 200 instruments that feeds and the page are measured with."""

from marketdata.models import Broker, BrokerSymbol, Instrument

SYMBOLS = [f"C{number:03}USDT" for number in range(200)]


def make_instruments(name: str = "binance", *, is_simulated: bool = False) -> None:
    """Store the instruments of a broker; the recorder stores nothing of others."""
    broker = Broker.objects.create(
        name=name, title=name.title(), is_simulated=is_simulated
    )
    rows = Instrument.objects.bulk_create(
        Instrument(
            symbol=symbol, base=symbol[:4], quote="USDT", type="crypto", decimals=2
        )
        for symbol in SYMBOLS
    )
    BrokerSymbol.objects.bulk_create(
        BrokerSymbol(instrument=row, broker=broker, symbol=row.symbol) for row in rows
    )
