"""Where one broker's feed puts its records, made as the settings say."""

from pathlib import Path

import structlog
from channels.layers import get_channel_layer
from django.conf import settings

from brokers.bucket_store import BucketStore
from brokers.feed import Feed
from brokers.feed_answers import FeedAnswers
from brokers.gap_closing import GapCloser
from brokers.gap_file import GapFile
from brokers.gap_keeping import GapKeeper
from brokers.gap_store import FeedGapStore
from brokers.gap_watch import GapWatch
from brokers.hub_link import HubLink, Layers
from brokers.lease import Lease
from brokers.live_topics import LiveOptions, LiveTopics
from brokers.runner import Outputs
from brokers.state_watch import StateWatch
from history.journal import Journal
from history.recorder import Recorder
from marketdata.publisher import Publisher

log = structlog.get_logger(__name__)


def feed_outputs(
    feed: Feed, epoch: int, recorder: Recorder | None, lease: Lease | None
) -> Outputs:
    """Return the outputs of a turn; without recorder and lease nothing is stored."""
    publisher = Publisher(
        get_channel_layer(),
        epoch,
        stored_numbers=recorder.stored_numbers if recorder else {},
        before_send=recorder.write_block if recorder else lambda: None,
    )
    live = LiveTopics(
        publisher,
        BucketStore(feed.broker, recorder) if recorder else None,
        LiveOptions(
            grace_s=settings.CANDLE_GRACE_S,
            revision_s=settings.CANDLE_REFRESH_S,
            is_simulated=feed.is_simulated,
        ),
    )
    hubs = hub_link(feed, publisher, live)
    store = FeedGapStore(feed.broker, lease.guard()) if recorder and lease else None
    keeper = None
    if store and recorder and lease:
        file = GapFile(Path(settings.JOURNAL_DIR, feed.broker), epoch)
        keeper = GapKeeper(feed.broker, store, lost=recorder.lost, file=file)
        keeper.on_superseded = lease.give_up
    gaps = GapWatch(feed.broker, publisher, get_channel_layer(), store, keeper)
    return Outputs(
        publisher,
        recorder,
        derived=live,
        hubs=hubs,
        gaps=gaps,
        states=StateWatch(store) if store else None,
        closer=GapCloser(feed.broker, store) if store else None,
        answers=feed_answers(feed),
    )


def feed_answers(feed: Feed) -> FeedAnswers:
    """Return what answers questions to all processes."""
    return FeedAnswers(feed.broker, get_channel_layer("control"))


def hub_link(
    feed: Feed, publisher: Publisher, computed: LiveTopics | None = None
) -> HubLink:
    """Return what talks with the hubs of the feed's clients."""
    return HubLink(
        feed.broker,
        publisher,
        Layers(get_channel_layer(), get_channel_layer("control")),
        computed=computed,
        expiry_s=settings.DEMAND_EXPIRY_S,
    )


def lease_recorder(lease: Lease) -> Recorder:
    """Return what stores for the lease's current turn."""
    recorder = Recorder(
        flush_s=settings.RECORDER_FLUSH_S,
        flush_rows=settings.RECORDER_FLUSH_ROWS,
        max_rows=settings.RECORDER_MAX_ROWS,
        guard=lease.guard(),
        journal=_journal(lease.broker, lease.epoch),
    )
    recorder.on_superseded = lease.give_up
    return recorder


def _journal(broker: str, epoch: int) -> Journal | None:
    folder = Path(settings.JOURNAL_DIR, broker)
    try:
        return Journal(folder, epoch, max_bytes=settings.JOURNAL_MAX_BYTES)
    except OSError as exc:
        log.error("no journal: what a killed process held is lost", error=str(exc))
        return None
