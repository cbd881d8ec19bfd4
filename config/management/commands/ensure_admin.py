"""`manage.py ensure_admin`: the user `admin`, at first with ADMIN_PASSWORD."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from marketdata.commands import UsageCommand


class Command(UsageCommand):
    help = (
        "Create the superuser `admin` if there is none; ADMIN_PASSWORD is its password."
    )

    def handle(self, *args: object, **options: object) -> None:
        if not settings.ADMIN_PASSWORD:
            raise CommandError("expected a password in ADMIN_PASSWORD, found none")
        users = get_user_model().objects
        user = users.filter(username="admin").first()
        if user is None:
            user = users.create_superuser("admin", password=settings.ADMIN_PASSWORD)
        if user.check_password(settings.ADMIN_PASSWORD):
            self.stdout.write(f"user admin, password {settings.ADMIN_PASSWORD}")
        else:
            self.stdout.write(
                "user admin has another password than ADMIN_PASSWORD; "
                "`manage.py changepassword admin` sets one"
            )
