"""Running several coroutines as one."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

Found = TypeVar("Found")


async def run_together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until the first one ends, cancel the others, and raise its error if any.

    Unlike a TaskGroup this raises the error itself, and one that returns ends all.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def unless(stop: asyncio.Event, coroutine: Awaitable[Found]) -> Found | None:
    """Return what the coroutine does; None, and it is cancelled, once ``stop`` is set.

    What it has done by then is returned.
    """
    task = asyncio.ensure_future(coroutine)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
