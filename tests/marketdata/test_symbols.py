import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.exceptions import InvalidSymbol
from marketdata.symbols import canonical, other_names

spellings = st.from_regex(r"[A-Za-z0-9/_.\-]{1,20}", fullmatch=True)


@pytest.mark.parametrize(
    "text", ["EURUSD", "EUR/USD", "EUR_USD", "eur/usd", "Eur-Usd", "EUR.USD"]
)
def test_canonical_of_any_spelling_is_one_symbol(text):
    assert canonical(text) == "EURUSD"


@given(spellings.filter(lambda text: any(c.isalnum() for c in text)))
def test_canonical_twice_is_canonical(text):
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize("text", ["", "A" * 21, "EUR USD", "EUR\n", "É", "/", "._-", 5])
def test_canonical_of_another_text_raises(text):
    with pytest.raises(InvalidSymbol, match="expected a symbol of 1 to 20 letters"):
        canonical(text)


@pytest.mark.parametrize(
    ("symbol", "others"),
    [
        ("XBTUSDT", ["BTCUSDT"]),
        ("ETHXBT", ["ETHBTC"]),
        ("XDGEUR", ["DOGEEUR"]),
        ("BTCUSDT", []),
    ],
)
def test_other_names_are_those_with_the_usual_assets(symbol, others):
    assert list(other_names(symbol)) == others
