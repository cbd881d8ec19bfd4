"""`manage.py load_instruments`: the instruments a new installation starts with."""

from marketdata.commands import UsageCommand
from marketdata.instruments import load_instruments


class Command(UsageCommand):
    help = "Add the bundled instruments and brokers that are missing; change nothing."

    def handle(self, *args: object, **options: object) -> None:
        added = load_instruments()
        self.stdout.write(f"{added} instruments added")
