from brokers.former_feeds import MAX_REMEMBERED, REFUSAL_S, FormerFeeds


def test_next_epoch_rises_for_each_owner_alone() -> None:
    feeds = FormerFeeds(100)

    assert [feeds.next_epoch(owner) for owner in "aabac"] == [100, 101, 100, 102, 100]


def test_refusal_is_over_after_its_time() -> None:
    feeds = FormerFeeds(1)
    feeds.note_refusal("a", "unknown", 50.0)

    assert feeds.refusal("a", 50.0 + REFUSAL_S - 0.1) == "unknown"
    assert feeds.refusal("a", 50.0 + REFUSAL_S) is None
    assert feeds.refusal("b", 50.0) is None


def test_oldest_are_forgotten() -> None:
    feeds = FormerFeeds(1)
    for number in range(MAX_REMEMBERED + 1):
        feeds.note_refusal(str(number), "unknown", 0.0)

    assert [feeds.refusal(owner, 1.0) for owner in "01"] == [None, "unknown"]
