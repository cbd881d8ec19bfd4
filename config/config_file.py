"""The YAML configuration file: read once, checked, and laid under the environment."""

from pathlib import Path
from typing import Any

import msgspec
from django.core.exceptions import ImproperlyConfigured

# What each broker speaks, and what it wants to be shown: `type` and `auth` of A-CF-01.
# They choose nothing, so a file that says something else is in error.
SPOKEN = {
    "binance": ("websocket", "none"),  # its market streams take no key
    "kraken": ("websocket", "none"),
    "oanda": ("http-stream", "bearer"),
    "redis": ("redis", "none"),
    "replay": ("replay", "none"),
    "simulated": ("simulated", "none"),
    "simulated-binance": ("simulated", "none"),
    "simulated-oanda": ("simulated", "none"),
}


class CredentialsConfig(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    api_key: str = ""
    account_id: str = ""

    def __repr__(self) -> str:
        return "CredentialsConfig()"  # Django's error pages show settings


class BrokerConfig(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One entry of `brokers`; keys are server A's (COMPAT A-CF-01).

    Server A read credentials below `credentials` and wrote them beside it in its
    example: both are read, ``api_key`` and ``account_id`` have what was found.
    """

    name: str
    type: str = ""
    url: str = ""
    auth: str = ""
    enabled: bool = False
    api_key: str = ""
    account_id: str = ""
    credentials: CredentialsConfig = msgspec.field(default_factory=CredentialsConfig)

    def __post_init__(self) -> None:
        spoken = SPOKEN.get(self.name.lower(), (self.type, self.auth))
        for key, found, expected in zip(
            ("type", "auth"), (self.type, self.auth), spoken, strict=True
        ):
            if found and found != expected:
                text = f"{key} of {self.name}: expected {expected}, found {found}"
                raise ValueError(text)
        self.api_key = self.api_key or self.credentials.api_key
        self.account_id = self.account_id or self.credentials.account_id

    def __repr__(self) -> str:
        return f"BrokerConfig({self.name!r})"


class ServerConfig(msgspec.Struct, forbid_unknown_fields=True):
    port: int = 8080
    host: str = "0.0.0.0"


class RedisConfig(msgspec.Struct, forbid_unknown_fields=True):
    host: str = "localhost"
    port: int = 6379


class LoggingConfig(msgspec.Struct, forbid_unknown_fields=True):
    level: str = "info"


def _default_brokers() -> list[BrokerConfig]:
    """What server A starts with where no file says otherwise."""
    return [
        BrokerConfig("binance", url="wss://stream.binance.com:9443", enabled=True),
        BrokerConfig("oanda", url="https://stream-fxpractice.oanda.com"),
    ]


class FileConfig(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file; what it leaves out has these defaults."""

    server: ServerConfig = msgspec.field(default_factory=ServerConfig)
    brokers: list[BrokerConfig] = msgspec.field(default_factory=_default_brokers)
    logging: LoggingConfig = msgspec.field(default_factory=LoggingConfig)
    redis: RedisConfig = msgspec.field(default_factory=RedisConfig)


class InvalidConfigFile(ImproperlyConfigured):
    """Raised when the file is not YAML or has a key or value that we do not know."""

    code = "INVALID_CONFIG_FILE"

    def __init__(self, path: Path, reason: object) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


def read_config_file(path: Path) -> FileConfig:
    """Return the configuration in ``path``; the defaults if there is no such file.

    Raises:
        InvalidConfigFile: naming the key, what was expected and what was found.
    """
    if not path.exists():
        return FileConfig()
    try:
        content: Any = msgspec.yaml.decode(path.read_bytes()) or {}
        return msgspec.convert(content, FileConfig)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidConfigFile(path, exc) from exc
