"""`manage.py drop_indexes`: take the configured indexes of ticks away for a load."""

from typing import Any

from history.management.index_lines import index_dicts, index_lines
from history.tick_indexes import drop_indexes, select_indexes
from marketdata.commands import UsageCommand


class Command(UsageCommand):
    """Drops what `recreate_indexes` makes again."""

    help = (
        "Drop the indexes of ticks that TICK_INDEXES names. recreate_indexes makes "
        "them again; the key stays, and so does what no setting names."
    )

    epilog = """\
Waits for its locks for up to a minute, and lets readers pass meanwhile. Exit codes:
0 done, 1 failed (long transactions keep an index locked), 64 wrong usage, 130 stopped
by Ctrl-C.

examples:
  manage.py drop_indexes
  TICK_INDEXES=time,brin manage.py drop_indexes --json
"""
    has_result = True
    when_stopped = "each index is there or gone; recreate_indexes makes all again"

    def handle(self, *args: Any, **options: Any) -> None:
        """Drop them and list what is left."""
        dropped, left = drop_indexes(), select_indexes()
        lines = [f"dropped {name}" for name in dropped] or ["nothing to drop"]
        result = {"dropped": dropped, "indexes": index_dicts(left)}
        self.print_result(options, result, [*lines, *index_lines(left)])
