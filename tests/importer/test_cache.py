"""The folder that keeps answers."""

import threading

import pytest

from importer.sources.cache import FolderCache

URL = "http://host:8080/datafeed/EURUSD/2019/01/04/00h_ticks.bi5"


def test_read_gives_what_was_written(tmp_path):
    FolderCache(tmp_path).write(URL, b"body")

    assert FolderCache(tmp_path).read(URL) == b"body"
    assert FolderCache(tmp_path).read(f"{URL}x") is None


def test_write_lays_the_body_out_as_the_server_does(tmp_path):
    FolderCache(tmp_path).write(URL, b"body")

    names = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*5*")]
    folder = "host%3A8080/datafeed/EURUSD/2019/01/04"
    assert sorted(map(str, names)) == [
        f"{folder}/00h_ticks.bi5",
        f"{folder}/00h_ticks.bi5.sha256",
    ]


@pytest.mark.parametrize("damage", [b"", b"bodY", b"body and more"])
def test_read_of_a_damaged_body_gives_nothing(tmp_path, damage):
    FolderCache(tmp_path).write(URL, b"body")
    [path] = tmp_path.rglob("00h_ticks.bi5")

    path.write_bytes(damage)

    assert FolderCache(tmp_path).read(URL) is None


def test_read_without_the_checksum_gives_nothing(tmp_path):
    FolderCache(tmp_path).write(URL, b"body")
    [path] = tmp_path.rglob("*.sha256")

    path.unlink()

    assert FolderCache(tmp_path).read(URL) is None


def test_write_replaces_the_body(tmp_path):
    cache = FolderCache(tmp_path)

    cache.write(URL, b"body")
    cache.write(URL, b"other")

    assert cache.read(URL) == b"other"
    assert not list(tmp_path.rglob("*.part"))


def test_write_to_a_folder_that_cannot_be_is_no_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = FolderCache(tmp_path / "file")

    cache.write(URL, b"body")

    assert cache.read(URL) is None


@pytest.mark.parametrize("symbol", ["..", "../../..", "%2E%2E", "."])
def test_write_never_leaves_the_folder(tmp_path, symbol):
    folder = tmp_path / "a" / "b" / "c"

    FolderCache(folder).write(f"http://host/{symbol}/../00h.bi5", b"body")

    assert {path.parts[: len(folder.parts)] for path in tmp_path.rglob("00h*")} == {
        folder.parts
    }


def test_write_by_many_threads_leaves_one_whole_body(tmp_path):
    cache = FolderCache(tmp_path)
    bodies = [bytes([number]) * 50_000 for number in range(8)]

    threads = [threading.Thread(target=cache.write, args=(URL, b)) for b in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [path] = tmp_path.rglob("00h_ticks.bi5")

    assert path.read_bytes() in bodies
    assert cache.read(URL) in (None, *bodies)
