"""Fixtures of several apps' tests."""

import os
from collections.abc import Iterator

import pytest

from tests.rest_client import RestClient


@pytest.fixture(scope="session", autouse=True)
def journals(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Processes that tests start keep no journal in the source tree."""
    os.environ["JOURNAL_DIR"] = str(tmp_path_factory.mktemp("journal"))


@pytest.fixture
def rest() -> Iterator[RestClient]:
    """A client of REST; what it reads must be committed: use `transactional_db`."""
    client = RestClient()
    yield client
    client.close()
