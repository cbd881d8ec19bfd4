"""Each start of a feed takes an epoch higher than any before it."""

from datetime import UTC, datetime

from django.db import transaction

from brokers.models import Feed
from marketdata.numbering import next_epoch


@transaction.atomic
def claim_epoch(broker: str, now_s: float) -> int:
    """Return a new epoch for the broker's publisher and remember it.

    Blocks; two processes that claim at once get different epochs.

    Raises:
        django.db.Error: nothing was claimed. The clock alone then gives an epoch that
            is higher than all before, unless the clock was set back.
        django.db.IntegrityError: there is no such broker.
    """
    Feed.objects.get_or_create(broker_id=broker)
    feed = Feed.objects.select_for_update().get(broker_id=broker)
    feed.epoch = next_epoch(feed.epoch, now_s)
    feed.claimed = datetime.fromtimestamp(now_s, UTC)
    feed.save()
    return feed.epoch
