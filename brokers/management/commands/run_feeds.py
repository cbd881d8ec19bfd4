"""`manage.py run_feeds`: a process per enabled broker, started again when it ends."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import django.db
import structlog
import uvloop
from asgiref.sync import sync_to_async
from django.conf import settings

from brokers.feed_processes import run_processes
from brokers.registry import adapter_names, private_names
from brokers.stopping import stop_on_signals
from marketdata.catalog_store import load_enabled_brokers
from marketdata.commands import UsageCommand

# What is switched in the admin takes effect within 10 s, a slow database included.
MAX_LOOK_S = 5.0

log = structlog.get_logger(__name__)


class Command(UsageCommand):
    help = "Run `run_feed` for every broker that is enabled or has private feeds."
    epilog = """\
Which brokers those are is set in the admin, and before its first look at the database
by BROKERS_ENABLED. A feed that ends is started again; a change is seen within 10 s.
LOG_FORMAT=json gives the log as JSON. Exit codes: 0 stopped by SIGTERM or Ctrl-C, with
all feeds stopped first; 64 wrong usage, 130 stopped by Ctrl-C before it began.

examples:
  manage.py run_feeds
  BROKERS_ENABLED=simulated,binance manage.py run_feeds
"""
    when_stopped = "it did not begin yet"

    def handle(self, *args: Any, **options: Any) -> None:
        uvloop.run(_run())


async def _run() -> None:
    choice = _Choice(settings.BROKERS_ENABLED)
    look_s = min(MAX_LOOK_S, settings.CATALOG_REFRESH_S)
    await run_processes(choice.commands, stop_on_signals(), look_s=look_s)


class _Choice:
    """The feeds that are to run; what was known last while the database is away."""

    def __init__(self, configured: Sequence[str]) -> None:
        self._enabled: Sequence[str] = configured
        self._is_away = False
        self._told: Sequence[str] = ()

    async def commands(self) -> Mapping[str, Sequence[str]]:
        """Ask which brokers are enabled, and return the commands of their feeds."""
        try:
            self._enabled = await sync_to_async(load_enabled_brokers)()
            self._is_away = False
        except django.db.Error as exc:
            if not self._is_away:
                error = str(exc).strip()
                log.warning("enabled brokers cannot be looked up", error=error)
            self._is_away = True
        known = [name for name in self._enabled if name in adapter_names()]
        if self._enabled != self._told:
            self._tell(known)
        commands = {name: _argv(name) for name in known}
        for name in private_names() if settings.PRIVATE_FEEDS_MAX else ():
            commands.setdefault(name, [*_argv(name), "--private-only"])
        return commands

    def _tell(self, known: Sequence[str]) -> None:
        self._told = self._enabled
        for name in self._enabled:
            if name not in known:
                log.warning("enabled broker has no feed yet", broker=name)
        if not known:
            log.warning("no feed to run", enabled=list(self._enabled))


def _argv(broker: str) -> list[str]:
    return [sys.executable, sys.argv[0], "run_feed", broker, "--stop-on-end-of-input"]
