"""What all commands share: the exit code of wrong usage."""

from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

EXIT_USAGE = 64  # EX_USAGE of sysexits.h; argparse's own 2 means holes in imports


class UsageCommand(BaseCommand):
    """A command that exits with 64 for wrong usage."""

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        """Return the parser, with our exit code for wrong usage."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)

        def error(message: str) -> NoReturn:
            if self._called_from_command_line:
                usage = f"{parser.format_usage()}{parser.prog}: error: {message}\n"
                parser.exit(EXIT_USAGE, usage)
            raise CommandError(f"Error: {message}", returncode=EXIT_USAGE)

        parser.error = error
        return parser
