"""`manage.py serve`: the web process, or several that share a port."""

import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

import uvloop
from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import CommandError

from marketdata.commands import UsageCommand
from marketdata.server import LiveServer, tcp_endpoint
from marketdata.shared_port import SharedPort
from marketdata.web_processes import LISTENING, WebProcesses

MAX_PORT = 65_535


class Command(UsageCommand):
    help = "Serve WebSocket clients and HTTP. SIGTERM ends it cleanly, twice at once."
    epilog = """\
Settings are read from the environment, from .env and from the configuration file; the
defaults of host and port are HOST and PORT. LOG_FORMAT=json gives the log as JSON.
Exit codes: 0 stopped by SIGTERM or Ctrl-C, with clients told to come back; 1 failed
(the port is taken), 64 wrong usage, 130 stopped by Ctrl-C before it served, and at
once by the second one.

examples:
  manage.py serve
  manage.py serve --host 0.0.0.0 --port 8080 --processes 4
  manage.py serve --only ws --port 8081
"""
    when_stopped = "it did not serve yet"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument(
            "--port",
            type=_port,
            default=settings.PORT,
            help="0 for any that is free (default: PORT)",
        )
        parser.add_argument(
            "--processes",
            type=_count,
            default=1,
            metavar="N",
            help="share the port among so many; one that dies is started again",
        )
        parser.add_argument(
            "--only",
            choices=("ws", "http"),
            help="refuse the other; with ws, health checks are answered still",
        )
        parser.add_argument(
            "--fd", type=int, help="a bound TCP socket that was inherited, for --port"
        )
        parser.add_argument(
            "--stop-on-end-of-input",
            action="store_true",
            help="stop too when standard input is closed (--processes holds it open)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["processes"] > 1 and options["fd"] is None:
            self._serve_by_processes(options)
        else:
            self._serve(options)

    def _serve(self, options: dict[str, Any]) -> None:
        application = get_default_application()
        if options["only"]:
            application = application.only(options["only"])
        server = LiveServer(
            application, endpoints=[tcp_endpoint(options["host"], options["port"])]
        )
        server.on_listening = self._announce
        server.stops_at_end_of_input = options["stop_on_end_of_input"]
        if options["fd"] is not None:
            server.adopt(_inherited(options["fd"]))
        server.run()
        if server.has_failed:
            raise CommandError(f"cannot listen on port {options['port']} (PORT)")

    def _serve_by_processes(self, options: dict[str, Any]) -> None:
        try:
            port = SharedPort(options["host"], options["port"])
        except OSError as exc:
            raise CommandError(
                f"cannot listen on port {options['port']} (PORT): {exc}"
            ) from exc
        if not uvloop.run(self._supervise(port, options["processes"])):
            raise CommandError("not all web processes ended as they should")

    async def _supervise(self, port: SharedPort, count: int) -> bool:
        processes = WebProcesses(
            [sys.executable, *sys.orig_argv[1:], "--stop-on-end-of-input", "--fd"],
            port,
            count,
            on_listening=lambda: self._announce(port.host, port.number),
        )
        return await processes.run()

    def _announce(self, host: str, port: int) -> None:
        host = f"[{host}]" if ":" in host else host
        self.stdout.write(f"{LISTENING} ws://{host}:{port}/")
        self.stdout.flush()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected 1 or more processes, found {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise ArgumentTypeError(f"expected a port up to {MAX_PORT}, found {text!r}")
    return int(text)


def _inherited(fd: int) -> socket.socket:
    try:
        return socket.socket(fileno=fd)
    except OSError as exc:
        raise CommandError(f"cannot listen on fd {fd}: {exc}") from exc
