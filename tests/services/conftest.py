"""Fixtures of the services' tests; none of them touches the clone's own services."""

import pytest

from services import ports

SETTINGS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SERVICES_DIR",
    "SERVICES_PG_PORT",
    "SERVICES_REDIS_PORT",
)


@pytest.fixture
def unused_port():
    """A port on 127.0.0.1 that nothing listens on."""
    return ports.find_free()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Hide the caller's services; whatever forgets its folder gets an empty one."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SERVICES_DIR", str(tmp_path / "no-services"))
