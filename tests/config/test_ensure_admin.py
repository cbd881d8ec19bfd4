from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command


def run() -> str:
    out = StringIO()
    call_command("ensure_admin", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_ensure_admin_creates_a_superuser_and_prints_the_login(settings) -> None:
    settings.ADMIN_PASSWORD = "correct horse"

    assert run() == run() == "user admin, password correct horse\n"

    assert get_user_model().objects.get(username="admin").is_superuser


@pytest.mark.django_db
def test_ensure_admin_never_changes_nor_misstates_a_password(settings) -> None:
    settings.ADMIN_PASSWORD = "first"
    run()
    settings.ADMIN_PASSWORD = "second"

    assert "another password" in run()

    assert get_user_model().objects.get(username="admin").check_password("first")


@pytest.mark.django_db
def test_ensure_admin_without_a_password_says_so(settings) -> None:
    settings.ADMIN_PASSWORD = ""

    with pytest.raises(CommandError, match="ADMIN_PASSWORD"):
        run()
