"""`manage.py ensure_admin`: the user `admin`, with the password in ADMIN_PASSWORD."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = (
        "Create the superuser `admin` if there is none; ADMIN_PASSWORD is its password."
    )

    def handle(self, *args: object, **options: object) -> None:
        if not settings.ADMIN_PASSWORD:
            raise CommandError("expected a password in ADMIN_PASSWORD, found none")
        users = get_user_model().objects
        if users.filter(username="admin").exists():
            self.stdout.write("user admin exists; its password was not changed")
        else:
            users.create_superuser("admin", password=settings.ADMIN_PASSWORD)
            self.stdout.write("user admin created")
