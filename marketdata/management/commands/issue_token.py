"""`manage.py issue_token`: a JWT for a client."""

import time
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandError

from marketdata.account_store import DatabaseStore
from marketdata.commands import UsageCommand
from marketdata.tokens import Claims, JwtKeys, issue_jwt

_DAY_S = 86_400


class Command(UsageCommand):
    help = "Print a JWT signed with JWT_SECRET (HS256)."
    epilog = """\
Standard output is the token alone, or with --json {"token", "sub", "plan", "exp"};
`exp` is in seconds since the epoch. Nothing is stored: a token is good until it
expires, or until JWT_SECRET changes. Exit codes: 0 done, 1 failed (no JWT_SECRET),
64 wrong usage (an unknown plan), 130 stopped by Ctrl-C.

examples:
  manage.py issue_token desk-7 --plan anonymous
  manage.py issue_token desk-7 --plan anonymous --days 0.5 --json
"""
    has_result = True
    when_stopped = "no token was issued"

    def add_arguments(self, parser: ArgumentParser) -> None:
        self._parser = parser
        parser.add_argument("sub", help="who has it; limits count by this name")
        parser.add_argument("--plan", required=True, help="name of a plan of the admin")
        parser.add_argument("--days", type=float, default=30.0, help="default 30")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.JWT_SECRET:
            raise CommandError(
                "expected a secret in JWT_SECRET, found none; tokens for "
                "JWT_PUBLIC_KEY are issued by whoever has its private key"
            )
        try:
            JwtKeys(settings.JWT_SECRET)
        except ValueError as exc:
            raise CommandError(str(exc)) from exc
        self._check_plan(options["plan"])
        claims = self._claims(options)
        token = issue_jwt(claims, settings.JWT_SECRET)
        result = {
            "token": token,
            "sub": claims.sub,
            "plan": claims.plan,
            "exp": claims.exp,
        }
        self.print_result(options, result, [token])

    def _check_plan(self, name: str) -> None:
        # None: this server has no database, and its plans are the defaults.
        plans = DatabaseStore().select_plans()
        if plans is not None and name not in plans:
            known = ", ".join(plans)
            self._parser.error(f"expected a plan of {known}, found {name!r}")

    def _claims(self, options: dict[str, Any]) -> Claims:
        days = options["days"]
        if not days > 0:
            self._parser.error(f"--days: expected more than 0, found {days:g}")
        wanted = {
            "sub": options["sub"],
            "plan": options["plan"],
            "exp": time.time() + days * _DAY_S,
        }
        try:
            return msgspec.convert(wanted, Claims)
        except msgspec.ValidationError as exc:
            self._parser.error(str(exc))
