"""Finding hours in folders, and naming sources."""

import os

import pytest

from importer.exceptions import DamagedFile, InvalidSource, UnreadableFile
from importer.sources import bi5_folder
from importer.sources.registry import open_source
from tests.importer.bi5_files import DAY_US, HOUR_US

ARCHIVE = "EURUSD/2019/01/04/00h_ticks.bi5"
FLAT = "EURUSD_2019-02-04_00h_ticks.bi5"


def write(path, data=b"data"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "place",
    [
        ARCHIVE,
        FLAT,
        f"datafeed/{ARCHIVE}",
        f"datafeed/{FLAT}",
        f"www.example.org/datafeed/{ARCHIVE}",
    ],
)
def test_fetch_finds_the_hour_in_each_layout(tmp_path, place):
    path = write(tmp_path / place)
    (tmp_path / "datafeed" / "USDJPY" / "2019").mkdir(parents=True)

    source = open_source(f"bi5-dir:{tmp_path}")
    file = source.fetch("EURUSD", DAY_US)

    assert (file.name, file.data) == (str(path), b"data")
    assert source.fetch("EURUSD", DAY_US + HOUR_US) is None
    assert source.fetch("USDJPY", DAY_US) is None


def test_fetch_counts_the_archive_s_months_from_zero(tmp_path):
    write(tmp_path / "EURUSD/2019/00/31/23h_ticks.bi5", b"January")
    write(tmp_path / "EURUSD/2019/02/04/00h_ticks.bi5", b"March")

    source = open_source(f"bi5-dir:{tmp_path}")

    assert source.fetch("EURUSD", DAY_US) is None
    assert source.fetch("EURUSD", DAY_US - 73 * HOUR_US).data == b"January"
    assert source.fetch("EURUSD", DAY_US + 28 * 24 * HOUR_US).data == b"March"


def test_fetch_finds_the_hour_in_the_symbol_s_own_folder(tmp_path):
    write(tmp_path / ARCHIVE)

    source = open_source(f"bi5-dir:{tmp_path / 'EURUSD'}")

    assert source.fetch("EURUSD", DAY_US).data == b"data"


def test_fetch_of_an_empty_file_gives_no_bytes(tmp_path):
    write(tmp_path / FLAT, b"")

    assert open_source(f"bi5-dir:{tmp_path}").fetch("EURUSD", DAY_US).data == b""


def test_fetch_of_what_is_no_file_raises(tmp_path):
    (tmp_path / FLAT).mkdir()

    with pytest.raises(UnreadableFile) as caught:
        open_source(f"bi5-dir:{tmp_path}").fetch("EURUSD", DAY_US)

    assert str(caught.value) == (
        f"expected a readable file, found Is a directory in {tmp_path / FLAT}"
    )


def test_fetch_of_a_file_beyond_all_measure_raises(tmp_path, monkeypatch):
    monkeypatch.setattr(bi5_folder, "MAX_FILE_BYTES", 3)
    write(tmp_path / FLAT)

    with pytest.raises(DamagedFile, match="expected at most 3 bytes, found more in"):
        open_source(f"bi5-dir:{tmp_path}").fetch("EURUSD", DAY_US)


@pytest.mark.parametrize("spec", ["", "bi5-dir", "bi5-dir:", "bi5-dir: ", "ftp:/data"])
def test_open_source_of_no_source_says_how_one_looks(spec):
    with pytest.raises(InvalidSource) as caught:
        open_source(spec)

    assert str(caught.value) == (
        "expected a source as dukascopy, bi5-http[:<address>], bi5-dir:<folder>, "
        f"csv:<file or folder>, found {spec!r}"
    )


def test_open_source_without_its_folder_raises(tmp_path):
    write(tmp_path / "file")

    with pytest.raises(InvalidSource, match=f"at {tmp_path}/no, found nothing"):
        open_source(f"bi5-dir:{tmp_path}/no")
    with pytest.raises(InvalidSource, match=f"at {tmp_path}/file, found a file"):
        open_source(f"bi5-dir:{tmp_path}/file")


def test_open_source_of_a_relative_folder_names_the_whole_path(tmp_path):
    relative = os.path.relpath(tmp_path)

    assert open_source(f"bi5-dir:{relative}").spec == f"bi5-dir:{tmp_path}"
