"""Runs a feed in turns: while the lease is this process's, until told to stop."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from brokers.exceptions import LeaseLost
from brokers.lease import Lease
from brokers.run_together import unless

# Runs the feed under an epoch until the event is set; True if nothing was left behind.
Turn = Callable[[int, asyncio.Event], Awaitable[bool]]

log = structlog.get_logger(__name__)


async def take_turns(lease: Lease, turn: Turn, stop: asyncio.Event) -> bool:
    """Run a turn whenever the lease is ours; hand it over at ``stop``.

    Returns what the last turn did, True if there was none.
    """
    while True:
        epoch = await unless(stop, lease.acquire())
        if epoch is None:
            # The last look may have got it, too late for us to know.
            await lease.release()
            return True
        over = asyncio.Event()
        watch = asyncio.create_task(_end_with(over, lease, stop), name="lease")
        try:
            is_complete = await turn(epoch, over)
        except BaseException:
            # Whoever stands by shall not wait for a feed that failed.
            await lease.release()
            raise
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        if stop.is_set():
            await lease.release()
            return is_complete


async def _end_with(over: asyncio.Event, lease: Lease, stop: asyncio.Event) -> None:
    """Set ``over`` when the lease is lost, or at ``stop``; renew it until cancelled."""
    ending = asyncio.create_task(pass_on(stop, over))
    try:
        await lease.keep()
    except LeaseLost as exc:
        log.warning("feed ends its turn", broker=exc.broker, error=str(exc))
        over.set()
    finally:
        ending.cancel()


async def pass_on(source: asyncio.Event, target: asyncio.Event) -> None:
    """Set the target when the source is set."""
    await source.wait()
    target.set()
