"""What is kept between calls: ports, passwords, and the binaries in use."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import ServicesError
from .paths import Layout, write_private


def make_password() -> str:
    return secrets.token_hex(24)  # hex: needs no quoting in URLs, SQL or redis.conf


@dataclass
class State:
    """Facts about one set of instances; `folder` is the SERVICES_DIR it is for."""

    folder: str
    postgres_port: int | None = None
    postgres_bin: str | None = None
    postgres_password: str = field(default_factory=make_password)
    redis_port: int | None = None
    redis_server: str | None = None
    redis_password: str = field(default_factory=make_password)

    @property
    def database_url(self) -> str:
        password, port = self.postgres_password, self.postgres_port
        return f"postgres://marketdata:{password}@127.0.0.1:{port}/marketdata"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.redis_password}@127.0.0.1:{self.redis_port}/0"


def load_state(layout: Layout) -> State | None:
    """Return the kept state; None before the first start.

    Raises: ServicesError when the file is there and unreadable: its passwords are
    the only way into the data, so it is not replaced silently.
    """
    path: Path = layout.state_file
    try:
        return State(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise ServicesError(
            f"expected the services' state in {path}, found unreadable text: {exc}"
        ) from exc


def save_state(layout: Layout, state: State) -> None:
    """Write the state, readable by its owner only."""
    write_private(layout.state_file, json.dumps(asdict(state), indent=1) + "\n")
