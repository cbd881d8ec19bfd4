"""A folder that keeps answers as they came, so that a second import asks nobody."""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import structlog

log = structlog.get_logger(__name__)


class FolderCache:
    """Bodies by address, each with its SHA-256 in a file beside it.

    The folder below the host is laid out as the server is, so that a cache of `.bi5`
    files is a source itself (`bi5-dir:<folder>`). Safe in many threads and processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, url: str) -> bytes | None:
        """Return the body that was kept; None if there is none, or it is not intact."""
        path = self._path(url)
        try:
            data = path.read_bytes()
            expected = _sum_path(path).read_text("ascii").split(" ")[0]
        except (OSError, UnicodeDecodeError):
            return None
        return data if hashlib.sha256(data).hexdigest() == expected else None

    def write(self, url: str, data: bytes) -> None:
        """Keep a body, all of it or none; a full or read-only disk is only logged."""
        path = self._path(url)
        # As `sha256sum --check` takes it.
        line = f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
            _replace(_sum_path(path), line.encode("ascii"))
        except OSError as exc:
            log.warning("cache not written", path=str(path), error=str(exc))

    def _path(self, url: str) -> Path:
        parts = urlsplit(url)
        names = [parts.netloc, *filter(None, parts.path.split("/"))]
        return self._folder.joinpath(*map(_file_name, names))


def _file_name(text: str) -> str:
    # Nothing may lead out of the folder, whatever a broker symbol is.
    name = quote(text, safe="")
    return name if name.strip(".") else name.replace(".", "%2E")


def _sum_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
