"""`manage.py ensure_admin`: the user `admin`, at first with ADMIN_PASSWORD."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from marketdata.commands import UsageCommand


class Command(UsageCommand):
    help = (
        "Create the superuser `admin` if there is none; ADMIN_PASSWORD is its password."
    )
    epilog = """\
A user `admin` that is there keeps its password. --json does not show the password.
Exit codes: 0 there is one, 1 failed, 64 wrong usage, 130 stopped by Ctrl-C.

examples:
  ADMIN_PASSWORD=... manage.py ensure_admin
  ADMIN_PASSWORD=... manage.py ensure_admin --json
"""
    has_result = True

    def handle(self, *args: Any, **options: Any) -> None:
        password = settings.ADMIN_PASSWORD
        if not password:
            raise CommandError("expected a password in ADMIN_PASSWORD, found none")
        users = get_user_model().objects
        user = users.filter(username="admin").first()
        is_new = user is None
        if user is None:
            user = users.create_superuser("admin", password=password)
        is_its_password = user.check_password(password)
        line = (
            f"user admin, password {password}"
            if is_its_password
            else "user admin has another password than ADMIN_PASSWORD; "
            "`manage.py changepassword admin` sets one"
        )
        result = {
            "username": "admin",
            "is_new": is_new,
            "has_admin_password": is_its_password,
        }
        self.print_result(options, result, [line])
