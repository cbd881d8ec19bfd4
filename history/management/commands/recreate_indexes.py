"""`manage.py recreate_indexes`: make the configured indexes of ticks complete."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from history.index_progress import lacking_watched
from history.management.index_lines import index_dicts, index_lines
from history.tick_indexes import (
    IndexState,
    recreate_indexes,
    select_indexes,
    select_lacking,
)
from marketdata.command_progress import steps_on
from marketdata.commands import UsageCommand


class Command(UsageCommand):
    """Makes what is configured and not there, or not there for every chunk."""

    help = (
        "Make the indexes of ticks that TICK_INDEXES names and that are missing, not "
        "valid, or not on every chunk; then ANALYZE. Safe to run at any time, also "
        "after a run that was killed."
    )

    epilog = """\
Each chunk is a transaction of its own; who writes to it waits while it is built.
Exit codes: 0 all are complete, 1 failed, or one is not complete, 64 wrong usage,
130 stopped by Ctrl-C.

examples:
  manage.py recreate_indexes
  manage.py recreate_indexes --only-missing --json
"""
    has_result = True
    when_stopped = "an index that is not complete is made by the next run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument(
            "--only-missing",
            action="store_true",
            help="Do nothing, and no ANALYZE, if all are complete: for every start.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make them, list all, and fail if one is not complete."""
        is_idle = options["only_missing"] and not select_lacking()
        made = [] if is_idle else self._recreate()
        states = select_indexes()
        lines = [f"made {name}" for name in made] or ["nothing to make"]
        lines = [] if is_idle else [*lines, *index_lines(states)]
        result = {"made": made, "indexes": index_dicts(states)}
        self.print_result(options, result, lines)
        broken = [
            state.name
            for state in states
            if (state.is_configured or state.is_key) and not state.is_complete
        ]
        if broken:
            raise CommandError(f"expected complete indexes, found {', '.join(broken)}")

    def _recreate(self) -> list[str]:
        most = 0
        with steps_on(self.stderr, "chunks") as show:

            def tell(lacking: list[IndexState]) -> None:
                nonlocal most
                left = sum(len(state.gaps) for state in lacking)
                most = max(most, left)
                names = " and ".join(state.name for state in lacking)
                show(names or "statistics", most - left, most)

            with lacking_watched(tell):
                return recreate_indexes()
