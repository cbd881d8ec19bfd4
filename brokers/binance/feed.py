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
from history.trade_holes import StoredTrades
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
        self.kinds = frozenset(suffixes)
        self._address = websocket_address(base_address)
        self._suffixes = suffixes
        self._rest = rest
        self._trade_ids = TradeIds()
        trade_stream = suffixes.get(Kind.TRADE)
        self._backfill: Backfill | None = None
        if rest is not None and trade_stream is not None:
            self._backfill = Backfill(rest, trade_stream, self._name_of)
        self._instruments: Sequence[FollowedInstrument] = ()
        self._books: Books | None = None
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

    def learn(self, stored: Iterable[StoredTrades]) -> None:
        """Note what is stored of trades, so that what lacks is noticed and fetched."""
        for item in stored:
            self._trade_ids.know(item.symbol, item.newest_id, item.newest_us)
            if self._backfill is not None:
                for hole in item.holes:
                    self._backfill.put(item.symbol, hole)

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
        parts += self._make_backfill()
        intake = self._intake = Intake(self.counters, emit, self._books)

        def note_subscribed(streams: Sequence[str]) -> None:
            intake.note_asked(streams)
            self.on_part_back(self._keys(streams))

        def note_lost(streams: Iterable[str]) -> None:
            self.on_part_lost(self._keys(streams))

        def make_lane() -> Lane:
            return Lane(
                self._address,
                intake.take,
                intake.is_reply,
                note_subscribed,
                note_lost,
                self.counters.note_sign,
            )

        lanes = self._lanes = Lanes(make_lane, note_lost)
        intake.on_trade = self._take_trade
        parts += [intake.watch_silence(), lanes.run()]
        try:
            self.follow(self._instruments)
            await run_together(*parts)
        finally:
            self._intake = self._lanes = self._books = None

    def _take_trade(self, trade: Trade) -> None:
        """Tell of trades that were missed before this one."""
        missing = self._trade_ids.missing(trade)
        if (gap := self._trade_ids.take(trade)) is not None:
            self._tell_gap(gap)
            if self._backfill and self.on_missed and missing is not None:
                self._backfill.put(trade.symbol, missing)

    def _make_backfill(self) -> list[Coroutine[Any, Any, None]]:
        if self._backfill is None or self.on_missed is None:
            return []
        on_missed = self.on_missed

        def take(trades: Sequence[Trade]) -> None:
            on_missed(trades)
            if trades:
                first, last = trades[0], trades[-1]
                self.on_filled(first.symbol, first.time_us - 1, last.time_us + 1)

        return [self._backfill.run(take)]

    def _name_of(self, symbol: str) -> str | None:
        names = (
            item.broker_symbol.upper()
            for item in self._instruments
            if item.symbol == symbol and item.is_recorded
        )
        return next(names, None)

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
