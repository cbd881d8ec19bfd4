"""Sources by the text that names them: `dukascopy`, `bi5-dir:/data/dukascopy`, ...

The one place that knows the sources' settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from importer.exceptions import InvalidSource
from importer.sources import bi5_folder, bi5_http, csv_file, dukascopy_api
from importer.sources.base import Source
from importer.sources.cache import FolderCache
from importer.sources.downloads import Downloader, DownloadLimits
from importer.sources.http import HttpClient
from importer.sources.pacing import Pacer


def open_source(spec: str, *, reads_cache: bool = True) -> Source:
    """Return the source that ``spec`` names, as `kind` or `kind:place`.

    ``reads_cache`` False is for hours that are to be had anew: the provider is asked,
    and what is kept is replaced. Nothing is asked yet.

    Raises:
        InvalidSource: no such kind, no place, or nothing there.
    """
    kind, _, place = spec.strip().partition(":")
    opener = _OPENERS.get(kind)
    place = place.strip()
    if opener is None or (not place and opener.needs_place):
        shapes = ", ".join(item.shape for item in _OPENERS.values())
        raise InvalidSource(f"a source as {shapes}", repr(spec))
    return opener.open(place, reads_cache)


@dataclass(frozen=True, slots=True)
class _Opener:
    """How a kind of source looks to people, and how it is opened."""

    shape: str
    open: Callable[[str, bool], Source]
    needs_place: bool = True


def _open_dukascopy(place: str, reads_cache: bool) -> Source:
    if place:
        raise InvalidSource("dukascopy alone (its address is DUKASCOPY_URL)", place)
    return dukascopy_api.DukascopyApi(
        _checked(settings.DUKASCOPY_URL),
        _downloader(reads_cache),
        threads=settings.DUKASCOPY_CONCURRENCY,
    )


def _open_bi5_http(place: str, reads_cache: bool) -> Source:
    return bi5_http.Bi5Http(
        _checked(place or settings.DUKASCOPY_BI5_URL),
        _downloader(reads_cache),
        threads=settings.DUKASCOPY_CONCURRENCY,
    )


def _open_bi5_folder(place: str, reads_cache: bool) -> Source:
    return bi5_folder.Bi5Folder(_absolute(place))


def _open_csv(place: str, reads_cache: bool) -> Source:
    path, _, options = place.partition("?")
    columns = dict(parse_qsl(options, keep_blank_values=True))
    return csv_file.CsvFiles(_absolute(path), columns)


_OPENERS = {
    dukascopy_api.KIND: _Opener("dukascopy", _open_dukascopy, needs_place=False),
    bi5_http.KIND: _Opener("bi5-http[:<address>]", _open_bi5_http, needs_place=False),
    bi5_folder.KIND: _Opener("bi5-dir:<folder>", _open_bi5_folder),
    csv_file.KIND: _Opener("csv:<file or folder>", _open_csv),
}


def _downloader(reads_cache: bool) -> Downloader:
    client = HttpClient(
        connections=settings.DUKASCOPY_CONCURRENCY,
        silence_s=settings.DUKASCOPY_SILENCE_S,
    )
    limits = DownloadLimits(
        tries=1 + settings.DUKASCOPY_RETRIES,
        request_s=settings.DUKASCOPY_REQUEST_S,
        hour_s=settings.DUKASCOPY_HOUR_S,
    )
    folder = settings.DUKASCOPY_CACHE
    return Downloader(
        client,
        _pacer(settings.DUKASCOPY_REQUESTS_PER_S, settings.DUKASCOPY_CONCURRENCY),
        limits,
        cache=FolderCache(_absolute(folder)) if folder else None,
        reads_cache=reads_cache,
    )


@lru_cache
def _pacer(requests_per_s: float, concurrency: int) -> Pacer:
    """Return the pacer of the process, which all its sources share."""
    return Pacer(requests_per_s, concurrency)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidSource("an address as https://host/path", repr(url))
    return url


def _absolute(place: str) -> Path:
    # Because a worker that opens it again runs in another folder.
    return Path(place).expanduser().resolve()
