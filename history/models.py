"""Stored history: series and their statistics, ticks, trades, candles, notes, gaps.

The big tables are hypertables with a composite key and no foreign-key constraint: the
constraint alone triples the time of a bulk load (measured, docs/decisions/0002).
Write to them through `tick_store` and `candle_refresh` only.
"""

from django.db import models

from history.time_ranges import TimeRangesField
from marketdata.models import Broker, Instrument


class Series(models.Model):
    """One instrument from one broker: the unit of storage, with its statistics.

    Writers keep the statistics true in the transaction that writes the rows, so nobody
    counts rows to answer a question. ``revision`` rises, once for the records and maybe
    once more for their candles, when something old changes (an
    import, a repair, a late record; `history.data_version` says what exactly).

    ``earliest`` is the first record that is stored, None if none is. What there are
    candles of begins at ``candles_from`` and ends at ``latest``: records too, which
    retention may have dropped since (`history.dropped_ranges`).
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    broker = models.ForeignKey(Broker, on_delete=models.PROTECT)
    earliest = models.DateTimeField(null=True)
    candles_from = models.DateTimeField(null=True)
    latest = models.DateTimeField(null=True)
    tick_count = models.BigIntegerField(default=0)
    trade_count = models.BigIntegerField(default=0)
    revision = models.BigIntegerField(default=0)
    dropped_ticks = TimeRangesField(db_default="{}", editable=False)
    dropped_trades = TimeRangesField(db_default="{}", editable=False)

    class Meta:
        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(
                fields=["instrument", "broker"], name="series_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.broker_id}:{self.instrument}"


class Tick(models.Model):
    """Best bid and ask at one moment; sizes are NULL where the venue sends none.

    ``seq`` is the position in the series (`marketdata.numbering`); ``received`` is
    NULL for rows that were imported.
    """

    pk = models.CompositePrimaryKey("series_id", "time", "seq")
    series_id = models.IntegerField()
    time = models.DateTimeField()
    seq = models.BigIntegerField()
    bid = models.FloatField()
    ask = models.FloatField()
    bid_size = models.FloatField(null=True)
    ask_size = models.FloatField(null=True)
    received = models.DateTimeField(null=True)

    class Meta:
        db_table = "ticks"


class Trade(models.Model):
    """One print; ``trade_id`` is the venue's, else the ordinal inside the instant.

    ``side`` is 1 for a buyer who took liquidity, -1 for a seller, NULL if unknown.
    """

    pk = models.CompositePrimaryKey("series_id", "time", "trade_id")
    series_id = models.IntegerField()
    time = models.DateTimeField()
    trade_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    price = models.FloatField()
    size = models.FloatField()
    side = models.SmallIntegerField(null=True)
    received = models.DateTimeField(null=True)

    class Meta:
        db_table = "trades"


class Candle(models.Model):
    """OHLC of the bucket that starts at ``time``.

    ``volume`` sums the sizes of its price side: ask sizes for asks, trade sizes for
    trades, bid sizes for bids and for mids (a mid's volume is its bid size, as on the
    wire). ``ticks`` counts its records. ``rev`` rises when a stored candle changes, and
    begins anew with one that was deleted (docs/decisions/0003).
    """

    pk = models.CompositePrimaryKey("series_id", "price_side", "time")
    series_id = models.IntegerField()
    price_side = models.SmallIntegerField()
    time = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()
    ticks = models.IntegerField()
    rev = models.IntegerField(db_default=0)

    class Meta:
        abstract = True


class Candle1m(Candle):
    class Meta:
        db_table = "candles_1m"


class Candle5m(Candle):
    class Meta:
        db_table = "candles_5m"


class Candle15m(Candle):
    class Meta:
        db_table = "candles_15m"


class Candle1h(Candle):
    class Meta:
        db_table = "candles_1h"


class Candle4h(Candle):
    class Meta:
        db_table = "candles_4h"


class Candle12h(Candle):
    class Meta:
        db_table = "candles_12h"


class ChangedRange(models.Model):
    """A note that [``start``, ``end``) of a series changed and its candles have not.

    Written in the transaction that writes the rows, deleted by the refresh that has
    seen them. ``due`` keeps a refresh away from a minute that is still filling.
    """

    # 200 series leave 200 notes a second: 32 bits would last four months.
    id = models.BigAutoField(primary_key=True)
    series_id = models.IntegerField()
    start = models.DateTimeField()
    end = models.DateTimeField()
    due = models.DateTimeField()

    class Meta:
        db_table = "changed_ranges"
        indexes = [models.Index(fields=["series_id", "start"], name="changed_series")]


class FeedState(models.Model):
    """Whether a broker's records reach us, as its feed said last at ``seen``.

    ``since`` is when it entered the state, ``live_until`` until when its connection was
    live, whatever came then. Written by `feed_states` only.
    """

    broker = models.OneToOneField(
        Broker, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    state = models.CharField(max_length=20)
    since = models.DateTimeField()
    seen = models.DateTimeField()
    live_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "feed_states"

    def __str__(self) -> str:
        return f"{self.broker_id} {self.state} since {self.since}"


class FeedGap(models.Model):
    """Records of a series that its live feed never got.

    ``start`` is the last record before the hole, ``end`` the first behind it, or when
    the feed was back. ``kind`` is `tick` or `trade`. Written by `feed_gaps` only.
    """

    id = models.BigAutoField(primary_key=True)
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, db_index=False, related_name="feed_gaps"
    )
    kind = models.CharField(max_length=10)
    start = models.DateTimeField()
    end = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        db_table = "feed_gaps"
        constraints = [
            # The end first: those who look for a time need no gaps that ended before.
            models.UniqueConstraint(
                fields=["series", "end", "kind", "start"], name="feed_gap_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="feed_gap_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series_id} {self.kind} {self.start} - {self.end}"
