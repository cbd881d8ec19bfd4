"""Topics of what other systems publish on Redis channels (`run_feed redis`)."""

from marketdata.exceptions import InvalidSymbol
from marketdata.records import Kind
from marketdata.symbols import canonical
from marketdata.topics import Topic

FOREIGN_BROKER = "redis"


def stream_topic(channel: str) -> Topic:
    """Return the topic of server B's channel `trade@M`, `depth@M` or `ticker@M`."""
    return Topic(Kind.FOREIGN, FOREIGN_BROKER, channel)


def gateway_topic(symbol: str) -> Topic:
    """Return the topic of server C's `channel:trade:<symbol>`; symbol in upper case."""
    return Topic(Kind.FOREIGN, FOREIGN_BROKER, f"trade:{symbol}")


def plan_symbol(market: str) -> str:
    """Return another system's market as plans spell symbols: `TATAINR`.

    One that cannot be a symbol stays as it is, and no plan names it.
    """
    try:
        return canonical(market)
    except InvalidSymbol:
        return market
