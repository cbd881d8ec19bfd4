from history.answer_cache import AnswerCache, KeptAnswer


def kept(size: int) -> KeptAnswer:
    return KeptAnswer(b"x" * size)


def test_get_returns_what_was_put():
    cache = AnswerCache(100)
    answer = KeptAnswer(b"[1]", "next")

    cache.put('"a"', answer)

    assert cache.get('"a"') is answer
    assert cache.get('"b"') is None


def test_put_drops_what_was_used_longest_ago():
    cache = AnswerCache(100)
    for number in range(10):
        cache.put(str(number), kept(10))
    cache.get("0")

    cache.put("10", kept(10))

    assert cache.size == 100
    assert cache.get("0") is not None
    assert cache.get("1") is None


def test_put_refuses_what_takes_a_tenth_of_the_room():
    cache = AnswerCache(100)

    cache.put("a", kept(11))

    assert (cache.get("a"), cache.size) == (None, 0)


def test_put_twice_counts_once():
    cache = AnswerCache(100)

    cache.put("a", kept(10))
    cache.put("a", kept(10))

    assert cache.size == 10


def test_cache_without_room_keeps_nothing():
    cache = AnswerCache(0)

    cache.put("a", kept(2))

    assert cache.get("a") is None
