import pytest

from marketdata.foreign_topics import gateway_topic, plan_symbol, stream_topic
from marketdata.records import Kind
from marketdata.topics import Topic, topic_of
from tests.marketdata.samples import FOREIGN


def test_stream_topic_is_that_of_the_channels_records():
    assert stream_topic("trade@TATA_INR") == topic_of(FOREIGN)


def test_gateway_topic_has_the_symbol_of_the_channel():
    assert gateway_topic("AAPL") == Topic(Kind.FOREIGN, "redis", "trade:AAPL")


@pytest.mark.parametrize(
    ("market", "symbol"),
    [("TATA_INR", "TATAINR"), ("brk.b", "BRKB"), ("A:B", "A:B"), (" AAPL", " AAPL")],
)
def test_plan_symbol_is_canonical_where_the_market_can_be(market, symbol):
    assert plan_symbol(market) == symbol
