"""How Django reaches the database."""

from typing import Any

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
    """
    if not env.DATABASE_URL:
        return {"ENGINE": "django.db.backends.dummy"}
    config: dict[str, Any] = env.env.db_url_config(env.DATABASE_URL)
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
