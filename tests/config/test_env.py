"""Settings as a process sees them: environment over file over defaults."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def settings_of(tmp_path: Path, yaml: str = "", dotenv: str = "", **env: str) -> dict:
    """Return the upper-case names of config.env in a process of its own."""
    (tmp_path / "config.yaml").write_text(yaml)
    (tmp_path / "env").write_text(dotenv)
    code = (
        "import config.env as e; "
        "print({k: v for k, v in vars(e).items() if k.isupper() and "
        "isinstance(v, (str, int, float, list))})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "CONFIG_FILE": str(tmp_path / "config.yaml"),
            "ENV_FILE": str(tmp_path / "env"),
            **env,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return eval(result.stdout)


def test_defaults_are_safe(tmp_path: Path) -> None:
    values = settings_of(tmp_path)

    assert values["SECRET_KEY"] == ""
    assert values["DEBUG"] is False
    assert values["ALLOWED_HOSTS"] == []
    assert values["DATABASE_URL"] == ""
    assert values["PORT"] == 8080
    assert values["HEARTBEAT_S"] == 30.0


def test_file_overrides_default_and_environment_overrides_file(
    tmp_path: Path,
) -> None:
    yaml = "server: {port: 9000, host: 127.0.0.1}\n"

    values = settings_of(tmp_path, yaml, dotenv="PORT=9001", HOST="0.0.0.0")
    again = settings_of(tmp_path, yaml, dotenv="PORT=9001", PORT="9002")

    assert (values["PORT"], values["HOST"]) == (9001, "0.0.0.0")
    assert again["PORT"] == 9002


def test_compat_63_ws_port_is_an_alias_of_port(tmp_path: Path) -> None:
    assert settings_of(tmp_path, WS_PORT="9003")["PORT"] == 9003
    assert settings_of(tmp_path, WS_PORT="9003", PORT="9004")["PORT"] == 9004


def test_compat_63_redis_url_wins_over_host_and_port(tmp_path: Path) -> None:
    parts = {"REDIS_HOST": "r", "REDIS_PORT": "1"}

    assert settings_of(tmp_path, **parts)["REDIS_URL"] == "redis://r:1/0"
    url = settings_of(tmp_path, REDIS_URL="redis://u:2/3", **parts)["REDIS_URL"]
    assert url == "redis://u:2/3"


def test_brokers_enabled_replaces_the_files_choice(tmp_path: Path) -> None:
    assert settings_of(tmp_path)["BROKERS_ENABLED"] == ["binance", "redis"]
    chosen = settings_of(tmp_path, BROKERS_ENABLED="Simulated,oanda")
    assert chosen["BROKERS_ENABLED"] == ["simulated", "oanda"]


def test_oanda_environment_overrides_file_overrides_default(tmp_path: Path) -> None:
    yaml = (
        "brokers: [{name: oanda, type: http-stream, url: 'http://file', "
        "apiKey: k, accountId: a}]\n"
    )
    names = ("OANDA_API_KEY", "OANDA_ACCOUNT_ID", "OANDA_URL", "OANDA_ENVIRONMENT")

    def read(yaml: str = "", **env: str) -> list[str]:
        values = settings_of(tmp_path, yaml, **env)
        return [values[name] for name in names]

    assert read() == ["", "", "https://stream-fxpractice.oanda.com", ""]
    assert read(yaml) == ["k", "a", "http://file", ""]
    assert read(yaml, OANDA_URL="http://env") == ["k", "a", "http://env", ""]
    assert read(yaml, OANDA_ENVIRONMENT="live") == ["k", "a", "", "live"]
    assert read(yaml, OANDA_API_KEY="x", OANDA_ACCOUNT_ID="y")[:2] == ["x", "y"]


def test_kraken_address_of_the_environment_overrides_the_files(tmp_path: Path) -> None:
    yaml = "brokers: [{name: kraken, url: 'ws://file'}]\n"

    assert settings_of(tmp_path)["KRAKEN_WS_URL"] == "wss://ws.kraken.com"
    assert settings_of(tmp_path, yaml)["KRAKEN_WS_URL"] == "ws://file"
    chosen = settings_of(tmp_path, yaml, KRAKEN_WS_URL="ws://env")
    assert chosen["KRAKEN_WS_URL"] == "ws://env"


def test_every_setting_is_in_the_example(tmp_path: Path) -> None:
    read = set(
        re.findall(
            r'env\.\w+\(\s*"([A-Z0-9_]+)"', (ROOT / "config" / "env.py").read_text()
        )
    )
    shown = set(
        re.findall(
            r"^# ([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE
        )
    )

    assert read - shown - {"WS_PORT"} == set()
    assert shown - read == set()


def test_nothing_else_reads_the_environment() -> None:
    # launch.py and services/ run before there are settings.
    allowed = {"config/env.py", "config/launch.py", "config/celery.py"}
    readers = {
        str(path.relative_to(ROOT))
        for app in ("marketdata", "brokers", "history", "importer", "config")
        for path in (ROOT / app).rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text())
    }

    assert readers - allowed <= {"config/asgi.py"}


FILE = """
server: {port: 9000, host: 127.0.0.1}
logging: {level: debug}
redis: {host: elsewhere, port: 6380}
brokers:
  - {name: binance, url: 'ws://b'}
  - {name: Kraken, url: 'ws://k', enabled: true}
  - {name: oanda, url: 'http://o', apiKey: k, accountId: a}
"""
OF_THE_FILE = {
    "PORT": 9000,
    "HOST": "127.0.0.1",
    "LOG_LEVEL": "DEBUG",
    "REDIS_URL": "redis://elsewhere:6380/0",
    "BROKERS_ENABLED": ["kraken", "redis"],
    "BINANCE_WS_URL": "ws://b",
    "KRAKEN_WS_URL": "ws://k",
    "OANDA_URL": "http://o",
    "OANDA_API_KEY": "k",
    "OANDA_ACCOUNT_ID": "a",
}


def test_compat_check_50_each_key_of_the_file_has_an_effect(tmp_path: Path) -> None:
    default = settings_of(tmp_path)
    values = settings_of(tmp_path, FILE)
    below = settings_of(
        tmp_path, "brokers: [{name: oanda, credentials: {apiKey: k, accountId: a}}]"
    )

    assert {name: values[name] for name in OF_THE_FILE} == OF_THE_FILE
    assert all(default[name] != value for name, value in OF_THE_FILE.items())
    assert (below["OANDA_API_KEY"], below["OANDA_ACCOUNT_ID"]) == ("k", "a")


def test_compat_check_50_environment_goes_before_each_key(tmp_path: Path) -> None:
    environment = {
        "PORT": "9001",
        "HOST": "127.0.0.2",
        "LOG_LEVEL": "WARNING",
        "REDIS_URL": "redis://r:1/0",
        "BINANCE_WS_URL": "ws://env",
        "KRAKEN_WS_URL": "ws://env",
        "OANDA_URL": "http://env",
        "OANDA_API_KEY": "x",
        "OANDA_ACCOUNT_ID": "y",
    }

    values = settings_of(tmp_path, FILE, **environment, BROKERS_ENABLED="simulated")

    assert {name: str(values[name]) for name in environment} == environment
    assert values["BROKERS_ENABLED"] == ["simulated"]
