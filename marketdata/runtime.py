"""What the sessions of a process share: a hub per event loop, and a fresh catalog."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import structlog

from marketdata.admission import Admission
from marketdata.catalog import Catalog
from marketdata.connections import connections
from marketdata.dialects import Dialect, ServerFacts
from marketdata.feed_states import FEED_SILENT_S
from marketdata.hub import Hub, HubSettings
from marketdata.own_metrics import Source
from marketdata.past import NoStore, Past
from marketdata.private_feeds import Layer, PrivateFeeds
from marketdata.ring import MAX_BYTES
from marketdata.web_answers import WebAnswers
from marketdata.web_metrics import hub_metrics

CATALOG_TIMEOUT_S = 5.0  # a client waits so long for the first catalog, then has none

log = structlog.get_logger(__name__)


class Options(msgspec.Struct, frozen=True):
    """Settings of the live side, and what speaks on which path."""

    facts: ServerFacts
    dialect_of: Callable[[str], Dialect]
    admission: Admission
    grace_s: float
    catalog_refresh_s: float
    auth_timeout_s: float = 10.0
    max_malformed: int = 100
    feed_silent_s: float = FEED_SILENT_S
    ring_bytes: int = MAX_BYTES
    statistics_s: float = 60.0  # 0: no such lines in the log
    owner_key: bytes = b""  # names the owners of private feeds

    @property
    def hub(self) -> HubSettings:
        """What of this is a hub's."""
        return HubSettings(self.grace_s, self.feed_silent_s, self.ring_bytes)


class Runtime:
    """Makes the hub of a loop at its first use; servers need not tell when they start.

    ``load_catalog`` blocks and is called in a thread; ``make_past`` is called once per
    loop. ``control`` is the layer of
    control messages, None if ``layer`` carries them, too.
    """

    def __init__(
        self,
        layer: Layer,
        load_catalog: Callable[[], Catalog],
        options: Options,
        *,
        make_past: Callable[[], Past] = lambda: Past(NoStore()),
        control: Layer | None = None,
    ) -> None:
        self.options = options
        self._layer = layer
        self._control = layer if control is None else control
        self._load_catalog = load_catalog
        self._make_past = make_past
        self._live: WeakKeyDictionary[asyncio.AbstractEventLoop, _LiveHub] = (
            WeakKeyDictionary()
        )

    async def hub(self) -> Hub:
        """Return the running loop's hub, once its first catalog has been loaded."""
        loop = asyncio.get_running_loop()
        live = self._live.get(loop)
        if live is None:
            hub = Hub(
                self._layer,
                Catalog([], []),
                control=self._control,
                settings=self.options.hub,
            )
            answers = self._answers(partial(hub_metrics, hub))
            past = self._make_past()
            private = PrivateFeeds(self._control, self.options.owner_key)
            live = _LiveHub(hub, past, private, self._load_catalog)
            live.add("answers", answers.run())
            self._live[loop] = live
            live.start(self.options)
        if not live.has_loaded.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(live.has_loaded.wait(), CATALOG_TIMEOUT_S)
        return live.hub

    async def answer_only(self) -> None:
        """Answer questions to all processes, in one that serves no WebSockets."""
        self._ear = asyncio.create_task(self._answers().run(), name="answers")

    def _answers(self, *sources: Source) -> WebAnswers:
        return WebAnswers(
            self.options.facts.server, self._control, connections, *sources
        )

    def past(self) -> Past:
        """Return the stored records of the running loop, which has a hub."""
        return self._live[asyncio.get_running_loop()].past

    def private(self) -> PrivateFeeds:
        """Return the private feeds of the running loop, which has a hub."""
        return self._live[asyncio.get_running_loop()].private

    async def close(self) -> None:
        """Stop the running loop's hub, if it has one."""
        live = self._live.pop(asyncio.get_running_loop(), None)
        if live is not None:
            await live.close()


class _LiveHub:
    """A hub, and tasks that keep its catalog fresh and log what it did."""

    def __init__(
        self,
        hub: Hub,
        past: Past,
        private: PrivateFeeds,
        load_catalog: Callable[[], Catalog],
    ) -> None:
        self.hub = hub
        self.past = past
        self.private = private
        self.has_loaded = asyncio.Event()
        self._load_catalog = load_catalog
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, options: Options) -> None:
        self.add("catalog", self._refresh(options.catalog_refresh_s))
        if options.statistics_s > 0:
            report = self._report(options.facts.server, options.statistics_s)
            self.add("statistics", report)

    def add(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do it until ``close``."""
        self._tasks.append(asyncio.create_task(work, name=name))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.private.close()
        await self.hub.close()

    async def _refresh(self, refresh_s: float) -> None:
        while True:
            try:
                self.hub.set_catalog(await asyncio.to_thread(self._load_catalog))
            except Exception as exc:  # whatever the loader met, the old one serves on
                log.warning("cannot load the catalog", error=repr(exc))
            self.has_loaded.set()
            await asyncio.sleep(refresh_s)

    async def _report(self, server: str, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            log.info(
                "statistics",
                server=server,
                connections=connections.clients,
                connections_total=connections.total,
                subscriptions=connections.subscriptions,
                sent=connections.sent,
                received=connections.received,
                uptime_s=round(connections.uptime_s),
            )
