"""Redis's configuration; its processes: test_instances.py."""

from pathlib import Path

from services import redis


def test_config_text_is_loopback_with_password_and_no_persistence():
    lines = redis.config_text(6380, "secret", Path('/srv/my "x"')).splitlines()

    assert "bind 127.0.0.1" in lines
    assert "port 6380" in lines
    assert "requirepass secret" in lines
    assert 'save ""' in lines
    assert "appendonly no" in lines
    assert 'dir "/srv/my \\"x\\""' in lines


def test_ping_nobody_listens_is_false(unused_port):
    assert redis.ping(unused_port, "secret") is False
