"""`manage.py doctor` against the real services, as users call it."""

import asyncio
import json
from uuid import uuid4

import pytest

from tests.brokers.processes import manage
from tests.test_live_path import address_of

SETTINGS = {
    "CHANNEL_PREFIX": f"doctor-{uuid4().hex[:8]}",
    "BROKERS_ENABLED": "simulated",
    "ALLOWED_HOSTS": "127.0.0.1",
}


async def doctor(**settings: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code, and the last finding of each thing looked at."""
    async with manage("doctor", "--json", **{**SETTINGS, **settings}) as command:
        code = await command.wait(60)
    (line,) = [text for text in command.log.splitlines() if text.startswith("[")]
    return code, {item["check"]: item for item in json.loads(line)}


@pytest.mark.django_db(transaction=True)
async def test_doctor_of_a_set_up_that_runs_and_of_one_without_processes():
    serve = ("serve", "--host", "127.0.0.1", "--port", "0")
    async with (
        manage(*serve, **SETTINGS) as web,
        manage("run_feed", "simulated", **SETTINGS),
    ):
        await address_of(web)
        well, found = await doctor()
        # It answers before its broker's records arrive.
        async with asyncio.timeout(120):
            while found["feed simulated"]["verdict"] != "ok":
                well, found = await doctor()
    ill, without = await doctor()

    assert found["web processes"]["found"] == "1 running, 0 clients"
    assert {found[name]["verdict"] for name in REACHED} == {"ok"}
    assert found["feed simulated"]["verdict"] == "ok"
    assert [item for item in found.values() if item["verdict"] == "error"] == []
    assert well == 0
    assert without["web processes"]["cure"].startswith("manage.py serve")
    assert without["feed simulated"]["verdict"] == "error"
    assert ill == 1


REACHED = ("database", "timescaledb", "migrations", "redis", "channel layer", "clock")


async def test_doctor_without_services_says_what_is_away_and_how_to_mend_it():
    code, found = await doctor(
        DATABASE_URL="postgres://nobody:not-shown@127.0.0.1:9/none",
        REDIS_URL="redis://:not-shown@127.0.0.1:9/0",
    )

    assert code == 1
    for name in ("database", "redis"):
        assert found[name]["verdict"] == "error"
        assert "python -m services up" in found[name]["cure"]
    assert "not-shown" not in str(found)
    assert "channel layer" not in found
