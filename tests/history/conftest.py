"""Fixtures of several tests of the history."""

import pytest

from tests.history.factories import fixture_quotes, store_quotes


@pytest.fixture
def fixture_ticks(transactional_db):
    """Check 27's ticks of EURUSD by dukascopy, with their candles."""
    return store_quotes(fixture_quotes())
