"""Who follows what, by what hubs say and when they were last heard."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from brokers.demand import Change, DemandBook
from marketdata.layer_messages import Demand
from marketdata.records import Kind
from marketdata.topics import Topic

EUR = Topic(Kind.TICK, "oanda", "EURUSD")
GBP = Topic(Kind.TICK, "oanda", "GBPUSD")
FOREIGN = Topic(Kind.TICK, "binance", "BTCUSDT")


def test_take_first_follower_adds_and_last_removes() -> None:
    book = DemandBook("oanda")

    assert book.take(Demand("a", [EUR]), 0.0) == Change(added=(EUR,))
    assert book.take(Demand("b", [EUR]), 1.0) == Change()
    assert book.take(Demand("a", []), 2.0) == Change()
    assert book.take(Demand("b", []), 3.0) == Change(removed=(EUR,))
    assert list(book.topics) == []


def test_take_replaces_what_the_hub_said_before() -> None:
    book = DemandBook("oanda")
    book.take(Demand("a", [EUR]), 0.0)

    assert book.take(Demand("a", [GBP]), 1.0) == Change((GBP,), (EUR,))


def test_take_what_is_asked_counts_as_followed() -> None:
    book = DemandBook("oanda")

    assert book.take(Demand("a", [], asked=[EUR]), 0.0) == Change(added=(EUR,))
    assert book.is_followed(EUR)


def test_take_topics_of_other_brokers_are_ignored() -> None:
    book = DemandBook("oanda")

    assert book.take(Demand("a", [FOREIGN], asked=[FOREIGN]), 0.0) == Change()
    assert not book.is_followed(FOREIGN)


def test_expire_forgets_hubs_that_were_silent_for_30_s() -> None:
    book = DemandBook("oanda")
    book.take(Demand("a", [EUR, GBP]), 0.0)
    book.take(Demand("b", [GBP]), 5.0)

    assert book.expire(29.9) == Change()
    assert book.expire(30.0) == Change(removed=(EUR,))
    assert book.expire(35.0) == Change(removed=(GBP,))
    assert book.expire(99.0) == Change()


def test_expire_spares_hubs_that_repeat_themselves() -> None:
    book = DemandBook("oanda")
    for now_s in range(0, 100, 10):
        assert book.expire(now_s) == Change()
        book.take(Demand("a", [EUR]), now_s)

    assert book.is_followed(EUR)


class Said(msgspec.Struct, frozen=True):
    hub: str
    followed: list[Topic]
    after_s: float


TOPICS = st.sampled_from([EUR, GBP, Topic(Kind.TRADE, "oanda", "EURUSD"), FOREIGN])
SAID = st.builds(
    Said,
    hub=st.sampled_from("abc"),
    followed=st.lists(TOPICS),
    after_s=st.sampled_from([0.0, 9.0, 31.0]),
)


@given(st.lists(SAID))
def test_changes_add_up_to_what_living_hubs_follow(said: list[Said]) -> None:
    book = DemandBook("oanda")
    followed: set[Topic] = set()
    heard: dict[str, tuple[float, set[Topic]]] = {}
    now_s = 0.0

    for item in said:
        now_s += item.after_s
        ours = {topic for topic in item.followed if topic.broker == "oanda"}
        heard[item.hub] = now_s, ours
        for change in (
            book.take(Demand(item.hub, item.followed), now_s),
            book.expire(now_s),
        ):
            assert not followed & set(change.added)
            assert followed >= set(change.removed)
            followed = followed - set(change.removed) | set(change.added)

        living = [topics for at_s, topics in heard.values() if now_s - at_s < 30.0]
        assert followed == set(book.topics) == set().union(*living)
