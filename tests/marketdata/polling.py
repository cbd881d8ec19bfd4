"""Waiting for what happens in another task or process, with a deadline."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], object], *, timeout_s: float = 5.0) -> None:
    """Return as soon as the condition holds; fail the test after the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not true within {timeout_s} s"
        await asyncio.sleep(0.005)
