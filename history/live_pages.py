"""Stored records for live sessions (`marketdata.stored_records`), read by `Reader`."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from history.candle_plan import plan_candles
from history.candle_range import CandleRange
from history.candle_rows import candle_rows
from history.exceptions import DatabaseUnavailable
from history.live_plan import (
    plan_find,
    plan_newest,
    plan_page,
    plan_series,
    windows_back,
)
from history.reader import Reader
from history.statement import Statement
from history.timestamps import to_us
from marketdata.effects import Position
from marketdata.exceptions import HistoryUnavailable
from marketdata.numbering import unpack
from marketdata.records import Candle, Kind, Record, Side, Tick, Trade
from marketdata.resumption import MAX_DISORDER_US
from marketdata.stored_records import Place, Span, Stored, Wanted
from marketdata.topics import Topic

_US_PER_MS = 1_000
_SIDES = {1: Side.BUY, -1: Side.SELL, 0: None, None: None}


class LivePages:
    """Reads what sessions lack; see `StoredRecords` for its methods.

    At most ``max_queries`` statements run at a time, the others wait without a
    connection. The reader must have so many.
    """

    def __init__(self, reader: Reader, *, max_queries: int) -> None:
        self._reader = reader
        self._slots = asyncio.Semaphore(max_queries)
        self._known: dict[Topic, _Series] = {}  # their spans are of the past

    async def span(self, topic: Topic) -> Span | None:
        """Return where the topic's series lies; one statement."""
        series = await self._series(topic)
        return series.span if series is not None else None

    async def find(
        self, topic: Topic, position: Position, within: Span, *, near_us: int | None
    ) -> Place | None:
        """Return the row of a position, or the last one before it in its epoch.

        One statement if the row is where the client says, else some, of which each
        looks further back.
        """
        series = await self._series(topic)
        if series is None:
            return None
        if near_us is not None and within.start_us <= near_us <= within.end_us:
            window = Span(near_us, near_us + _US_PER_MS - 1)
            place = await self._find(series, position, window)
            if place is not None and unpack(place.seq) == position:
                return place
        best: Place | None = None
        for window in windows_back(within):
            place = await self._find(series, position, window)
            if place is not None and (best is None or best.seq < place.seq):
                best = place
            if best is None:
                continue
            is_found = unpack(best.seq) == position
            if is_found or window.start_us <= best.time_us - MAX_DISORDER_US:
                break
        if best is None or unpack(best.seq)[0] != position.epoch:
            return None
        return best

    async def newest(self, topic: Topic, upto: int) -> Stored | None:
        """Return the record with the highest ``seq`` up to one; two statements."""
        series = await self._series(topic)
        if series is None:
            return None
        rows = await self._fetch(plan_newest(topic.kind, series.id, series.span, upto))
        return _stored(series, rows[0]) if rows else None

    async def page(self, topic: Topic, wanted: Wanted) -> Sequence[Stored]:
        """Return ticks or trades in the order of their key; one statement."""
        series = self._known.get(topic) or await self._series(topic)
        if series is None:
            return []
        rows = await self._fetch(plan_page(topic.kind, series.id, wanted))
        return [_stored(series, row) for row in rows]

    async def candles(
        self, topic: Topic, start_us: int, end_us: int, *, limit: int
    ) -> Sequence[Candle]:
        """Return the first candles whose buckets start in a range; one statement."""
        series = self._known.get(topic) or await self._series(topic)
        timeframe, price_side = topic.timeframe, topic.price_side
        if series is None or timeframe is None or price_side is None:
            return []
        wanted = CandleRange(timeframe, price_side, start_us, end_us, limit=limit)
        now_us = time.time_ns() // 1_000
        rows = await self._fetch(plan_candles(series.id, wanted, now_us))
        return [
            Candle(
                broker=topic.broker,
                symbol=topic.symbol,
                time_us=row.time_us,
                received_us=now_us,
                simulated=series.is_simulated,
                timeframe=timeframe,
                price_side=price_side,
                open=row.open,
                high=row.high,
                low=row.low,
                close=row.close,
                volume=row.volume,
                ticks=row.ticks,
                is_final=row.time_us + timeframe.length_s * 1_000_000 <= now_us,
                rev=row.rev,
            )
            for row in candle_rows(rows)
        ]

    async def _series(self, topic: Topic) -> "_Series | None":
        rows = await self._fetch(plan_series(topic.symbol, topic.broker))
        if not rows:
            return None
        series_id, earliest, latest, is_simulated = rows[0]
        span = Span(to_us(earliest), to_us(latest))
        series = self._known[topic] = _Series(topic, series_id, span, is_simulated)
        return series

    async def _find(
        self, series: "_Series", position: Position, window: Span
    ) -> Place | None:
        rows = await self._fetch(
            plan_find(series.topic.kind, series.id, position, window)
        )
        return Place(to_us(rows[0][0]), rows[0][1]) if rows else None

    async def _fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        try:
            async with self._slots:
                return await self._reader.fetch(statement.sql, statement.parameters)
        except (psycopg.Error, DatabaseUnavailable) as exc:
            raise HistoryUnavailable(str(exc)) from exc


class _Series(msgspec.Struct, frozen=True):
    """A topic's series."""

    topic: Topic
    id: int
    span: Span
    is_simulated: bool


def _stored(series: _Series, row: Sequence[Any]) -> Stored:
    time_at, seq, received, *values = row
    topic, time_us = series.topic, to_us(time_at)
    received_us = time_us if received is None else to_us(received)
    record: Record
    if topic.kind is Kind.TICK:
        bid, ask, bid_size, ask_size = values
        record = Tick(
            broker=topic.broker,
            symbol=topic.symbol,
            time_us=time_us,
            received_us=received_us,
            simulated=series.is_simulated,
            bid=bid,
            ask=ask,
            bid_size=bid_size,
            ask_size=ask_size,
        )
    else:
        price, size, side, trade_id = values
        record = Trade(
            broker=topic.broker,
            symbol=topic.symbol,
            time_us=time_us,
            received_us=received_us,
            simulated=series.is_simulated,
            price=price,
            size=size,
            side=_SIDES[side],
            # A trade without an id of its own is stored with its seq as id.
            trade_id=None if trade_id == seq else trade_id,
        )
    return Stored(record, seq)
