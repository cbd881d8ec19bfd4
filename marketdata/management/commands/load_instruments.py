"""`manage.py load_instruments`: what a new installation starts with."""

from marketdata.account_store import ensure_plans
from marketdata.commands import UsageCommand
from marketdata.instruments import load_instruments


class Command(UsageCommand):
    help = (
        "Add the bundled instruments and brokers and the plan `anonymous` where they "
        "are missing; change nothing."
    )

    def handle(self, *args: object, **options: object) -> None:
        ensure_plans()
        added = load_instruments()
        self.stdout.write(f"{added} instruments added")
