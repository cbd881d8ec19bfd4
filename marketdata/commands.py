"""What all commands share: exit codes, help with examples, a database that fails."""

from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
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

EXIT_USAGE = 64  # EX_USAGE of sysexits.h; argparse's own 2 means holes in imports


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of arguments, and the examples as they are written."""


class UsageCommand(BaseCommand):
    """A command that exits with 64 for wrong usage.

    Its help ends with ``epilog``, as that is written.
    """

    epilog = ""

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

        def error(message: str) -> NoReturn:
            if self._called_from_command_line:
                usage = f"{parser.format_usage()}{parser.prog}: error: {message}\n"
                parser.exit(EXIT_USAGE, usage)
            raise CommandError(f"Error: {message}", returncode=EXIT_USAGE)

        parser.error = error
        return parser


@contextmanager
def failing_with_the_database() -> Iterator[None]:
    """End the command with a line and exit code 1 where the database fails.

    Raises:
        CommandError: it did, or a setting for it is wrong.
    """
    try:
        yield
    except DatabaseError as exc:
        raise CommandError(f"the database failed: {exc}") from exc
    except ImproperlyConfigured as exc:
        raise CommandError(str(exc)) from exc
