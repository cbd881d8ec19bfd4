"""`manage.py run_feed <broker>`: one broker's feed, until it is told to stop."""

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog
import uvloop
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from brokers.account_store import usable_credentials
from brokers.account_watch import Account, account_watched
from brokers.binance.feed import BinanceFeed
from brokers.carried import load_carried
from brokers.connection import Timing, timing_of
from brokers.exceptions import (
    InvalidCredentials,
    InvalidFeedSetting,
    UnknownAdapter,
)
from brokers.feed_outputs import feed_answers, feed_outputs, hub_link, lease_recorder
from brokers.last_stored import last_ticks
from brokers.lease import Lease
from brokers.lease_store import LeaseStore, process_name
from brokers.lease_turns import take_turns
from brokers.missed_trade_fetching import fetch_missed
from brokers.private_serving import serve_beside
from brokers.redis.epochs import claim_epoch_on_redis
from brokers.redis.feed import MAX_DELAY_S, PING_S, RedisFeed
from brokers.redis.messages import BROKER as REDIS
from brokers.registry import build_feed, private_names
from brokers.replay.feed import ReplayFeed
from brokers.run_together import unless
from brokers.runner import FeedRunner, Outputs
from brokers.stopping import signal_at_end_of_input, stop_on_signals
from marketdata.broker_credentials import Credentials
from marketdata.commands import EXIT_USAGE, UsageCommand
from marketdata.numbering import next_epoch
from marketdata.publisher import Publisher
from marketdata.redis_pipe import redis_client

STOP_DEADLINE_S = 10

log = structlog.get_logger(__name__)


class Command(UsageCommand):
    help = "Publish and store what one broker sends, until SIGTERM or Ctrl-C."
    epilog = """\
One process feeds, others of the same broker stand by. The name is one of Feeds in
docs/brokers.md, with credentials from the environment or from the admin. Stopped, it
stores what it has read first, for up to 10 s; a second Ctrl-C ends it at once.
LOG_FORMAT=json gives the log as JSON. Exit codes: 0 stopped, 1 something was left
unsent or unstored, 64 wrong usage (an unknown broker, credentials that cannot be),
130 stopped by Ctrl-C before it began.

examples:
  manage.py run_feed simulated
  manage.py run_feed binance
  manage.py run_feed oanda --private-only
"""
    when_stopped = "it did not begin yet"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("broker", help="also one that is not enabled")
        parser.add_argument(
            "--stop-on-end-of-input",
            action="store_true",
            help="stop too when standard input is closed (run_feeds holds it open)",
        )
        parser.add_argument(
            "--private-only",
            action="store_true",
            help="serve feeds with clients' own credentials, and no other",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["broker"].lower()
        if options["private_only"]:
            _serve_private_only(name, watches_input=options["stop_on_end_of_input"])
            return
        try:
            build_feed(name, settings, _readable(usable_credentials(name)))
        except (UnknownAdapter, InvalidFeedSetting, InvalidCredentials) as exc:
            raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
        watches_input = options["stop_on_end_of_input"]
        if not uvloop.run(_run(name, watches_input=watches_input)):
            sys.exit(1)


async def _run(name: str, *, watches_input: bool) -> bool:
    stop = stop_on_signals(deadline_s=STOP_DEADLINE_S)
    if watches_input:
        signal_at_end_of_input()
    if name == REDIS:
        feed = build_feed(name, settings)
        assert isinstance(feed, RedisFeed)
        return await (await _redis_runner(feed, timing_of(settings))).run(stop)
    if not settings.DATABASE_URL:
        log.warning("DATABASE_URL is not set: nothing is stored")
        return await _turn(name, next_epoch(0, time.time()), None, stop)
    store = LeaseStore(name, process_name())
    lease = Lease(store, expiry_s=settings.LEASE_EXPIRY_S)
    return await take_turns(
        lease, lambda epoch, over: _turn(name, epoch, lease, over), stop
    )


def _readable(account: Account) -> Credentials | None:
    return account if isinstance(account, Credentials) else None


async def _turn(
    name: str, epoch: int, lease: Lease | None, over: asyncio.Event
) -> bool:
    """Run the feed until ``over``; False if something was left unsent or unstored."""
    account = await sync_to_async(usable_credentials)(name)
    feed = build_feed(name, settings, _readable(account))
    recorder, lasts = None, None
    if lease is not None and not isinstance(feed, ReplayFeed):
        recorder = lease_recorder(lease)
        await unless(over, recorder.replay())
        lasts = await unless(over, last_ticks(feed.broker))
        if isinstance(feed, BinanceFeed):
            await unless(over, fetch_missed(feed, recorder))
    runner = FeedRunner(
        feed,
        feed_outputs(feed, epoch, recorder, lease),
        load_instruments=load_carried(feed.broker),
        timing=timing_of(settings),
    )
    runner.repeats.expect(lasts or ())
    async with account_watched(account, feed, runner.connection, settings):
        return await _beside_private(name, runner.run(over), over)


def _serve_private_only(broker: str, *, watches_input: bool) -> None:
    if broker not in private_names():
        raise CommandError(f"{broker} has no private feeds", returncode=EXIT_USAGE)

    async def run() -> None:
        stop = stop_on_signals(deadline_s=STOP_DEADLINE_S)
        if watches_input:
            signal_at_end_of_input()
        await _beside_private(broker, _wait(stop), stop)

    uvloop.run(run())


async def _wait(stop: asyncio.Event) -> bool:
    await stop.wait()
    return True


async def _beside_private(
    broker: str, main: Coroutine[Any, Any, bool], stop: asyncio.Event
) -> bool:
    return await serve_beside(
        main,
        broker,
        settings,
        stop=stop,
        load_instruments=load_carried(broker),
        timing=timing_of(settings),
    )


async def _redis_runner(feed: RedisFeed, timing: Timing) -> FeedRunner:
    """Return the runner of a feed that follows what hubs do, and stores nothing."""
    client, key = redis_client(settings.REDIS_URL), f"{settings.CHANNEL_PREFIX}:epoch"
    epoch = await claim_epoch_on_redis(client, key, time.time())
    publisher = Publisher(get_channel_layer(), epoch)
    hubs = hub_link(feed, publisher)
    hubs.on_change = feed.demand
    return FeedRunner(
        feed,
        Outputs(publisher, hubs=hubs, answers=feed_answers(feed)),
        load_instruments=None,
        timing=msgspec.structs.replace(
            timing,
            silence_s=max(timing.silence_s, 2 * PING_S),
            reconnect_min_s=min(timing.reconnect_min_s, MAX_DELAY_S),
            reconnect_max_s=min(timing.reconnect_max_s, MAX_DELAY_S),
        ),
    )
