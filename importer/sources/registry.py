"""Sources by the text that names them: `bi5-dir:/data/dukascopy`."""

from collections.abc import Callable
from pathlib import Path

from importer.exceptions import InvalidSource
from importer.sources import bi5_folder
from importer.sources.base import Source


def _open_bi5_folder(place: str) -> Source:
    # Absolute, because a worker that opens it again runs in another folder.
    return bi5_folder.Bi5Folder(Path(place).expanduser().resolve())


_OPENERS: dict[str, Callable[[str], Source]] = {bi5_folder.KIND: _open_bi5_folder}


def open_source(spec: str) -> Source:
    """Return the source that ``spec`` names, as `kind:place`.

    Raises:
        InvalidSource: no such kind, no place, or nothing there.
    """
    kind, _, place = spec.strip().partition(":")
    kinds = ", ".join(f"{name}:<folder>" for name in _OPENERS)
    if kind not in _OPENERS or not place.strip():
        raise InvalidSource(f"a source as {kinds}", repr(spec))
    return _OPENERS[kind](place.strip())
