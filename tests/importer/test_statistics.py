"""Statistics equal what is counted, whatever was done to a series in whatever order."""

import tempfile
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from history.candle_refresh import refresh_candles
from history.models import Series
from history.record_batch import BatchStore
from history.series_recount import compare_statistics
from history.timestamps import to_datetime
from importer.checking import CheckOptions, check_series
from importer.findings import Kind
from importer.hours import hour_argument
from importer.repair import RepairPick, repair_ticks
from importer.retention import drop_old_ticks
from marketdata.models import Instrument
from marketdata.records import Tick
from tests.history.storage import FAR_US, make_series
from tests.importer.archives import delete_rows, write_hour
from tests.importer.bi5_files import DAY_US, HOUR_US
from tests.importer.imports import Seen, now_us, order_of, run

# Hours of two chunks; the later one outlives the retention.
OLD_US, NEW_US = DAY_US, DAY_US + 40 * 24 * HOUR_US
HOURS = [OLD_US, OLD_US + HOUR_US, NEW_US, NEW_US + HOUR_US]
AFTER = to_datetime(NEW_US + 24 * HOUR_US)

hours = st.sampled_from(HOURS)
counts = st.integers(0, 6)
seeds = st.integers(0, 2)
flags = st.booleans()


class Life(RuleBasedStateMachine):
    """A series and everything that may befall it, in a transaction that is undone."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic._from_testcase = True  # so that durable blocks may be within
        self.atomic.__enter__()
        self.directory = tempfile.TemporaryDirectory()
        self.folder = Path(self.directory.name)
        self.series_id = make_series()
        self.number = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        self.directory.cleanup()

    @rule(hour_us=hours, count=counts, seed=seeds)
    def publish(self, hour_us: int, count: int, seed: int) -> None:
        write_hour(self.folder, hour_us, count, seed=seed)

    @rule(hour_us=hours, is_forced=flags, replaces_live=flags, has_refresh=flags)
    def import_hour(self, hour_us: int, **options: bool) -> None:
        hour = hour_argument(hour_us)
        run(self.folder, hour, hour, **options)

    @rule(hour_us=hours, is_all=flags, keep=st.none() | st.integers(0, 3))
    def damage_and_repair(self, hour_us: int, is_all: bool, keep: int | None) -> None:
        if keep is not None:
            delete_rows(hour_us, keep=keep)
        hour = hour_argument(hour_us)
        order = order_of(self.folder, hour, hour, pick=RepairPick(is_all=is_all))
        repair_ticks(order, Seen(), now_us=now_us)

    @rule(hour_us=hours, minutes=st.lists(st.integers(0, 59), max_size=4), again=flags)
    def receive(self, hour_us: int, minutes: list[int], again: bool) -> None:
        if again:  # a restarted feed sends its last batch once more
            self.number = max(0, self.number - 2)
        rows = []
        for minute in minutes:
            self.number += 1
            time_us = hour_us + minute * 60_000_000
            tick = Tick(
                symbol="EURUSD",
                broker="dukascopy",
                time_us=time_us,
                received_us=time_us,
                bid=1.1,
                ask=1.2,
            )
            rows.append((tick, 5, self.number))
        BatchStore().store(rows)

    @rule(days=st.sampled_from([20, 100]))
    def retain(self, days: int) -> None:
        drop_old_ticks(days, now=AFTER)

    @rule()
    def refresh(self) -> None:
        refresh_candles([self.series_id], now_us=FAR_US)

    @invariant()
    def statistics_are_what_is_counted(self) -> None:
        kept, counted = compare_statistics(self.series_id)
        assert kept == counted

    @invariant()
    def a_check_finds_nothing_but_gaps(self) -> None:
        series = Series.objects.select_related("instrument").get(pk=self.series_id)
        found = check_series(
            series, None, CheckOptions(has_checksums=True), now_us=now_us()
        )
        kinds = {item.kind for item in found.findings}
        assert kinds <= {Kind.GAP, Kind.SERIES, Kind.NOTES}, found.findings


@pytest.mark.usefixtures("instruments")
def test_statistics_and_ledger_stay_true_through_everything() -> None:
    Instrument.objects.update(record=True)

    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
