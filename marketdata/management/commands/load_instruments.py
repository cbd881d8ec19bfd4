"""`manage.py load_instruments`: what a new installation starts with."""

from typing import Any

from marketdata.account_store import ensure_plans
from marketdata.commands import UsageCommand
from marketdata.instruments import load_instruments


class Command(UsageCommand):
    help = (
        "Add the bundled instruments and brokers and the plan `anonymous` where they "
        "are missing; change nothing."
    )
    epilog = """\
Safe to run at every start; instruments are added all together or not at all.
Exit codes: 0 done, 1 failed, 64 wrong usage, 130 stopped by Ctrl-C.

examples:
  manage.py load_instruments
  manage.py load_instruments --json
"""
    has_result = True
    when_stopped = "run it again"

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_plans()
        added = load_instruments()
        self.print_result(options, {"added": added}, [f"{added} instruments added"])
