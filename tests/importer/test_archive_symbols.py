"""The archive's two spellings."""

import pytest

from importer.archive_symbols import code, file_symbol
from importer.exceptions import UnreadableFile


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("EURUSD", "EURUSD"), ("EUR-USD", "EURUSD"), ("DEU.IDX-EUR", "DEUIDXEUR")],
)
def test_file_symbol_is_the_code_without_marks(symbol, expected):
    assert file_symbol(symbol) == expected


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("EURUSD", "EUR-USD"), ("eur-usd", "EUR-USD"), ("DEU.IDX-EUR", "DEU.IDX-EUR")],
)
def test_code_of_a_code_or_a_pair_is_the_code(symbol, expected):
    assert code(symbol) == expected


@pytest.mark.parametrize("symbol", ["DEUIDXEUR", "../EUR-USD", "EUR-", "", "EUR/USD"])
def test_code_of_anything_else_raises(symbol):
    with pytest.raises(UnreadableFile, match="expected a code of Dukascopy's"):
        code(symbol)
