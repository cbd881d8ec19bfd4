"""Hours out of CSV files: a real export, made ones, folders, gzip."""

import csv
import gzip
import threading
from pathlib import Path

import numpy as np
import pytest

from importer.exceptions import DamagedFile, InvalidSource, UnreadableFile
from importer.sources.csv_file import CsvFiles
from importer.sources.registry import open_source
from marketdata.durations import HOUR_US
from tests.importer.bi5_files import DAY_US, PAYLOADS

EXPORT = PAYLOADS / "CADJPY_tick.csv.gz"
EXPORT_DAY_US = 1_335_830_400_000_000  # 2012-05-01
HEADER = "Time,Ask,Bid,AskVolume,BidVolume\n"
LINE = "04.02.2019 {:02}:00:00.994,1.2,{},1,2\n"


def ticks_of(source: CsvFiles, hour_us: int, symbol: str = "EURUSD"):
    file = source.fetch(symbol, hour_us)
    assert file is not None
    return source.decode(file, hour_us, price_scale=1)


def write(path: Path, *hours_and_bids: tuple[int, float], header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = header + "".join(LINE.format(hour, bid) for hour, bid in hours_and_bids)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_fetch_and_decode_of_the_real_export_give_its_day():
    source = open_source(f"csv:{EXPORT}")
    hours = range(EXPORT_DAY_US, EXPORT_DAY_US + 24 * HOUR_US, HOUR_US)

    day = [ticks_of(source, hour_us, "CADJPY") for hour_us in hours]

    assert sum(map(len, day)) == 52_948
    assert source.fetch("CADJPY", hours[0] - HOUR_US) is None
    assert source.fetch("CADJPY", hours[-1] + HOUR_US) is None
    first, last = day[0], day[-1]
    assert first.time_us[0] == EXPORT_DAY_US + 1_680_000
    assert (first.bid[0], first.ask[0]) == (80.911, 80.928)
    assert (first.bid_size[0], first.ask_size[0]) == (1.58, 2.33)
    assert (last.bid[-1], last.ask[-1]) == (81.377, 81.393)


def test_decode_of_the_real_export_gives_the_published_minutes_of_the_mid():
    source = open_source(f"csv:{EXPORT}")
    with (PAYLOADS / "cadjpy_m1.csv").open() as lines:
        published = [list(map(float, row[2:6])) for row in csv.reader(lines)]

    minutes = []
    for hour_us in range(EXPORT_DAY_US, EXPORT_DAY_US + 24 * HOUR_US, HOUR_US):
        ticks = ticks_of(source, hour_us, "CADJPY")
        mid = (ticks.bid + ticks.ask) / 2
        cuts = hour_us + np.arange(1, 60) * 60_000_000
        for part in np.split(mid, np.searchsorted(ticks.time_us, cuts)):
            minutes.append([part[0], part.max(), part.min(), part[-1]])

    assert len(minutes) == len(published) == 1_440
    assert np.array_equal(np.round(minutes, 5), published)


@pytest.mark.parametrize(
    "name",
    [
        "EURUSD.csv",
        "EURUSD_2019.csv",
        "eurusd-tick-2019-02-04.csv.gz",
        "EUR-USD_ticks.TXT",
        "EURUSD2019.csv",
        "EURUSD/2019-02-04.csv",
        "exports/EUR-USD/a.csv.gz",
    ],
)
def test_fetch_finds_a_symbol_s_files_in_a_folder(tmp_path, name):
    write(tmp_path / name, (3, 1.1))
    write(tmp_path / "EURUSDT_2019.csv", (3, 9))
    write(tmp_path / "XEURUSD.csv", (3, 9))

    source = open_source(f"csv:{tmp_path}")

    assert ticks_of(source, DAY_US + 3 * HOUR_US, "EUR-USD").bid.tolist() == [1.1]
    assert source.fetch("GBPUSD", DAY_US + 3 * HOUR_US) is None


def test_fetch_of_an_hour_that_the_file_passes_over_gives_no_lines(tmp_path):
    write(tmp_path / "EURUSD.csv", (3, 1.1), (5, 1.2))
    source = open_source(f"csv:{tmp_path}")

    assert len(ticks_of(source, DAY_US + 4 * HOUR_US)) == 0
    assert source.fetch("EURUSD", DAY_US + 2 * HOUR_US) is None


def test_fetch_joins_files_that_meet_inside_an_hour(tmp_path):
    write(tmp_path / "EURUSD_a.csv", (3, 1.1), (4, 1.2))
    text = (tmp_path / "EURUSD_a.csv").read_text().rstrip("\n")
    (tmp_path / "EURUSD_a.csv").write_text(text)  # as some programs end files
    write(tmp_path / "EURUSD_b.csv.gz", (4, 1.3), (5, 1.4))
    write(tmp_path / "EURUSD_c.csv.gz", (2, 1.5), (6, 1.6))

    source = open_source(f"csv:{tmp_path}")

    bids = [ticks_of(source, DAY_US + h * HOUR_US).bid.tolist() for h in range(2, 7)]
    assert bids == [[1.5], [1.1], [1.2, 1.3], [1.4], [1.6]]


def test_fetch_of_files_with_other_columns_in_one_hour_raises(tmp_path):
    write(tmp_path / "EURUSD_a.csv", (4, 1.2))
    write(tmp_path / "EURUSD_b.csv", (4, 1.3), header="Time,Bid,Ask,x,y\n")

    with pytest.raises(DamagedFile, match=r"which has the same hour, found others in"):
        open_source(f"csv:{tmp_path}").fetch("EURUSD", DAY_US + 4 * HOUR_US)


def test_fetch_gathers_hours_whose_lines_are_scattered(tmp_path):
    path = write(tmp_path / "EURUSD.csv", (3, 1.1), (4, 1.2), (3, 1.3), (5, 1.4))
    source = open_source(f"csv:{path}")

    assert ticks_of(source, DAY_US + 3 * HOUR_US).bid.tolist() == [1.1, 1.3]
    assert ticks_of(source, DAY_US + 4 * HOUR_US).bid.tolist() == [1.2]


def test_fetch_tells_hours_apart_where_the_offset_changes(tmp_path):
    path = tmp_path / "EURUSD.csv"
    line = "27.10.2019 02:30:00.000 GMT{},1.2,{},1,1\n"
    path.write_text(HEADER + line.format("+0200", 1.1) + line.format("+0100", 1.3))
    source = open_source(f"csv:{path}")
    hour_us = 1_572_134_400_000_000  # 2019-10-27T00:00:00Z

    assert ticks_of(source, hour_us).bid.tolist() == [1.1]
    assert ticks_of(source, hour_us + HOUR_US).bid.tolist() == [1.3]


def test_a_line_without_a_time_costs_its_hour_only(tmp_path):
    path = write(tmp_path / "EURUSD.csv", (3, 1.1), (4, 1.2), (5, 1.3))
    text = path.read_text().replace("04.02.2019 04", "so_and_so 04")
    path.write_text(text)
    source = open_source(f"csv:{path}")

    with pytest.raises(DamagedFile, match=r"found 'so_and_so 04"):
        ticks_of(source, DAY_US + 3 * HOUR_US)
    assert ticks_of(source, DAY_US + 5 * HOUR_US).bid.tolist() == [1.3]


def test_options_of_the_spec_name_the_columns_and_survive_in_it(tmp_path):
    path = tmp_path / "EURUSD.csv"
    path.write_text("1549238400994;1.1;1.2;7\n1549238400995;1.3;1.4;8\n")
    options = "time=1&bid=2&ask=3&bid_size=4"

    source = open_source(open_source(f"csv:{path}?{options}").spec)

    ticks = ticks_of(source, DAY_US)
    assert (ticks.bid.tolist(), ticks.bid_size.tolist()) == ([1.1, 1.3], [7, 8])
    assert source.spec == f"csv:{path}?{options}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "expected columns time, bid, ask in"),
        ("?when=Date", "expected options time, bid, ask, bid_size, ask_size, found w"),
    ],
)
def test_wrong_columns_are_no_hole_but_wrong_usage(tmp_path, options, message):
    write(tmp_path / "EURUSD.csv", (3, 1), header="Date,Open,High,Low,Close\n")

    with pytest.raises(InvalidSource, match=message):
        open_source(f"csv:{tmp_path}{options}").fetch("EURUSD", DAY_US)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", DamagedFile, "expected lines of ticks, found an empty file"),
        (HEADER.encode() + b"a\nb\n", DamagedFile, "a time in each line, found none"),
        (b"x" * 10_000, DamagedFile, "expected lines of less than 4096 bytes"),
        (EXPORT.read_bytes()[:50_000], UnreadableFile, "expected a readable file"),
    ],
)
def test_fetch_of_what_is_no_csv_raises_each_time(tmp_path, data, error, message):
    name = "EURUSD.csv.gz" if error is UnreadableFile else "EURUSD.csv"
    (tmp_path / name).write_bytes(data)
    source = open_source(f"csv:{tmp_path}")

    for _ in range(2):
        with pytest.raises(error, match=message):
            source.fetch("EURUSD", DAY_US)


def test_fetch_of_a_second_symbol_from_one_file_raises(tmp_path):
    path = write(tmp_path / "ticks.csv", (3, 1.1))
    source = open_source(f"csv:{path}")
    source.fetch("EURUSD", DAY_US)

    with pytest.raises(UnreadableFile, match="one symbol to a file, which was EURUSD"):
        source.fetch("GBPUSD", DAY_US)


def test_fetch_by_many_threads_indexes_once(tmp_path, monkeypatch):
    write(tmp_path / "EURUSD.csv.gz", *((hour, 1.1) for hour in range(24)))
    source = open_source(f"csv:{tmp_path}")
    bids = []

    def work() -> None:
        bids.extend(ticks_of(source, DAY_US + h * HOUR_US).bid[0] for h in range(24))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert bids == [1.1] * 96


def test_open_source_without_the_file_raises(tmp_path):
    with pytest.raises(InvalidSource, match=f"a file or a folder at {tmp_path}/no"):
        open_source(f"csv:{tmp_path}/no?time=1")
