"""`manage.py rotate_broker_keys`: encrypt stored accounts with the newest key."""

from typing import Any

from django.core.management.base import CommandError

from brokers.account_store import rotate_keys
from brokers.exceptions import InvalidFeedSetting
from marketdata.commands import EXIT_USAGE, UsageCommand


class Command(UsageCommand):
    help = "Encrypt stored broker accounts anew with the first key of BROKER_KEYS."
    epilog = """\
Put the new key in front of BROKER_KEYS, restart, run this, and take the old ones away.
All accounts are one transaction. Exit codes: 0 done, 1 failed, or no key reads some
accounts (they are named and stay as they are), 64 BROKER_KEYS has something that is no
key, 130 stopped by Ctrl-C.

examples:
  manage.py rotate_broker_keys
  manage.py rotate_broker_keys --json
"""
    has_result = True

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rotated, unreadable = rotate_keys()
        except InvalidFeedSetting as exc:
            raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
        result = {"rotated": rotated, "unreadable": unreadable}
        line = f"{rotated} accounts encrypted with the first key"
        self.print_result(options, result, [line])
        if unreadable:
            names = ", ".join(unreadable)
            raise CommandError(f"no key reads the accounts of {names}: enter them anew")
