import asyncio

import pytest

from brokers.run_together import run_together


async def test_run_together_first_to_end_ends_all() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    await run_together(asyncio.sleep(0), wait())

    assert ended == ["waiting"]


async def test_run_together_raises_the_error_itself() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_together(asyncio.sleep(60), fail())


async def test_run_together_cancelled_cancels_all() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(run_together(wait()))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
