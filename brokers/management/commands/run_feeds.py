"""`manage.py run_feeds`: a process per enabled broker, started again when it ends."""

import sys
from collections.abc import Iterable
from typing import Any

import structlog
import uvloop
from django.conf import settings

from brokers.feed_processes import run_processes
from brokers.registry import adapter_names, private_names
from brokers.stopping import stop_on_signals
from marketdata.commands import UsageCommand

log = structlog.get_logger(__name__)


class Command(UsageCommand):
    help = "Run `run_feed` for every broker that is enabled or has private feeds."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        uvloop.run(_run(settings.BROKERS_ENABLED))


async def _run(enabled: Iterable[str]) -> None:
    stop = stop_on_signals()
    commands = {}
    for name in enabled:
        if name in adapter_names():
            commands[name] = _argv(name)
        else:
            log.warning("enabled broker has no feed yet", broker=name)
    for name in private_names():
        if name not in commands:
            commands[name] = [*_argv(name), "--private-only"]
    if not commands:
        log.warning("no feed to run", enabled=list(enabled))
    await run_processes(commands, stop)


def _argv(broker: str) -> list[str]:
    return [sys.executable, sys.argv[0], "run_feed", broker, "--stop-on-end-of-input"]
