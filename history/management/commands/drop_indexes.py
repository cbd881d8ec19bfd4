"""`manage.py drop_indexes`: take the configured indexes of ticks away for a load."""

from typing import Any

from django.core.management.base import BaseCommand

from history.management.index_lines import index_lines
from history.tick_indexes import drop_indexes, select_indexes


class Command(BaseCommand):
    """Drops what `recreate_indexes` makes again."""

    help = (
        "Drop the indexes of ticks that TICK_INDEXES names. recreate_indexes makes "
        "them again; the key stays, and so does what no setting names."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Drop them and list what is left."""
        dropped = drop_indexes()
        for name in dropped:
            self.stdout.write(f"dropped {name}")
        if not dropped:
            self.stdout.write("nothing to drop")
        self.stdout.write("\n".join(index_lines(select_indexes())))
