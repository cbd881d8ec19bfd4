"""The catalog: instruments and brokers as plain values, and the choice of a broker."""

from collections.abc import Collection, Iterable
from enum import Enum

import msgspec

from marketdata.exceptions import InvalidSymbol, NoBroker, UnknownBroker, UnknownSymbol
from marketdata.symbols import canonical, other_names

# Tried in this order where an instrument names no broker (PROTOCOL 1.2).
_PREFERRED = {"forex": ("oanda",), "crypto": ("binance", "kraken")}


class InstrumentType(Enum):
    """What an instrument is; decides routing and market hours."""

    FOREX = "forex"
    CRYPTO = "crypto"
    METAL = "metal"
    INDEX = "index"
    STOCK = "stock"
    COMMODITY = "commodity"


class Instrument(msgspec.Struct, frozen=True):
    """What is traded.

    ``decimals`` is the precision of its prices; ``brokers`` maps each broker that
    carries it to the broker's own spelling; ``broker`` is the configured route, empty
    for none; ``is_recorded`` says whether live records are stored.
    """

    symbol: str
    display: str
    type: InstrumentType
    decimals: int
    brokers: dict[str, str]
    broker: str = ""
    is_recorded: bool = True


class Broker(msgspec.Struct, frozen=True):
    """A source of records."""

    name: str
    is_enabled: bool
    is_simulated: bool = False


class Catalog:
    """Looks up instruments by any spelling and routes them to brokers.

    ``unusable`` are the brokers' spellings that no client can use, because they cannot
    be symbols: too long or with other characters.
    """

    def __init__(
        self, instruments: Iterable[Instrument], brokers: Iterable[Broker]
    ) -> None:
        self.instruments = {item.symbol: item for item in instruments}
        self.brokers = {item.name: item for item in brokers}
        # `redis` carries none: it is no alternative to a simulated broker.
        self._carriers = {
            name for item in self.instruments.values() for name in item.brokers
        }
        self._aliases: dict[str, Instrument] = {}
        self.unusable: set[str] = set()
        for item in self.instruments.values():
            for spelling in item.brokers.values():
                try:
                    self._aliases[canonical(spelling)] = item
                except InvalidSymbol:
                    self.unusable.add(spelling)

    def find(self, text: str) -> Instrument:
        """Return the instrument that the text spells, in our or any broker's way.

        Raises:
            InvalidSymbol: the text cannot be a symbol.
            UnknownSymbol: no instrument has it.
        """
        symbol = canonical(text)
        for name in (symbol, *other_names(symbol)):
            found = self.instruments.get(name) or self._aliases.get(name)
            if found is not None:
                return found
        raise UnknownSymbol(text)

    def route(
        self,
        instrument: Instrument,
        broker: str | None = None,
        private: Collection[str] = (),
    ) -> Broker:
        """Return the broker that serves the instrument, the named one if given.

        Without a name: the instrument's own broker; forex by oanda, crypto by binance,
        then kraken; then any enabled one. A simulated broker is used only when named,
        configured for the instrument, or the only one enabled. Brokers in ``private``
        serve this client whether they are enabled or not.

        Raises:
            UnknownBroker: no broker has the name (any case is accepted).
            NoBroker: none that is enabled carries the instrument.
        """
        if broker is not None:
            named = self.brokers.get(broker.lower())
            if named is None:
                raise UnknownBroker(broker, sorted(self.brokers))
            return self._carrying(named, instrument, private)
        if instrument.broker in self.brokers:
            return self._carrying(self.brokers[instrument.broker], instrument, private)
        for name in self._candidates(instrument, private):
            candidate = self.brokers.get(name)
            is_served = candidate and (candidate.is_enabled or name in private)
            if candidate and is_served and name in instrument.brokers:
                return candidate
        raise NoBroker(instrument.display)

    def _candidates(
        self, instrument: Instrument, private: Collection[str]
    ) -> list[str]:
        enabled = [
            item
            for item in self.brokers.values()
            if (item.is_enabled or item.name in private) and item.name in self._carriers
        ]
        real = [item.name for item in enabled if not item.is_simulated]
        if not real:
            return [item.name for item in enabled] if len(enabled) == 1 else []
        return [*_PREFERRED.get(instrument.type.value, ()), *real]

    def _carrying(
        self, broker: Broker, instrument: Instrument, private: Collection[str]
    ) -> Broker:
        is_served = broker.is_enabled or broker.name in private
        if not is_served or broker.name not in instrument.brokers:
            raise NoBroker(instrument.display)
        return broker
