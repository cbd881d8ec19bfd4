import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata import connection_limits
from marketdata.addresses import ClientAddress
from marketdata.clients import Client, Plan
from marketdata.connection_limits import Caps, ConnectionLimits
from marketdata.exceptions import TooManyConnections

HOME = ClientAddress("203.0.113.7")
OTHER = ClientAddress("203.0.113.8")
LOCAL = ClientAddress("127.0.0.1", is_loopback=True)
NOBODY = Client()
DESK = Client("key:desk", Plan(name="pro", connections=2))
TRADER = Client("key:trader", Plan(connections=1))


def test_enter_counts_and_leave_counts_back():
    limits = ConnectionLimits(Caps())
    places = [limits.enter(HOME, DESK), limits.enter(OTHER, NOBODY)]

    assert limits.total == 2
    assert limits.by_address == {HOME.key: 1, OTHER.key: 1}
    assert limits.by_client == {DESK.id: 1}

    for place in places:
        place.leave()
        place.leave()

    assert limits.total == 0
    assert list(limits.by_address) == list(limits.by_client) == []


def test_enter_over_the_total_is_refused():
    limits = ConnectionLimits(Caps(total=2))
    first = limits.enter(HOME, NOBODY)
    limits.enter(LOCAL, NOBODY)

    with pytest.raises(TooManyConnections, match="most 2 connections of this server"):
        limits.enter(OTHER, NOBODY)
    first.leave()

    limits.enter(OTHER, NOBODY)


def test_enter_over_the_limit_of_an_address_is_refused():
    limits = ConnectionLimits(Caps(per_address=2))
    limits.enter(HOME, NOBODY)
    limits.enter(HOME, DESK)

    with pytest.raises(TooManyConnections, match="at most 2 connections of one addr"):
        limits.enter(HOME, NOBODY)

    limits.enter(OTHER, NOBODY)
    assert limits.total == 3


def test_enter_from_this_machine_has_no_limit_of_an_address_unless_configured():
    free = ConnectionLimits(Caps(per_address=1))
    bound = ConnectionLimits(Caps(per_address=1, limits_loopback=True))
    for limits in (free, bound):
        limits.enter(LOCAL, NOBODY)

    free.enter(LOCAL, NOBODY)
    with pytest.raises(TooManyConnections):
        bound.enter(LOCAL, NOBODY)


def test_enter_over_the_limit_of_a_plan_is_refused():
    limits = ConnectionLimits(Caps())
    limits.enter(HOME, DESK)
    limits.enter(OTHER, DESK)

    with pytest.raises(TooManyConnections, match="at most 2 connections by plan 'pro'"):
        limits.enter(LOCAL, DESK)

    assert limits.total == 2
    assert limits.by_address == {HOME.key: 1, OTHER.key: 1}


def test_enter_of_anonymous_clients_is_bound_by_their_address_alone():
    limits = ConnectionLimits(Caps())
    client = Client("", Plan(connections=1))

    for _ in range(100):
        limits.enter(HOME, client)


def test_limits_of_0_are_none():
    limits = ConnectionLimits(Caps(total=0, per_address=0, attempts_per_s=0))
    client = Client("key:x", Plan(connections=0))

    for _ in range(300):
        assert limits.admits(HOME, 0.0)
        limits.enter(HOME, client)


def test_move_to_counts_for_the_other_client():
    limits = ConnectionLimits(Caps())
    place = limits.enter(HOME, NOBODY)

    place.move_to(DESK)
    place.move_to(DESK)
    assert limits.by_client == {DESK.id: 1}
    place.move_to(TRADER)
    assert limits.by_client == {TRADER.id: 1}
    place.move_to(NOBODY)

    assert not limits.by_client
    assert limits.total == 1


def test_move_to_a_client_that_has_enough_changes_nothing():
    limits = ConnectionLimits(Caps())
    limits.enter(HOME, TRADER)
    place = limits.enter(HOME, DESK)

    with pytest.raises(TooManyConnections, match="by plan 'anonymous'"):
        place.move_to(TRADER)
    assert limits.by_client == {DESK.id: 1, TRADER.id: 1}
    place.leave()

    assert limits.by_client == {TRADER.id: 1}


def test_move_to_after_leave_counts_nothing():
    limits = ConnectionLimits(Caps())
    place = limits.enter(HOME, NOBODY)
    place.leave()

    place.move_to(DESK)

    assert not limits.by_client


def test_admits_a_burst_and_then_its_rate():
    limits = ConnectionLimits(Caps())

    assert sum(limits.admits(HOME, 0.0) for _ in range(200)) == 100
    assert sum(limits.admits(HOME, 1.0) for _ in range(200)) == 20
    assert limits.admits(OTHER, 1.0)


def test_admits_all_of_this_machine_unless_configured():
    free = ConnectionLimits(Caps())
    bound = ConnectionLimits(Caps(limits_loopback=True))

    assert sum(free.admits(LOCAL, 0.0) for _ in range(5000)) == 5000
    assert sum(bound.admits(LOCAL, 0.0) for _ in range(5000)) == 100


def test_admits_remembers_a_bounded_number_of_addresses(monkeypatch):
    monkeypatch.setattr(connection_limits, "MAX_ADDRESSES", 3)
    limits = ConnectionLimits(Caps(attempts_per_s=1, attempt_burst=1))
    a, b, c, d = (ClientAddress(name) for name in "abcd")

    assert [limits.admits(x, 0.0) for x in (a, b, c, a, d)] == [True] * 3 + [
        False,
        True,
    ]
    # `b` was seen longest ago.
    assert [limits.admits(x, 0.0) for x in (a, d, b)] == [False, False, True]


steps = st.lists(
    st.tuples(
        st.sampled_from(["enter", "move", "leave"]),
        st.sampled_from([HOME, OTHER, LOCAL]),
        st.sampled_from([NOBODY, DESK, TRADER]),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(steps)
def test_counts_are_those_of_the_places_that_are_taken(steps):
    limits = ConnectionLimits(Caps(total=6, per_address=3))
    taken = []
    for action, address, client, number in steps:
        try:
            if action == "enter":
                place = limits.enter(address, client)
                taken.append([place, address, client])
            elif action == "move" and taken:
                item = taken[number % len(taken)]
                item[0].move_to(client)
                item[2] = client
            elif action == "leave" and taken:
                taken.pop(number % len(taken))[0].leave()
        except TooManyConnections:
            pass

        assert limits.total == len(taken) <= 6
        for key in {HOME.key, OTHER.key}:
            own = [item for item in taken if item[1].key == key]
            assert limits.by_address[key] == len(own) <= 3
        for one in (DESK, TRADER):
            own = [item for item in taken if item[2].id == one.id]
            assert limits.by_client[one.id] == len(own) <= one.plan.connections
