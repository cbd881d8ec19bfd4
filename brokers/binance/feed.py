"""Binance's spot market: streams over as many sockets as they need, whole books."""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from brokers.binance.backfill import Backfill, OnFilled, OnMissed, TradeIds
from brokers.binance.books import Books
from brokers.binance.converters import BROKER
from brokers.binance.intake import Intake
from brokers.binance.lane import Lane
from brokers.binance.lanes import Lanes
from brokers.binance.rest import BinanceRest
from brokers.binance.streams import is_wanted, stream_names, websocket_address
from brokers.feed import (
    Emit,
    FeedCounters,
    FollowedInstrument,
    Key,
    OnGap,
    OnPart,
    UpstreamGap,
)
from brokers.run_together import run_together
from marketdata.records import Kind, Trade


class BinanceFeed:
    """Follows one stream per instrument and wanted kind.

    ``base_address`` is the part of the address before `/stream`; ``suffixes`` is what
    ``stream_suffixes`` gave. Frames are read whatever was asked for. With ``rest``
    books are told whole and then by their changes, without it just their changes; and
    trades that were missed are fetched and handed to ``on_missed``, if that is set.
    """

    broker = BROKER
    is_simulated = False

    def __init__(
        self,
        base_address: str,
        suffixes: Mapping[Kind, str],
        rest: BinanceRest | None = None,
    ) -> None:
        self.counters = FeedCounters()
        self.on_gap: OnGap = lambda gap: None
        self.on_part_lost: OnPart = lambda keys: None
        self.on_part_back: OnPart = lambda keys: None
        self.on_missed: OnMissed | None = None
        self.on_filled: OnFilled = lambda symbol, from_us, to_us: None
        self._address = websocket_address(base_address)
        self._suffixes = suffixes
        self._rest = rest
        self._trade_ids = TradeIds()
        self._instruments: Sequence[FollowedInstrument] = ()
        self._books: Books | None = None
        self._backfill: Backfill | None = None
        self._intake: Intake | None = None
        self._lanes: Lanes | None = None

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks."""
        before, self._instruments = self._instruments, instruments
        self._trade_ids.keep(
            {item.symbol for item in instruments if is_wanted(item, Kind.TRADE)}
        )
        if self._intake is None or self._lanes is None:
            return
        self._intake.symbols = self._symbols()
        self._lanes.follow(stream_names(instruments, self._suffixes))
        if self._books is not None:
            self._books.drop(self._with_book(before) - self._with_book(instruments))

    def begin_behind(self, lasts: Mapping[str, tuple[int, int]]) -> None:
        """Take what came behind these trades, by symbol their id and time in us, for
        missed: an earlier process stored them. Before ``follow``.
        """
        self._trade_ids.begin_behind(lasts)

    async def run(self, emit: Emit) -> None:
        """Connect and hand records to ``emit`` until no connection is left.

        A lost one of several is made again; its topics are told to ``on_part_lost``,
        and to ``on_part_back`` when Binance has taken their streams.

        Raises:
            FeedLost: the last connection ended, or none could be made. Never returns.
        """
        parts: list[Coroutine[Any, Any, None]] = []
        if self._rest is not None:
            self._books = Books(self._rest, self._tell_gap)
            parts.append(self._books.run(emit))
            parts += self._make_backfill(self._rest)
        intake = self._intake = Intake(self.counters, emit, self._books)

        def note_subscribed(streams: Sequence[str]) -> None:
            intake.note_asked(streams)
            self.on_part_back(self._keys(streams))

        lanes = self._lanes = Lanes(
            lambda: Lane(self._address, intake.take, intake.is_reply, note_subscribed),
            lambda streams: self.on_part_lost(self._keys(streams)),
        )
        intake.on_trade = self._take_trade
        parts += [intake.watch_silence(), lanes.run()]
        try:
            self.follow(self._instruments)
            await run_together(*parts)
        finally:
            self._intake = self._lanes = self._books = None

    def _take_trade(self, trade: Trade) -> None:
        """Tell of trades that were missed before this one; have them fetched."""
        missing = self._trade_ids.missing(trade)
        gap = self._trade_ids.take(trade)
        if gap is None or missing is None:
            return
        self._tell_gap(gap)
        if self._backfill is None:
            return
        for item in self._instruments:
            if item.symbol == trade.symbol and item.is_recorded:
                self._backfill.put(gap, item.broker_symbol.upper(), missing)

    def _make_backfill(self, rest: BinanceRest) -> list[Coroutine[Any, Any, None]]:
        trade_stream = self._suffixes.get(Kind.TRADE)
        if self.on_missed is None or trade_stream is None:
            return []
        if self._backfill is None:  # what is missing outlives a connection
            self._backfill = Backfill(rest, self.on_missed, trade_stream)
            self._backfill.on_filled = self.on_filled
        return [self._backfill.run()]

    def _tell_gap(self, gap: UpstreamGap) -> None:
        self.counters.gaps += 1
        self.on_gap(gap)

    def _keys(self, streams: Iterable[str]) -> set[Key]:
        """Return what the streams give."""
        symbols = self._symbols()
        kinds = {suffix: kind for kind, suffix in self._suffixes.items()}
        named = (stream.partition("@")[::2] for stream in streams)
        return {
            (kinds[suffix], symbols[name.upper()])
            for name, suffix in named
            if suffix in kinds and name.upper() in symbols
        }

    def _symbols(self) -> dict[str, str]:
        return {item.broker_symbol.upper(): item.symbol for item in self._instruments}

    def _with_book(self, instruments: Sequence[FollowedInstrument]) -> set[str]:
        return {
            item.symbol
            for item in instruments
            if item.kinds is None or Kind.ORDERBOOK in item.kinds
        }
