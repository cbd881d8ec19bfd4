"""Addresses of Redis: `redis://`, `rediss://`, `unix://`, and of Sentinels. Pure.

`REDIS_URL` is one of them, as redis-py writes it; Celery writes some in its own way.

`redis+sentinel://:password@host1:26379,host2:26379/service/0` names the Sentinels, the
service that they watch, and the database (0 if left out); user and password are those
of the Redis itself. redis-py has no form of its own for that.
"""

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

SENTINEL_SCHEME = "redis+sentinel"
SENTINEL_PORT = 26_379


def layer_host(url: str) -> dict[str, Any]:
    """Return the address as a channel layer's `hosts` entry.

    Raises:
        ValueError: an address of Sentinels names no host or no service.
    """
    parts = urlsplit(url)
    if parts.scheme != SENTINEL_SCHEME:
        return {"address": url}
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ValueError(
            f"expected {SENTINEL_SCHEME}://host:port,.../service, found no "
            f"{'service' if hosts else 'host'}"
        )
    host: dict[str, Any] = {
        "master_name": service,
        "sentinels": [_endpoint(item) for item in hosts.split(",")],
        "db": int(database or 0),
    }
    user, _, password = login.partition(":")
    if user:
        host["username"] = unquote(user)
    if password:
        host["password"] = unquote(password)
    return host


def celery_broker(url: str) -> tuple[str, dict[str, str]]:
    """Return the address as Celery's broker URL, and the transport options it needs.

    Raises:
        ValueError: as ``layer_host``.
    """
    host = layer_host(url)
    if "address" not in host:
        login = f"{host.get('username', '')}:{quote(host.get('password', ''), safe='')}"
        sentinels = [
            f"sentinel://{login}@{name}:{port}/{host['db']}"
            for name, port in host["sentinels"]
        ]
        return ";".join(sentinels), {"master_name": host["master_name"]}
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if parts.scheme == "unix":
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        database = query.get("db", ["0"])[0]
        return f"redis+socket://{login}{parts.path}?virtual_host={database}", {}
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in query:
        # redis-py's own default; Celery has none and refuses to start.
        return f"{url}{'&' if parts.query else '?'}ssl_cert_reqs=required", {}
    return url, {}


def _endpoint(text: str) -> tuple[str, int]:
    name, _, port = text.rpartition(":")
    if not name or not port.isdecimal():
        return text.strip("[]"), SENTINEL_PORT
    return name.strip("[]"), int(port)
