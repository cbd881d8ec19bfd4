"""Every setting: environment over `config/config.yaml` over the defaults here.

Nothing else in the project reads the environment. `.env` beside `manage.py` is read
first and never overrides what is set already; `make run` writes it (ENV_FILE names
another one).
"""

from pathlib import Path
from typing import Any

import environ

from config.config_file import BrokerConfig, read_config_file

BASE_DIR = Path(__file__).resolve().parent.parent


class _Env(environ.Env):
    """The environment; a number that is none is told by its name."""

    def get_value(self, var: str, *args: Any, **options: Any) -> Any:
        try:
            return super().get_value(var, *args, **options)
        except ValueError as exc:
            found = self.ENVIRON[var]
            raise environ.ImproperlyConfigured(
                f"expected a number in {var}, found {found!r}"
            ) from exc


env = _Env()
env.read_env(env.str("ENV_FILE", str(BASE_DIR / ".env")))

CONFIG_FILE = Path(env.str("CONFIG_FILE", str(BASE_DIR / "config" / "config.yaml")))
config_file = read_config_file(CONFIG_FILE)


# --- Server -------------------------------------------------------------------------
PORT = env.int("PORT", env.int("WS_PORT", config_file.server.port))
HOST = env.str("HOST", config_file.server.host)
SECRET_KEY = env.str("SECRET_KEY", "")
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", "")  # read by `ensure_admin` only
DEBUG = env.bool("DEBUG", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
ALLOWED_ORIGINS = env.list("ALLOWED_ORIGINS", default=[])
# A proxy in front ends TLS and sets X-Forwarded-Proto itself.
BEHIND_TLS = env.bool("BEHIND_TLS", False)
LOG_LEVEL = env.str("LOG_LEVEL", config_file.logging.level).upper()
LOG_FORMAT = env.str("LOG_FORMAT", "console")

# --- Shared state -------------------------------------------------------------------
# Without DATABASE_URL the server streams, REST answers 503 (PROTOCOL section 9).
DATABASE_URL = env.str("DATABASE_URL", "")
# Connections that a process keeps for its requests; 0 opens one per request. Worth it
# in the web process alone: Celery drops a pool around every task.
DB_POOL_MAX = env.int("DB_POOL_MAX", 0)
DB_CONNECT_TIMEOUT_S = env.int("DB_CONNECT_TIMEOUT_S", 2)
REDIS_URL = env.str("REDIS_URL", "") or "redis://{}:{}/0".format(
    env.str("REDIS_HOST", config_file.redis.host),
    env.int("REDIS_PORT", config_file.redis.port),
)
# Two installations on one Redis keep apart by this name.
CHANNEL_PREFIX = env.str("CHANNEL_PREFIX", "marketdata")

# --- Clients ------------------------------------------------------------------------
WS_ROOT_DIALECT = env.str("WS_ROOT_DIALECT", "unified")
HEARTBEAT_S = env.float("HEARTBEAT_S", 30.0)
GROUP_GRACE_S = env.float("GROUP_GRACE_S", 10.0)
FEED_SILENT_S = env.float("FEED_SILENT_S", 3.5)
RING_BYTES = env.int("RING_BYTES", 4 * 1024 * 1024)
CATALOG_REFRESH_S = env.float("CATALOG_REFRESH_S", 10.0)
STATISTICS_S = env.float("STATISTICS_S", 60.0)  # 0: no such lines in the log
MAX_QUEUE_BYTES = env.int("MAX_QUEUE_BYTES", 1024 * 1024)
MAX_FRAME_BYTES = env.int("MAX_FRAME_BYTES", 100 * 1024)

# --- Who clients are, and their limits ----------------------------------------------
WS_AUTH_REQUIRED = env.bool("WS_AUTH_REQUIRED", False)
AUTH_TIMEOUT_S = env.float("AUTH_TIMEOUT_S", 10.0)
JWT_SECRET = env.str("JWT_SECRET", "")
JWT_PUBLIC_KEY = env.str("JWT_PUBLIC_KEY", "")
# Of plan `anonymous`; None leaves it to the plan's row in the admin. 0: no limit, but
# for subscriptions.
MAX_SUBSCRIPTIONS = env.int("MAX_SUBSCRIPTIONS", None)
WS_REQUESTS_PER_S = env.int("WS_REQUESTS_PER_S", None)
REST_REQUESTS_PER_MIN = env.int("REST_REQUESTS_PER_MIN", None)
# 0: no limit.
WS_MAX_MALFORMED = env.int("WS_MAX_MALFORMED", 100)
WS_MAX_CONNECTIONS = env.int("WS_MAX_CONNECTIONS", 10_000)
WS_MAX_CONNECTIONS_PER_ADDRESS = env.int("WS_MAX_CONNECTIONS_PER_ADDRESS", 100)
WS_ATTEMPTS_PER_S = env.float("WS_ATTEMPTS_PER_S", 20.0)
WS_ATTEMPT_BURST = env.int("WS_ATTEMPT_BURST", 100)
WS_LIMIT_LOOPBACK = env.bool("WS_LIMIT_LOOPBACK", False)

# --- REST ---------------------------------------------------------------------------
# Addresses and networks of proxies whose X-Real-IP is the client's address.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# Server A's switch: no limit for anybody.
RATE_LIMIT_DISABLED = env.bool("RATE_LIMIT_DISABLED", False)
RATE_LIMIT_LOOPBACK = env.bool("RATE_LIMIT_LOOPBACK", False)
REST_CONNECTIONS = max(1, env.int("REST_CONNECTIONS", 8))
REST_CACHE_BYTES = env.int("REST_CACHE_BYTES", 32 * 1024 * 1024)

# --- Brokers ------------------------------------------------------------------------
BROKERS = {item.name.lower(): item for item in config_file.brokers}
# A comma list replaces what the file enables; unset keeps the file's choice.
BROKERS_ENABLED = [
    name.lower()
    for name in env.list(
        "BROKERS_ENABLED",
        # Channels of other systems on our Redis: what clients of servers B and C read.
        default=[item.name for item in config_file.brokers if item.enabled] + ["redis"],
    )
]
# Fernet keys of stored accounts, the newest first; without any one of SECRET_KEY.
BROKER_KEYS = env.list("BROKER_KEYS", default=[])
BINANCE_WS_URL = (
    env.str(
        "BINANCE_WS_URL",
        BROKERS["binance"].url if "binance" in BROKERS else "",
    )
    or "wss://stream.binance.com:9443"
)
# Whole books and trades that were missed; empty: books are told by changes alone.
BINANCE_REST_URL = env.str("BINANCE_REST_URL", "https://api.binance.com")
# `trade` or `aggTrade`: a trade's id is the followed stream's own.
BINANCE_TRADE_STREAM = env.str("BINANCE_TRADE_STREAM", "trade")
BINANCE_TYPES = env.list("BINANCE_TYPES", default=["tick", "trade", "orderbook"])
KRAKEN_WS_URL = (
    env.str("KRAKEN_WS_URL", BROKERS["kraken"].url if "kraken" in BROKERS else "")
    or "wss://ws.kraken.com"
)
_oanda = BROKERS.get("oanda", BrokerConfig("oanda"))
OANDA_API_KEY = env.str("OANDA_API_KEY", "") or _oanda.api_key
OANDA_ACCOUNT_ID = env.str("OANDA_ACCOUNT_ID", "") or _oanda.account_id
# `practice` or `live`: one of OANDA's hosts. An address replaces it, but the file's.
OANDA_ENVIRONMENT = env.str("OANDA_ENVIRONMENT", "")
OANDA_URL = env.str("OANDA_URL", "") or ("" if OANDA_ENVIRONMENT else _oanda.url)
OANDA_SILENCE_S = env.float("OANDA_SILENCE_S", 12.0)
OANDA_MAX_STREAMS = env.int("OANDA_MAX_STREAMS", 20)
OANDA_CONNECTS_PER_S = env.float("OANDA_CONNECTS_PER_S", 2.0)
SIMULATED_RATE = env.float("SIMULATED_RATE", 5.0)
SIMULATED_SEED = env.int("SIMULATED_SEED", 1)
SIMULATED_FAULTS = env.str("SIMULATED_FAULTS", "")
# What `run_feed replay` shows as if it were live.
REPLAY_BROKER = env.str("REPLAY_BROKER", "dukascopy")
REPLAY_SYMBOLS = env.list("REPLAY_SYMBOLS", default=[])
REPLAY_FROM = env.str("REPLAY_FROM", "")
REPLAY_TO = env.str("REPLAY_TO", "2100-01-01T00:00:00Z")
REPLAY_SPEED = env.str("REPLAY_SPEED", "1")
REPLAY_TIMES = env.str("REPLAY_TIMES", "now")
FEED_SILENCE_S = env.float("FEED_SILENCE_S", 30.0)
# What is not recorded is followed until this long after its last client.
FEED_GRACE_S = max(0.0, env.float("FEED_GRACE_S", 30.0))
# Hubs repeat every 10 s what they follow; one that was silent this long has died.
DEMAND_EXPIRY_S = env.float("DEMAND_EXPIRY_S", 30.0)
# Who is silent this long is not a broker's active feed any more. Above the time that a
# busy machine may stop a process for.
LEASE_EXPIRY_S = max(0.5, env.float("LEASE_EXPIRY_S", 10.0))
# Of one broker, at a time.
PRIVATE_FEEDS_MAX = max(0, env.int("PRIVATE_FEEDS_MAX", 100))
RECONNECT_MIN_S = env.float("RECONNECT_MIN_S", 1.0)
RECONNECT_MAX_S = env.float("RECONNECT_MAX_S", 60.0)
RECONNECT_RESET_S = env.float("RECONNECT_RESET_S", 20.0)

# --- Recording and history ----------------------------------------------------------
RECORDER_FLUSH_S = env.float("RECORDER_FLUSH_S", 1.0)
RECORDER_FLUSH_ROWS = env.int("RECORDER_FLUSH_ROWS", 5_000)
RECORDER_MAX_ROWS = env.int("RECORDER_MAX_ROWS", 1_000_000)
JOURNAL_DIR = env.str("JOURNAL_DIR", str(BASE_DIR / "var" / "journal"))
JOURNAL_MAX_BYTES = env.int("JOURNAL_MAX_BYTES", 4 * 1024 * 1024 * 1024)
CANDLE_REFRESH_S = env.float("CANDLE_REFRESH_S", 10.0)
# A live candle waits this long after its end for records that are late.
CANDLE_GRACE_S = env.float("CANDLE_GRACE_S", 0.5)
MAX_RANGE_DAYS = env.int("MAX_RANGE_DAYS", 365)
TICK_CHUNK_DAYS = env.int("TICK_CHUNK_DAYS", 30)
TICK_INDEXES = env.list("TICK_INDEXES", default=[])

# --- Sources of history -------------------------------------------------------------
DUKASCOPY_SOURCE = env.str("DUKASCOPY_SOURCE", "dukascopy")
DUKASCOPY_URL = env.str("DUKASCOPY_URL", "https://jetta.dukascopy.com/v1")
DUKASCOPY_BI5_URL = env.str(
    "DUKASCOPY_BI5_URL", "https://datafeed.dukascopy.com/datafeed"
)
# The API is undocumented and its terms are the owner's to check: ask little of it.
DUKASCOPY_CONCURRENCY = max(1, env.int("DUKASCOPY_CONCURRENCY", 4))
DUKASCOPY_REQUESTS_PER_S = max(0.01, env.float("DUKASCOPY_REQUESTS_PER_S", 5.0))
DUKASCOPY_RETRIES = max(0, env.int("DUKASCOPY_RETRIES", 4))
# Without a byte, of a whole request, and of all tries for an hour with their waits.
DUKASCOPY_SILENCE_S = env.float("DUKASCOPY_SILENCE_S", 10.0)
DUKASCOPY_REQUEST_S = env.float("DUKASCOPY_REQUEST_S", 30.0)
DUKASCOPY_HOUR_S = env.float("DUKASCOPY_HOUR_S", 100.0)
DUKASCOPY_CACHE = env.str("DUKASCOPY_CACHE", "")

# --- Import jobs and the daily schedule ---------------------------------------------
# Imported every day: symbols, `*` for all that have history of Dukascopy, or none.
IMPORT_SYMBOLS = env.list("IMPORT_SYMBOLS", default=[])
IMPORT_DAYS = max(1, env.int("IMPORT_DAYS", 7))
# UTC. The check follows an hour later, the retention two.
IMPORT_AT_HOUR = env.int("IMPORT_AT_HOUR", 3) % 24
# A worker that does not renew its job for this long has died.
IMPORT_JOB_LEASE_S = max(2.0, env.float("IMPORT_JOB_LEASE_S", 60.0))
IMPORT_JOB_DEATHS = max(1, env.int("IMPORT_JOB_DEATHS", 5))
IMPORT_REAP_S = env.float("IMPORT_REAP_S", 30.0)
TICK_RETENTION_DAYS = max(0, env.int("TICK_RETENTION_DAYS", 0))
