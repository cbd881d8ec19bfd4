"""Dukascopy's JSON API: an hour of ticks at `<base>/ticks/EUR-USD/2019/2/4/13`."""

from urllib.parse import quote

from history.timestamps import to_datetime
from importer.archive_symbols import code
from importer.hour_ticks import HourTicks
from importer.jetta import decode_ticks
from importer.sources.base import HourFile
from importer.sources.downloads import Downloader

KIND = "dukascopy"


class DukascopyApi:
    """Reads hours from the API; its answers state their own price scale."""

    is_local = False

    def __init__(self, base_url: str, downloader: Downloader, *, threads: int) -> None:
        self.spec = KIND
        self.threads = threads
        self._base_url = base_url.rstrip("/")
        self._downloader = downloader

    def fetch(self, symbol: str, hour_us: int) -> HourFile | None:
        """Return the API's answer, None if it is that there is none.

        Raises:
            HourError: no good answer within the limits, or no code for the symbol.
        """
        url = self._address(symbol, hour_us)

        def check(data: bytes) -> int:
            return len(decode_ticks(data, hour_us, name=url))

        data = self._downloader.fetch(url, hour_us, check)
        return None if data is None else HourFile(url, data)

    def decode(self, file: HourFile, hour_us: int, *, price_scale: int) -> HourTicks:
        """Return the ticks in an answer; see `importer.jetta.decode_ticks`."""
        return decode_ticks(file.data, hour_us, name=file.name)

    def close(self) -> None:
        """Make fetches that are under way fail at once."""
        self._downloader.close()

    def _address(self, symbol: str, hour_us: int) -> str:
        start = to_datetime(hour_us)
        hour = f"{start.year}/{start.month}/{start.day}/{start.hour}"
        return f"{self._base_url}/ticks/{quote(code(symbol), safe='')}/{hour}"
