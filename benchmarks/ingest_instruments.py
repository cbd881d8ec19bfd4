"""The 200 instruments that feeds are measured with."""

from marketdata.models import Broker, BrokerSymbol, Instrument

SYMBOLS = [f"C{number:03}USDT" for number in range(200)]


def make_instruments() -> None:
    """Store the instruments; the recorder stores nothing of others."""
    broker = Broker.objects.create(name="binance", title="Binance")
    rows = Instrument.objects.bulk_create(
        Instrument(
            symbol=symbol, base=symbol[:4], quote="USDT", type="crypto", decimals=2
        )
        for symbol in SYMBOLS
    )
    BrokerSymbol.objects.bulk_create(
        BrokerSymbol(instrument=row, broker=broker, symbol=row.symbol) for row in rows
    )
