import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic, group_name, topic_of
from tests.marketdata.samples import BOOK, CANDLE, TICK, TICKER, TRADE

names = st.text(min_size=1, max_size=10)
plain_topics = st.builds(
    Topic, st.sampled_from([k for k in Kind if k is not Kind.CANDLE]), names, names
)
candle_topics = st.builds(
    Topic,
    st.just(Kind.CANDLE),
    names,
    names,
    st.sampled_from(Timeframe),
    st.sampled_from(PriceSide),
)


@given(plain_topics | candle_topics, plain_topics | candle_topics)
def test_group_name_differs_for_different_topics(one, other):
    assert (group_name(one) == group_name(other)) == (one == other)


@given(plain_topics | candle_topics)
def test_group_name_has_only_characters_that_layers_accept(topic):
    assert re.fullmatch(r"[A-Za-z0-9._-]+", group_name(topic))


def test_group_name_of_a_usual_topic_is_readable_and_short():
    name = group_name(
        Topic(Kind.CANDLE, "binance", "BTCUSDT", Timeframe.M15, PriceSide.TRADE)
    )

    assert name == "md.candle.binance.BTCUSDT.15m.trade"
    assert len(name) < 100


@pytest.mark.parametrize(
    ("record", "topic"),
    [
        (TICK, Topic(Kind.TICK, "binance", "BTCUSDT")),
        (TRADE, Topic(Kind.TRADE, "binance", "BTCUSDT")),
        (BOOK, Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")),
        (TICKER, Topic(Kind.TICKER, "binance", "BTCUSDT")),
        (
            CANDLE,
            Topic(Kind.CANDLE, "binance", "BTCUSDT", Timeframe.M1, PriceSide.MID),
        ),
    ],
)
def test_topic_of_names_kind_broker_and_symbol(record, topic):
    assert topic_of(record) == topic
