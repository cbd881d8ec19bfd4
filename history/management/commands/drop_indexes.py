"""`manage.py drop_indexes`: take the configured indexes of ticks away for a load."""

from typing import Any

from history.management.index_lines import index_lines
from history.tick_indexes import drop_indexes, select_indexes
from marketdata.commands import UsageCommand, failing_with_the_database


class Command(UsageCommand):
    """Drops what `recreate_indexes` makes again."""

    help = (
        "Drop the indexes of ticks that TICK_INDEXES names. recreate_indexes makes "
        "them again; the key stays, and so does what no setting names."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Drop them and list what is left."""
        with failing_with_the_database():
            dropped, left = drop_indexes(), select_indexes()
        for name in dropped:
            self.stdout.write(f"dropped {name}")
        if not dropped:
            self.stdout.write("nothing to drop")
        self.stdout.write("\n".join(index_lines(left)))
