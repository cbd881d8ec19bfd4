"""Dukascopy's `.bi5` files over HTTP: `<base>/EURUSD/2019/01/04/13h_ticks.bi5`.

Months count from 00. The provider's own server is reported not to answer any more; a
mirror may, and a cache of this source is a `bi5-dir`.
"""

from history.timestamps import to_datetime
from importer.archive_symbols import file_symbol
from importer.bi5 import decode_ticks
from importer.hour_ticks import HourTicks
from importer.sources.base import HourFile
from importer.sources.downloads import Downloader

KIND = "bi5-http"


class Bi5Http:
    """Reads hours from a server with the archive's layout."""

    is_local = False

    def __init__(self, base_url: str, downloader: Downloader, *, threads: int) -> None:
        self.spec = f"{KIND}:{base_url}"
        self.threads = threads
        self._base_url = base_url.rstrip("/")
        self._downloader = downloader

    def fetch(self, symbol: str, hour_us: int) -> HourFile | None:
        """Return the file of the hour, None if the server has none.

        Raises:
            HourError: no good answer within the limits.
        """
        url = self._address(symbol, hour_us)

        def check(data: bytes) -> int:
            # Prices are not looked at, so any scale will do.
            return len(decode_ticks(data, hour_us, price_scale=1, name=url))

        data = self._downloader.fetch(url, hour_us, check)
        return None if data is None else HourFile(url, data)

    def decode(self, file: HourFile, hour_us: int, *, price_scale: int) -> HourTicks:
        """Return the ticks in a file; see `importer.bi5.decode_ticks`."""
        return decode_ticks(file.data, hour_us, price_scale=price_scale, name=file.name)

    def close(self) -> None:
        """Make fetches that are under way fail at once."""
        self._downloader.close()

    def _address(self, symbol: str, hour_us: int) -> str:
        start = to_datetime(hour_us)
        return (
            f"{self._base_url}/{file_symbol(symbol)}/{start.year:04}"
            f"/{start.month - 1:02}/{start.day:02}/{start.hour:02}h_ticks.bi5"
        )
