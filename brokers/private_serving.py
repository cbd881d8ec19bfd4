"""Serves a broker's private feeds beside whatever else its feed process does."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import structlog
from channels.layers import get_channel_layer

from brokers.connection import Timing
from brokers.lease import Lease
from brokers.lease_store import Leased, LeaseStore, process_name
from brokers.lease_turns import pass_on, take_turns
from brokers.private_service import LoadInstruments, PrivateOptions, PrivateService
from brokers.registry import adapter_of
from brokers.run_together import unless
from marketdata.numbering import next_epoch

# To close connections and to give up the lease.
STOP_TIMEOUT_S = 3.0
RESTART_S = 1.0

log = structlog.get_logger(__name__)


async def serve_beside(
    main: Coroutine[Any, Any, bool],
    broker: str,
    settings: Any,
    *,
    stop: asyncio.Event,
    load_instruments: LoadInstruments,
    timing: Timing,
) -> bool:
    """Return what ``main`` returns; private feeds are served while it runs.

    And not longer than until ``stop``, so that both may end together. Of all processes
    of the broker one serves, by a lease of their own; without a database this one does.
    A broker without private feeds says so to who asks. ``settings`` are Django's.
    """
    build = adapter_of(broker).build_private

    async def serve(epoch: int, over: asyncio.Event) -> bool:
        service = PrivateService(
            broker,
            partial(build, settings) if build else None,
            (get_channel_layer(), get_channel_layer("control")),
            load_instruments,
            PrivateOptions(
                timing,
                epoch,
                settings.DEMAND_EXPIRY_S,
                settings.PRIVATE_FEEDS_MAX,
            ),
        )
        await unless(over, service.run())
        return True

    async def take_part(over: asyncio.Event) -> None:
        if build is None or not settings.DATABASE_URL:
            await serve(next_epoch(0, time.time()), over)
            return
        store = LeaseStore(broker, process_name(), Leased.PRIVATE_FEEDS)
        lease = Lease(store, expiry_s=settings.LEASE_EXPIRY_S, name="private service")
        await take_turns(lease, serve, over)

    over = asyncio.Event()
    private = asyncio.create_task(_keep_on(take_part, over), name="private feeds")
    passing = asyncio.create_task(pass_on(stop, over))
    try:
        return await main
    finally:
        over.set()
        passing.cancel()
        await asyncio.wait({private}, timeout=STOP_TIMEOUT_S)
        private.cancel()
        await asyncio.gather(private, return_exceptions=True)


async def _keep_on(
    take_part: Callable[[asyncio.Event], Awaitable[None]], over: asyncio.Event
) -> None:
    while not over.is_set():
        try:
            await take_part(over)
        except Exception as exc:  # the public feed goes on; no traceback, as ever here
            log.error("private feeds failed", error=type(exc).__name__)
            await unless(over, asyncio.sleep(RESTART_S))
