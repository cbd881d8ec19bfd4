"""How Django reaches the database."""

import warnings
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env

# A machine that vanished while we wait for its answer is noticed after 25 s; the
# system's default is two hours. What stands in DATABASE_URL goes before.
KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def default() -> dict[str, Any]:
    """Return the `default` entry of DATABASES; a dummy without DATABASE_URL.

    With the dummy every query raises ImproperlyConfigured, which REST answers with
    503 DATABASE_ERROR, and the server goes on streaming.

    Raises:
        ImproperlyConfigured: DATABASE_URL is of something else than PostgreSQL.
    """
    if not env.DATABASE_URL:
        return {"ENGINE": "django.db.backends.dummy"}
    with warnings.catch_warnings(action="ignore"):
        config: dict[str, Any] = env.env.db_url_config(env.DATABASE_URL)
    if config.get("ENGINE") != "django.db.backends.postgresql":
        scheme = env.DATABASE_URL.partition(":")[0]  # the rest may have a password
        raise ImproperlyConfigured(
            f"expected postgres://... in DATABASE_URL, found {scheme!r:.20}"
        )
    options: dict[str, Any] = {"connect_timeout": env.DB_CONNECT_TIMEOUT_S}
    if env.DB_POOL_MAX:
        options["pool"] = {
            "min_size": 1,
            "max_size": env.DB_POOL_MAX,
            "timeout": env.DB_CONNECT_TIMEOUT_S,
        }
        # Asks each connection first (0.05 ms): those that a restart of the database cut
        # would answer one request each with 503.
        config["CONN_HEALTH_CHECKS"] = True
    return {**config, "OPTIONS": KEEPALIVES | config.get("OPTIONS", {}) | options}
