"""Fixtures of several apps' tests."""

from collections.abc import Iterator

import pytest

from tests.rest_client import RestClient


@pytest.fixture
def rest() -> Iterator[RestClient]:
    """A client of REST; what it reads must be committed: use `transactional_db`."""
    client = RestClient()
    yield client
    client.close()
