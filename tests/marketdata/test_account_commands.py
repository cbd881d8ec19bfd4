import os
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from marketdata.account_store import DatabaseStore
from marketdata.credentials import hash_api_key, is_api_key
from marketdata.models import ApiKey, ClientPlan
from marketdata.tokens import JwtKeys, verify_jwt
from tests.marketdata.server_process import ROOT, test_database_url

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s" * 32


@pytest.fixture
def plan():
    """A plan beside the one that a new installation has."""
    ClientPlan.objects.create(name="anonymous")
    return ClientPlan.objects.create(name="pro")


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refusal(*arguments: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as raised:
        call_command(*arguments)
    return str(raised.value), raised.value.returncode


def test_create_api_key_prints_the_key_alone(plan):
    out, err = run("create_api_key", "desk", "--plan", "pro")

    key = out.removesuffix("\n")
    row = ApiKey.objects.get()
    assert is_api_key(key)
    assert (row.name, row.plan, row.expires) == ("desk", plan, None)
    assert hash_api_key(key) in DatabaseStore().select_api_keys([row.hashed_key])
    assert err == "This is the key; it is not stored and not shown again.\n"


def test_create_api_key_for_some_days(plan):
    run("create_api_key", "desk", "--plan", "pro", "--days", "30")

    left = ApiKey.objects.get().expires - timezone.now()
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


def test_create_api_key_of_an_unknown_plan_names_the_plans(plan):
    text, code = refusal("create_api_key", "desk", "--plan", "gold")

    assert text == "Error: expected a plan of anonymous, pro, found 'gold'"
    assert code == 64
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1"])
def test_create_api_key_for_no_days_is_wrong_usage(plan, days):
    text, code = refusal("create_api_key", "desk", "--plan", "pro", f"--days={days}")

    assert (text, code) == (f"Error: --days: expected 1 or more, found {days}", 64)


def test_create_api_key_of_a_name_that_is_taken_fails(plan):
    run("create_api_key", "desk", "--plan", "pro")

    text, code = refusal("create_api_key", "desk", "--plan", "pro")

    assert (text, code) == ("API key with this Name already exists.", 1)


def test_issue_token_prints_one_that_is_taken(plan, settings):
    settings.JWT_SECRET = SECRET

    out, _ = run("issue_token", "desk-7", "--plan", "pro", "--days", "2")

    claims = verify_jwt(out.strip(), JwtKeys(SECRET), time.time())
    assert (claims.sub, claims.plan) == ("desk-7", "pro")
    assert abs(claims.exp - time.time() - 2 * 86_400) < 60


def test_issue_token_without_a_secret_fails(plan, settings):
    settings.JWT_SECRET = ""

    text, code = refusal("issue_token", "desk-7", "--plan", "pro")

    assert text.startswith("expected a secret in JWT_SECRET, found none; tokens for")
    assert code == 1


def test_issue_token_with_a_short_secret_fails(plan, settings):
    settings.JWT_SECRET = "short"

    text, code = refusal("issue_token", "desk-7", "--plan", "pro")

    assert (text, code) == ("JWT_SECRET: expected 32 bytes or more, found 5", 1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["x", "--plan", "gold"], "expected a plan of anonymous, pro, found 'gold'"),
        (["x", "--plan", "pro", "--days=0"], "--days: expected more than 0, found 0"),
        (["x", "--plan", "pro", "--days=nan"], "--days: expected more than 0, found n"),
        (["x", "--plan", "pro", "--days=inf"], "Expected `float` < 253402300800.0"),
        (["", "--plan", "pro"], "Expected `str` of length >= 1 - at `$.sub`"),
    ],
    ids=str,
)
def test_issue_token_of_wrong_values_is_wrong_usage(plan, settings, arguments, text):
    settings.JWT_SECRET = SECRET

    message, code = refusal("issue_token", *arguments)

    assert message.startswith(f"Error: {text}")
    assert code == 64


def test_issue_token_without_a_database_takes_any_plan(settings):
    settings.JWT_SECRET = SECRET
    settings.DATABASE_URL = ""

    out, _ = run("issue_token", "desk-7", "--plan", "gold")

    assert verify_jwt(out.strip(), JwtKeys(SECRET), time.time()).plan == "gold"


def test_load_instruments_adds_the_plan_of_clients_without_a_key():
    run("load_instruments")
    ClientPlan.objects.update(subscriptions=7)
    run("load_instruments")

    assert ClientPlan.objects.get(name="anonymous").subscriptions == 7


def test_commands_of_a_shell_exit_with_their_codes(plan):
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "DATABASE_URL": test_database_url(), "JWT_SECRET": ""},
        )  # fmt: skip

    made = command("create_api_key", "desk", "--plan", "pro")
    wrong = command("create_api_key", "desk", "--plan", "gold")
    unable = command("issue_token", "desk", "--plan", "pro")

    assert (made.returncode, is_api_key(made.stdout.strip())) == (0, True)
    assert wrong.returncode == 64
    assert "error: expected a plan of anonymous, pro, found 'gold'" in wrong.stderr
    assert (unable.returncode, unable.stdout) == (1, "")
    assert unable.stderr.startswith("CommandError: expected a secret in JWT_SECRET")
