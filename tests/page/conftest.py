"""One Chromium for all tests of pages; each opens tabs of its own."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from marketdata.instruments import load_instruments
from services.chromium import find_chromium
from tests.marketdata.server_process import ROOT
from tests.page.browser import Browser, running
from tests.page.site import PICTURES, running_site


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running browser; `async with browser.tab() as page` opens an empty tab."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    program, environ = find_chromium()
    profile = tmp_path_factory.mktemp("profile")
    with running([str(program)], profile, environ=environ) as started:
        yield started


@pytest.fixture(scope="module")
def installed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database as of a new installation."""
    with django_db_blocker.unblock():
        # It is emptied at the end; without the mark `django_db` it were the real one.
        assert connection.settings_dict["NAME"].startswith("test_")
        load_instruments()
        try:
            yield
        finally:
            # Feeds may have stored records, too.
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def site(installed: None) -> Iterator[str]:
    """The address of a server with simulated prices and an imported day of EUR/USD."""
    source = f"bi5-dir:{ROOT / 'tests' / 'payloads' / 'dukascopy'}"
    day = ["--from", "2019-02-04", "--to", "2019-02-04", "--source", source]
    call_command("import_ticks", "--symbol", "EURUSD", *day, stdout=StringIO())
    with running_site("simulated") as address:
        yield address
