"""A minute in which everything that a feed stands on is killed (`benchmarks.chaos`)."""

import asyncio

import pytest
from django.db import connections

from benchmarks.chaos_run import run_chaos
from benchmarks.ingest_instruments import make_instruments

DURATION_S, RATE = 60.0, 1_500.0


def prepare() -> None:
    make_instruments()
    connections.close_all()


@pytest.mark.django_db(transaction=True)
async def test_chaos_what_the_feed_read_is_stored_exactly_once() -> None:
    await asyncio.to_thread(prepare)

    found, log = await run_chaos(DURATION_S, RATE, lambda text: None)

    assert found.is_clean, (found, log)
    assert found.sent > DURATION_S * RATE / 2
    assert found.cut_off < found.sent / 10
    assert "journal of a dead process stored" in log
    assert "feed stopped" in log
