from marketdata.ttl_cache import TtlCache


def test_get_returns_a_value_until_its_end():
    cache = TtlCache(kept_s=30, max_items=10)
    cache.put("a", 1, 100.0)

    assert cache.get("a", 129.9) == 1
    assert cache.get("a", 130.0) is None
    assert cache.get("b", 100.0) is None


def test_put_again_keeps_it_longer():
    cache = TtlCache(kept_s=30, max_items=10)
    cache.put("a", 1, 100.0)
    cache.put("a", 2, 120.0)

    assert cache.get("a", 149.0) == 2
    assert len(cache) == 1


def test_put_into_a_full_cache_drops_the_oldest():
    cache = TtlCache(kept_s=30, max_items=2)
    for at_s, key in enumerate("abac"):
        cache.put(key, key, at_s)

    assert [cache.get(key, 4.0) for key in "abc"] == ["a", None, "c"]
    assert len(cache) == 2
