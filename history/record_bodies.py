"""Ticks and trades as REST shows them: times in ms, prices rounded."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from history.candle_bodies import round_prices
from history.columns import Array

_SIDES = {1: "buy", -1: "sell", 0: UNSET}


class TickBody(msgspec.Struct, gc=False):
    """A tick; ``time`` is Unix milliseconds, sizes are left out where unknown."""

    time: int
    bid: float
    ask: float
    bid_size: float | UnsetType = UNSET
    ask_size: float | UnsetType = UNSET


class TradeBody(msgspec.Struct, gc=False):
    """A trade; ``side`` is who took liquidity, `buy` or `sell`, left out if unknown."""

    time: int
    price: float
    size: float
    side: str | UnsetType
    id: int


def tick_values(columns: Sequence[Array], decimals: int) -> list[list[Any]]:
    """Return the columns of ``TickBody`` from times in us, prices and sizes or NaN."""
    times, bids, asks, *sizes = columns
    prices = [round_prices(column, decimals).tolist() for column in (bids, asks)]
    return [(times // 1_000).tolist(), *prices, *map(_known, sizes)]


def trade_values(columns: Sequence[Array], decimals: int) -> list[list[Any]]:
    """Return the columns of ``TradeBody`` from times in us and sides of 1, -1, 0."""
    times, prices, sizes, sides, ids = columns
    return [
        (times // 1_000).tolist(),
        round_prices(prices, decimals).tolist(),
        sizes.tolist(),
        [_SIDES[side] for side in sides.tolist()],
        ids.tolist(),
    ]


def _known(sizes: Array) -> list[Any]:
    if not np.isnan(sizes).any():
        return sizes.tolist()
    return [UNSET if size != size else size for size in sizes.tolist()]
