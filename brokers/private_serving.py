"""Serves a broker's private feeds beside whatever else its feed process does."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog
from channels.layers import get_channel_layer

from brokers.connection import Timing
from brokers.private_service import LoadInstruments, PrivateOptions, PrivateService
from brokers.registry import adapter_of

log = structlog.get_logger(__name__)


async def serve_beside(
    main: Coroutine[Any, Any, bool],
    broker: str,
    settings: Any,
    *,
    load_instruments: LoadInstruments,
    timing: Timing,
) -> bool:
    """Return what ``main`` returns; private feeds are served while it runs.

    A broker without private feeds says so to who asks. ``settings`` are Django's.
    """
    build = adapter_of(broker).build_private
    service = PrivateService(
        broker,
        partial(build, settings) if build else None,
        (get_channel_layer(), get_channel_layer("control")),
        load_instruments,
        PrivateOptions(timing, settings.DEMAND_EXPIRY_S, settings.PRIVATE_FEEDS_MAX),
    )
    task = asyncio.create_task(_serve(service), name="private feeds")
    try:
        return await main
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _serve(service: PrivateService) -> None:
    while True:
        try:
            await service.run()
        except Exception as exc:  # the public feed goes on; no traceback, as ever here
            log.error("private feeds failed", error=type(exc).__name__)
        await asyncio.sleep(1.0)
