import tracemalloc

import pytest

from history.answer_cache import ENTRY_BYTES, AnswerCache, KeptAnswer
from history.etags import make_etag

ENTRY = ENTRY_BYTES + 10
ROOM = 10 * ENTRY


def kept(size: int) -> KeptAnswer:
    return KeptAnswer(b"x" * size)


def test_get_returns_what_was_put():
    cache = AnswerCache(ROOM)
    answer = KeptAnswer(b"[1]", "next")

    cache.put('"a"', answer)

    assert cache.get('"a"') is answer
    assert cache.get('"b"') is None


def test_put_drops_what_was_used_longest_ago():
    cache = AnswerCache(ROOM)
    for number in range(10):
        cache.put(str(number), kept(10))
    cache.get("0")

    cache.put("10", kept(10))

    assert cache.size == ROOM
    assert cache.get("0") is not None
    assert cache.get("1") is None


def test_put_refuses_what_takes_a_tenth_of_the_room():
    cache = AnswerCache(ROOM)

    cache.put("a", kept(11))

    assert (cache.get("a"), cache.size) == (None, 0)


def test_put_twice_counts_once():
    cache = AnswerCache(ROOM)

    cache.put("a", kept(10))
    cache.put("a", kept(10))

    assert cache.size == ENTRY


def test_cache_without_room_keeps_nothing():
    cache = AnswerCache(0)

    cache.put("a", kept(2))

    assert cache.get("a") is None


@pytest.mark.parametrize("cursor", ["", "x" * 24])
def test_full_cache_of_small_answers_keeps_within_its_memory(cursor):
    tracemalloc.start()
    cache = AnswerCache(2**20)

    for number in range(2**20 // ENTRY_BYTES):
        text = f"{cursor}{number}" if cursor else ""
        cache.put(make_etag(number), KeptAnswer(bytes(95), text))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 2**19 < peak <= 2**20
