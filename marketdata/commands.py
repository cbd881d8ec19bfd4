"""What all commands share: exit codes, help with examples, --json, Ctrl-C."""

import json
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)
from django.db import Error as DatabaseError
from django.db import connection
from psycopg.errors import UndefinedColumn, UndefinedTable

EXIT_USAGE = 64  # EX_USAGE of sysexits.h; argparse's own 2 means holes in imports
EXIT_INTERRUPTED = 130  # 128 and SIGINT's number, as shells have it


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of arguments, and the examples as they are written."""


class UsageCommand(BaseCommand):
    """A command that exits with 64 for wrong usage, 130 after Ctrl-C, 1 if it failed.

    Its help ends with ``epilog``, as that is written. ``has_result`` gives it --json;
    what it found or did is printed by ``print_result`` then. ``when_stopped`` is told
    after Ctrl-C: what became of the work.
    """

    epilog = ""
    has_result = False
    when_stopped = "nothing was changed"
    requires_system_checks = ()  # they load the web side: 0.3 s, no use here

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        """Return the parser, with the epilog and our exit code for wrong usage."""
        parser = super().create_parser(
            prog_name,
            subcommand,
            epilog=self.epilog,
            formatter_class=_HelpFormatter,
            **kwargs,
        )
        if self.has_result:
            parser.add_argument(
                "--json", action="store_true", help="Print the result as one JSON line."
            )

        def error(message: str) -> NoReturn:
            if self._called_from_command_line:
                usage = f"{parser.format_usage()}{parser.prog}: error: {message}\n"
                parser.exit(EXIT_USAGE, usage)
            raise CommandError(f"Error: {message}", returncode=EXIT_USAGE)

        parser.error = error
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; a failing database and Ctrl-C end it with one line.

        Raises:
            CommandError: one of them did; ``returncode`` is the exit code.
        """
        try:
            with failing_with_the_database():
                return super().execute(*args, **options)
        except KeyboardInterrupt as exc:
            text = f"stopped; {self.when_stopped}"
            raise CommandError(text, returncode=EXIT_INTERRUPTED) from exc

    def print_result(
        self,
        options: Mapping[str, Any],
        result: Mapping[str, Any],
        lines: Iterable[str],
    ) -> None:
        """Print ``result`` as a line of JSON if that was asked for, else the lines."""
        for line in [json.dumps(result)] if options["json"] else lines:
            self.stdout.write(line)


@contextmanager
def failing_with_the_database() -> Iterator[None]:
    """End the command with a line and exit code 1 where the database fails.

    Raises:
        CommandError: it did, or a setting for it is wrong.
    """
    try:
        yield
    except DatabaseError as exc:
        raise CommandError(f"the database failed: {_reason(exc)}") from exc
    except ImproperlyConfigured as exc:
        has_none = connection.settings_dict["ENGINE"] == "django.db.backends.dummy"
        text = "expected an address in DATABASE_URL, found none"
        raise CommandError(text if has_none else str(exc)) from exc


def _reason(exc: DatabaseError) -> str:
    text = str(exc).strip()
    if isinstance(exc.__cause__, UndefinedTable | UndefinedColumn):
        return f"{text.splitlines()[0]}; `manage.py migrate` makes what is missing"
    return text
