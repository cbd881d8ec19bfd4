"""`manage.py recreate_indexes`: make the configured indexes of ticks complete."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from history.management.index_lines import index_lines
from history.tick_indexes import recreate_indexes, select_indexes, select_lacking
from marketdata.commands import UsageCommand, failing_with_the_database


class Command(UsageCommand):
    """Makes what is configured and not there, or not there for every chunk."""

    help = (
        "Make the indexes of ticks that TICK_INDEXES names and that are missing, not "
        "valid, or not on every chunk; then ANALYZE. Safe to run at any time, also "
        "after a run that was killed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument(
            "--only-missing",
            action="store_true",
            help="Do nothing, and no ANALYZE, if all are complete: for every start.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make them, list all, and fail if one is not complete."""
        with failing_with_the_database():
            if options["only_missing"] and not select_lacking():
                return
            made, states = recreate_indexes(), select_indexes()
        for name in made:
            self.stdout.write(f"made {name}")
        if not made:
            self.stdout.write("nothing to make")
        self.stdout.write("\n".join(index_lines(states)))
        broken = [
            state.name
            for state in states
            if (state.is_configured or state.is_key) and not state.is_complete
        ]
        if broken:
            raise CommandError(f"expected complete indexes, found {', '.join(broken)}")
