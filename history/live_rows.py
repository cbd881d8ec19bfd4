"""A live record as it is recorded: with the epoch and number it was published under."""

from marketdata.records import Tick, Trade

Row = tuple[Tick | Trade, int, int]  # record, epoch, number
