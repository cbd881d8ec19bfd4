"""What the sessions of a process share: a hub per event loop, and a fresh catalog."""

import asyncio
import contextlib
from collections.abc import Callable
from weakref import WeakKeyDictionary

import msgspec
import structlog

from marketdata.catalog import Catalog
from marketdata.dialects import Dialect, ServerFacts
from marketdata.hub import Hub
from marketdata.membership import GroupLayer

CATALOG_TIMEOUT_S = 5.0  # a client waits so long for the first catalog, then has none

log = structlog.get_logger(__name__)


class Options(msgspec.Struct, frozen=True):
    """Settings of the live side, and what speaks on which path."""

    facts: ServerFacts
    dialect_of: Callable[[str], Dialect]
    allowed_origins: tuple[str, ...]
    grace_s: float
    catalog_refresh_s: float


class Runtime:
    """Makes the hub of a loop at its first use; servers need not tell when they start.

    ``load_catalog`` blocks and is called in a thread.
    """

    def __init__(
        self, layer: GroupLayer, load_catalog: Callable[[], Catalog], options: Options
    ) -> None:
        self.options = options
        self._layer = layer
        self._load_catalog = load_catalog
        self._live: WeakKeyDictionary[asyncio.AbstractEventLoop, _LiveHub] = (
            WeakKeyDictionary()
        )

    async def hub(self) -> Hub:
        """Return the running loop's hub, once its first catalog has been loaded."""
        loop = asyncio.get_running_loop()
        live = self._live.get(loop)
        if live is None:
            hub = Hub(self._layer, Catalog([], []), grace_s=self.options.grace_s)
            live = self._live[loop] = _LiveHub(hub, self._load_catalog)
            live.start(self.options.catalog_refresh_s)
        if not live.has_loaded.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(live.has_loaded.wait(), CATALOG_TIMEOUT_S)
        return live.hub

    async def close(self) -> None:
        """Stop the running loop's hub, if it has one."""
        live = self._live.pop(asyncio.get_running_loop(), None)
        if live is not None:
            await live.close()


class _LiveHub:
    """A hub and the task that keeps its catalog fresh."""

    def __init__(self, hub: Hub, load_catalog: Callable[[], Catalog]) -> None:
        self.hub = hub
        self.has_loaded = asyncio.Event()
        self._load_catalog = load_catalog
        self._task: asyncio.Task[None] | None = None

    def start(self, refresh_s: float) -> None:
        self._task = asyncio.create_task(self._refresh(refresh_s), name="catalog")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.hub.close()

    async def _refresh(self, refresh_s: float) -> None:
        while True:
            try:
                self.hub.set_catalog(await asyncio.to_thread(self._load_catalog))
            except Exception as exc:  # whatever the loader met, the old one serves on
                log.warning("cannot load the catalog", error=repr(exc))
            self.has_loaded.set()
            await asyncio.sleep(refresh_s)
