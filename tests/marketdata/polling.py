"""Waiting for what happens in another task or process, with a deadline."""

import asyncio
import time
from collections.abc import Callable

# So long a busy machine may keep a process from running: a limit that a test holds our
# code to has to be this much longer.
STALL_S = 5.0


async def until(condition: Callable[[], object], *, timeout_s: float = 60.0) -> None:
    """Return as soon as the condition holds; fail the test after the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not true within {timeout_s} s"
        await asyncio.sleep(0.005)
