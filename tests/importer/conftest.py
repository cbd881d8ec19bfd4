"""Fixtures: the instruments that we ship, and folders of files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from marketdata.instruments import load_instruments
from tests.brokers.processes import ROOT, database_url
from tests.importer.bi5_files import DAY, PAYLOADS
from tests.importer.imports import Command


@pytest.fixture
def instruments(db: None) -> int:
    """The instruments that we ship."""
    return load_instruments()


@pytest.fixture
def committed_instruments(transactional_db: None) -> int:
    """The instruments that we ship, for other processes to see."""
    return load_instruments()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the real day of EURUSD, flat, for the test to change."""
    for path in PAYLOADS.glob(f"EURUSD_{DAY}_??h_ticks.bi5"):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


@pytest.fixture
def manage() -> Callable[..., Command]:
    """Starts `manage.py import_ticks` with arguments, on the test's database."""

    def start(*arguments: str, **environment: str) -> Command:
        return Command(
            [sys.executable, str(ROOT / "manage.py"), "import_ticks", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DATABASE_URL": database_url(), **environment},
        )

    return start
