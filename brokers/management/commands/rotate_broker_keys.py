"""`manage.py rotate_broker_keys`: encrypt stored accounts with the newest key."""

from typing import Any

from django.core.management.base import CommandError

from brokers.account_store import rotate_keys
from brokers.exceptions import InvalidFeedSetting
from marketdata.commands import EXIT_USAGE, UsageCommand, failing_with_the_database


class Command(UsageCommand):
    help = "Encrypt stored broker accounts anew with the first key of BROKER_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with failing_with_the_database():
                rotated, unreadable = rotate_keys()
        except InvalidFeedSetting as exc:
            raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
        self.stdout.write(f"{rotated} accounts encrypted with the first key")
        if unreadable:
            names = ", ".join(unreadable)
            raise CommandError(f"no key reads the accounts of {names}: enter them anew")
