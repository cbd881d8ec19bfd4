"""Command line: python3 -m services up | down | status | env | venv | page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys

from . import page, venv
from .command_line import Parser, stopped_cleanly
from .errors import ServicesError
from .instances import Status, down, environment, status, up

EPILOG = """\
Exit codes: 0 done (status: all is up), 1 failed (status: not all is up), 64 wrong
usage, 130 stopped by Ctrl-C (run it again: what is there is not made twice).

settings (environment):
  DATABASE_URL, REDIS_URL, SERVICES=private, SERVICES_DIR, SERVICES_CACHE,
  SERVICES_PG_PORT, SERVICES_REDIS_PORT

examples:
  python3 -m services up
  python3 -m services status --json
  eval "$(python3 -m services env)"
  python3 -m services down --purge
  python3 -m services venv --dev
  python3 -m services page --types
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="services: %(message)s")
    try:
        return stopped_cleanly(lambda: run_command(options), "services")
    except ServicesError as exc:
        print(f"services: error ({exc.code}): {exc}", file=sys.stderr)
    except OSError as exc:
        print(f"services: error (system_error): {exc}", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser; settings and examples are in its epilogue."""
    result = Parser(
        prog="python3 -m services",
        description="A private TimescaleDB and Redis for this clone.",
        epilog=EPILOG,
    )
    commands = result.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start what does not run yet")
    stop = commands.add_parser("down", help="stop both")
    stop.add_argument("--purge", action="store_true", help="remove the data too")
    tell = commands.add_parser("status", help="one line per service; 0 if all is up")
    tell.add_argument("--json", action="store_true", help="one JSON list on a line")
    commands.add_parser("env", help="print export lines for a shell")
    make = commands.add_parser("venv", help="make .venv from the lock file")
    make.add_argument("--dev", action="store_true", help="with development tools")
    fetch = commands.add_parser("page", help="fetch the chart library of the page")
    fetch.add_argument(
        "--types",
        action="store_true",
        help="fetch tsc and check its modules' types",
    )
    return result


def run_command(options: argparse.Namespace) -> int:
    if options.command == "up":
        print_up()
    elif options.command == "down":
        names = down(purge=options.purge)
        print(f"stopped: {', '.join(names) or 'nothing ran'}")
    elif options.command == "status":
        lines = status()
        if options.json:
            print(json.dumps([dataclasses.asdict(line) for line in lines], default=str))
        else:
            print("\n".join(map(format_status, lines)))
        return 0 if all(line.word != "stopped" for line in lines) else 1
    elif options.command == "env":
        print(environment().render(), end="")
    elif options.command == "page" and options.types:
        return page.check_types()
    elif options.command == "page":
        print("fetched" if page.ensure_page() else "already there")
    elif venv.ensure_venv(dev=options.dev):
        print("installed .venv")
    return 0


def print_up() -> None:
    started = up().started
    print(f"started: {', '.join(started) or 'nothing, all is up'}")
    print("\n".join(map(format_status, status())))


def format_status(line: Status) -> str:
    """Return a line of columns; '-' for what is not known."""
    facts = (line.port, line.folder, line.version)
    columns = [line.name, line.word, *("-" if fact is None else fact for fact in facts)]
    return "  ".join(map(str, columns))


if __name__ == "__main__":
    sys.exit(main())
