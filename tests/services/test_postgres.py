"""PostgreSQL's configuration and socket path; its processes: test_instances.py."""

from pathlib import Path

from services import postgres
from services.paths import Layout


def layout(home: str) -> Layout:
    return Layout(Path(home), Path(home), Path("/cache"), None)


def test_config_text_holds_what_the_project_relies_on():
    lines = postgres.config_text(5433, "/run/o'hara").splitlines()

    assert "listen_addresses = '127.0.0.1'" in lines
    assert "port = 5433" in lines
    assert "unix_socket_directories = '/run/o''hara'" in lines
    assert "shared_preload_libraries = 'timescaledb'" in lines
    assert "timescaledb.telemetry_level = off" in lines
    assert "max_locks_per_transaction = 512" in lines
    assert "timezone = 'UTC'" in lines


def test_socket_folder_short_path_is_beside_the_data():
    assert postgres.socket_folder(layout("/srv/x")) == "/srv/x/postgres"


def test_socket_folder_path_over_the_limit_is_none():
    assert postgres.socket_folder(layout("/srv/" + "x" * 90)) == ""


def test_initdb_options_builtin_provider_only_from_17_on():
    assert "--locale-provider=builtin" in postgres.initdb_options(17)
    assert "--locale-provider=builtin" not in postgres.initdb_options(16)
