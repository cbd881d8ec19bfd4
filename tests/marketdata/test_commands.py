import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.marketdata.server_process import ROOT


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "x"],
        ["run_feed"],
        ["run_feeds", "--x"],
        ["load_instruments", "--x"],
        ["refresh_candles", "--bogus"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_64(arguments):
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr.startswith("usage: manage.py " + arguments[0])
    assert f"manage.py {arguments[0]}: error: " in done.stderr


def test_wrong_usage_from_code_raises():
    with pytest.raises(CommandError, match="unrecognized arguments: --x") as raised:
        call_command("load_instruments", "--x")

    assert raised.value.returncode == 64
