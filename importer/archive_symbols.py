"""The archive's two spellings of an instrument. Pure.

Its JSON API and its table of instruments say `EUR-USD` and `DEU.IDX-EUR` (the code);
its `.bi5` files lie under `EURUSD` and `DEUIDXEUR`, which is the code without marks.
"""

import re

from importer.exceptions import UnreadableFile

_MARKS = re.compile(r"[^A-Z0-9]")
_CODE = re.compile(r"[A-Z0-9.]+-[A-Z0-9]+")
_PAIR = re.compile(r"[A-Z]{6}")


def file_symbol(symbol: str) -> str:
    """Return the spelling of the `.bi5` files: `EURUSD`."""
    return _MARKS.sub("", symbol.upper())


def code(symbol: str) -> str:
    """Return the code: `EUR-USD`, also for `EURUSD`, as pairs of currencies have three
    letters each.

    Raises:
        UnreadableFile: neither a code nor such a pair, so that no address can be made.
    """
    text = symbol.upper()
    if _CODE.fullmatch(text):
        return text
    if _PAIR.fullmatch(text):
        return f"{text[:3]}-{text[3:]}"
    expected = "a code of Dukascopy's as EUR-USD or DEU.IDX-EUR (see sync_instruments)"
    raise UnreadableFile("the instrument's broker symbol", expected, repr(symbol))
