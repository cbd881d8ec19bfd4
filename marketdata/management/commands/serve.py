"""`manage.py serve`: the web process."""

from argparse import ArgumentParser
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import CommandError

from marketdata.commands import UsageCommand
from marketdata.server import LiveServer


class Command(UsageCommand):
    help = "Serve WebSocket clients and HTTP. SIGTERM ends it cleanly, twice at once."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument(
            "--port", type=int, default=settings.PORT, help="0 for any that is free"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        server = LiveServer(
            get_default_application(),
            host=options["host"],
            port=options["port"],
            ping_interval_s=settings.HEARTBEAT_S,
        )
        server.on_listening = self._announce
        server.run()
        if server.has_failed:
            raise CommandError(f"cannot listen on port {options['port']} (PORT)")

    def _announce(self, host: str, port: int) -> None:
        self.stdout.write(f"listening on ws://{host}:{port}/")
        self.stdout.flush()
