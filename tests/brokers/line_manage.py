"""`manage.py`, with the broker of `line_broker` in OANDA's place."""

import os
import sys

from django.core.management import execute_from_command_line

from brokers import registry
from tests.brokers.line_broker import BROKER, PUBLIC, LineFeed, private_line_feed

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    port = int(os.environ["LINE_BROKER_PORT"])
    registry._ADAPTERS[BROKER] = registry.Adapter(
        lambda settings: LineFeed(port, *PUBLIC),
        lambda settings, credentials: private_line_feed(port, credentials.reveal()),
        ("token", "accountId"),
    )
    execute_from_command_line(sys.argv)
