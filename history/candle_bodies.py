"""Candles as REST shows them: times in seconds, prices rounded to the instrument."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from history.columns import Array

# From here on a float's neighbours are whole numbers or further apart.
_EXACT = 2.0**52


class CandleBody(msgspec.Struct, gc=False):
    """A candle; ``time`` is the bucket's start in Unix seconds."""

    time: int
    open: float
    high: float
    low: float
    close: float


class FullCandleBody(CandleBody, gc=False):
    """A candle with `fields=full`.

    ``complete`` is True once the bucket has ended and all its records are in it; it
    stays False where a gap of the feed touches the bucket.
    """

    volume: float
    ticks: int
    complete: bool
    rev: int


def round_prices(prices: Array, decimals: int) -> Array:
    """Return prices rounded to the instrument's decimals + 1.

    A mid of two prices has one decimal more than they have, so it stays whole. Scaling
    gives a price without more digits the float of its text, as `round` does.
    """
    scale = 10.0 ** (decimals + 1)
    scaled = prices * scale
    return np.where(np.abs(scaled) < _EXACT, np.rint(scaled) / scale, prices)


def candle_values(columns: Sequence[Array], decimals: int) -> list[list[Any]]:
    """Return the columns of bodies: times in us to seconds, prices rounded.

    Args:
        columns: in the order of the fields of ``CandleBody`` or ``FullCandleBody``.
    """
    times, *rest = columns
    prices = [round_prices(column, decimals) for column in rest[:4]]
    return [column.tolist() for column in (times // 1_000_000, *prices, *rest[4:])]
