"""`manage.py create_api_key`: a key for a client, shown this once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from marketdata.account_store import make_api_key
from marketdata.commands import UsageCommand
from marketdata.models import ApiKey, ClientPlan


class Command(UsageCommand):
    help = "Make an API key and print it; nobody can find it out again."
    epilog = """\
Standard output is the key alone, or with --json {"key", "name", "plan", "expires"};
`expires` is ISO 8601, or null for never. Exit codes: 0 done, 1 failed (the name is
taken), 64 wrong usage (an unknown plan), 130 stopped by Ctrl-C.

examples:
  manage.py create_api_key desk --plan anonymous
  manage.py create_api_key "a partner" --plan anonymous --days 90 --json
"""
    has_result = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        self._parser = parser
        parser.add_argument("name", help="who has it")
        parser.add_argument("--plan", required=True, help="name of a plan of the admin")
        parser.add_argument("--days", type=int, help="until it expires; else never")

    def handle(self, *args: Any, **options: Any) -> None:
        plan = ClientPlan.objects.filter(name=options["plan"]).first()
        if plan is None:
            known = ", ".join(ClientPlan.objects.values_list("name", flat=True))
            self._parser.error(f"expected a plan of {known}, found {options['plan']!r}")
        days = options["days"]
        if days is not None and days < 1:
            self._parser.error(f"--days: expected 1 or more, found {days}")
        expires = timezone.now() + timedelta(days=days) if days else None
        prefix, hashed_key, key = make_api_key()
        row = ApiKey(
            name=options["name"],
            plan=plan,
            prefix=prefix,
            hashed_key=hashed_key,
            expires=expires,
        )
        try:
            row.full_clean()
        except ValidationError as exc:
            raise CommandError("; ".join(exc.messages)) from exc
        row.save()
        result = {
            "key": key,
            "name": row.name,
            "plan": plan.name,
            "expires": expires and expires.isoformat(),
        }
        self.print_result(options, result, [key])
        self.stderr.write("This is the key; it is not stored and not shown again.")
