"""COMPAT check 53: not root, a health check that tells, imports work inside."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.conf import settings

from marketdata.instruments import load_instruments
from services.ports import find_free
from tests.config.image import ROOT, Image
from tests.marketdata.server_process import test_database_url

SOURCE = f"bi5-dir:{ROOT / 'tests' / 'payloads' / 'dukascopy'}"
HOUR = "2019-02-04T13"
HOUR_S = 1549285200


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    made = Image(tmp_path_factory.mktemp("image"))
    made.close_to_user()
    yield made
    made.open_again()


@pytest.fixture
def installed(transactional_db: None) -> None:
    """A database with instruments, as compose's `migrate` leaves it."""
    load_instruments()


def test_compat_check_53_image_is_not_root_and_writes_its_journal_only(
    image: Image,
) -> None:
    assert image.user not in ("root", "0")
    assert image.run("sh", "-c", "echo >> manage.py")[0] != 0
    assert image.run("sh", "-c", "echo > config/new.py")[0] != 0
    assert image.run("sh", "-c", "echo > var/journal/new") == (0, "")


def test_image_has_what_the_doctor_compares_packages_with(image: Image) -> None:
    lock = (ROOT / "requirements.lock").read_text()

    assert (image.folder / "requirements.lock").read_text() == lock


def test_compat_check_53_health_tells_and_imports_work_inside(
    image: Image, installed: None, tmp_path: Path
) -> None:
    port = str(find_free())
    given = {
        "SECRET_KEY": "for this test",
        "DATABASE_URL": test_database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "ALLOWED_HOSTS": "127.0.0.1",
        "PORT": port,
    }
    assert image.run(*image.health, **given)[0] != 0  # nobody listens yet

    web = image.start(*image.command, **given)
    try:
        for line in web.stdout:
            if line.startswith("listening on "):
                break
        assert image.run(*image.health, **given) == (0, "")

        hour = ("--symbol", "EURUSD", "--from", HOUR, "--to", HOUR)
        argv = ("manage.py", "import_ticks", *hour, "--source", SOURCE, "--json")
        code, output = image.run("python", *argv, **given)
        assert (code, json.loads(output.splitlines()[-1])["ticks"]) == (0, 7763), output

        query = f"symbol=EURUSD&timeframe=1h&from={HOUR_S}&to={HOUR_S + 1}&fields=full"
        with urlopen(f"http://127.0.0.1:{port}/api/candles?{query}") as answer:
            assert json.load(answer)[0]["ticks"] == 7763
        with urlopen(f"http://127.0.0.1:{port}/static/page/main.js") as answer:
            assert answer.status == 200
    finally:
        web.terminate()
        web.communicate(timeout=20)
    assert web.returncode == 0
