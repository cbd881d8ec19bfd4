"""What the documents must name: settings, commands, endpoints, timeframes, codes."""

import re
from collections import Counter
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from history.api_errors import STATUSES
from history.candle_queries import SERVED
from history.codes import RestCode
from history.udf_bars import RESOLUTIONS

ROOT = Path(__file__).resolve().parent.parent
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
APPS = ("marketdata", "history", "importer", "brokers", "config")


def sources() -> str:
    return "\n".join(
        path.read_text() for app in APPS for path in (ROOT / app).rglob("*.py")
    )


def test_every_setting_is_documented() -> None:
    read = re.findall(
        r'env\.\w+\(\s*"([A-Z0-9_]+)"', (ROOT / "config" / "env.py").read_text()
    )

    missing = [name for name in read if name not in DOCS["settings.md"]]

    assert missing == []


def test_every_setting_is_documented_once() -> None:
    rows = re.findall(r"^\| ([A-Z0-9_]+) \|", DOCS["settings.md"], re.MULTILINE)
    example = (ROOT / ".env.example").read_text()
    lines = re.findall(r"^(?:# )?([A-Z0-9_]+)=", example, re.MULTILINE)

    assert rows
    assert lines
    assert [name for name, count in Counter(rows).items() if count > 1] == []
    assert [name for name, count in Counter(lines).items() if count > 1] == []


def test_every_command_is_documented() -> None:
    commands = {
        path.stem
        for app in APPS
        for path in (ROOT / app / "management" / "commands").glob("[a-z]*.py")
    }
    text = "\n".join(DOCS.values())

    assert {name for name in commands if name not in text} == set()


def test_every_endpoint_is_documented() -> None:
    generator = SchemaGenerator(urlconf="config.rest_urls")
    paths = generator.get_schema(request=None, public=True)["paths"]
    text = DOCS["rest.md"].replace("EURUSD/1h", "{symbol}/{timeframe}")
    text = text.replace("metadata/EURUSD", "metadata/{symbol}")
    named = set(re.findall(r"(/[a-z]+(?:/[a-z{}_]+)*)", text))

    assert set(paths) <= named


def test_every_timeframe_and_resolution_is_documented() -> None:
    names = {*(item.value for item in SERVED), *RESOLUTIONS}

    assert {name for name in names if f"`{name}`" not in DOCS["rest.md"]} == set()


def test_every_error_code_is_documented() -> None:
    codes = set(re.findall(r'\bcode(?:: \w+)? = "([A-Z0-9_]+)"', sources()))
    text = "\n".join(DOCS.values())

    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_error_codes_of_rest_are_documented_with_their_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \|(.*)\|$", DOCS["rest.md"], re.MULTILINE)
    documented = {
        code: int(status)
        for status, codes in rows
        for code in re.findall(r"`([A-Z_]+)`", codes)
    }

    assert documented == STATUSES
    assert set(STATUSES) == set(RestCode)


@pytest.mark.parametrize("name", sorted(DOCS))
def test_pages_can_be_read_in_one_go(name: str) -> None:
    assert len(DOCS[name].splitlines()) <= 150
