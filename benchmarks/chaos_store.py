"""What the chaos left in the store, in the account's form."""

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from django.db import connection

from benchmarks.chaos_account import Stored, StoredGap
from benchmarks.chaos_market import TICK, TRADE
from history.journal_segments import total_bytes

_ROWS = """
    SELECT {kind}, i.symbol, (extract(epoch FROM t.time) * 1000000)::bigint, t.seq,
           t.{size}::bigint
    FROM {table} AS t
    JOIN history_series AS s ON s.id = t.series_id
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id
    ORDER BY t.series_id, t.time, t.{last}
"""
_GAPS = """
    SELECT g.kind, i.symbol, (extract(epoch FROM g.start) * 1000000)::bigint,
           (extract(epoch FROM g."end") * 1000000)::bigint
    FROM feed_gaps AS g
    JOIN history_series AS s ON s.id = g.series_id
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id
"""
_COUNTS = "SELECT coalesce(sum(tick_count), 0), coalesce(sum(trade_count), 0)"
_CHUNK = 50_000
_NUMBER_BITS = 32
_KINDS = {"tick": TICK, "trade": TRADE}


def select_counts() -> tuple[int, int]:
    """Return how many ticks and trades are stored."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"{_COUNTS} FROM history_series")
            ticks, trades = cursor.fetchone()
            return int(ticks), int(trades)
    finally:
        connection.close()


def select_stored(symbols: Sequence[str]) -> Stored:
    """Return all rows, those of a kind and symbol in the order of the store's key."""
    places = {symbol: place for place, symbol in enumerate(symbols)}
    columns = [array("q") for _ in range(5)]
    queries = (
        _ROWS.format(kind=TICK, size="bid_size", table="ticks", last="seq"),
        _ROWS.format(kind=TRADE, size="size", table="trades", last="trade_id"),
    )
    try:
        for query in queries:
            with connection.chunked_cursor() as cursor:
                cursor.execute(query)
                while rows := cursor.fetchmany(_CHUNK):
                    kinds, names, *numbers = zip(*rows, strict=True)
                    found = kinds, [places[name] for name in names], *numbers
                    for column, values in zip(columns, found, strict=True):
                        column.extend(values)
    finally:
        connection.close()
    kinds, where, times_us, seqs, numbers = (
        np.frombuffer(item, dtype="q") for item in columns
    )
    low = (1 << _NUMBER_BITS) - 1
    return Stored(kinds, where, times_us, seqs >> _NUMBER_BITS, seqs & low, numbers)


def select_gaps(symbols: Sequence[str]) -> set[StoredGap]:
    """Return all gaps of ticks and trades."""
    places = {symbol: place for place, symbol in enumerate(symbols)}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_GAPS)
            return {
                StoredGap(_KINDS[kind], places[symbol], from_us, to_us)
                for kind, symbol, from_us, to_us in cursor.fetchall()
            }
    finally:
        connection.close()


def journal_bytes(folder: Path) -> int:
    """Return how much the journal holds; files may go while it is looked at."""
    return total_bytes(folder) if folder.is_dir() else 0
