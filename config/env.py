"""Every setting: environment over `config/config.yaml` over the defaults here.

Nothing else in the project reads the environment. `.env` beside `manage.py` is read
first and never overrides what is set already; `make run` writes it (ENV_FILE names
another one).
"""

from pathlib import Path

import environ

from config.config_file import read_config_file

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
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
LOG_LEVEL = env.str("LOG_LEVEL", config_file.logging.level).upper()

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
HEARTBEAT_S = env.float("HEARTBEAT_S", 30.0)
GROUP_GRACE_S = env.float("GROUP_GRACE_S", 10.0)
CATALOG_REFRESH_S = env.float("CATALOG_REFRESH_S", 10.0)
MAX_SUBSCRIPTIONS = env.int("MAX_SUBSCRIPTIONS", 50)
MAX_QUEUE_BYTES = env.int("MAX_QUEUE_BYTES", 1024 * 1024)
MAX_FRAME_BYTES = env.int("MAX_FRAME_BYTES", 100 * 1024)

# --- Brokers ------------------------------------------------------------------------
BROKERS = {item.name.lower(): item for item in config_file.brokers}
# A comma list replaces what the file enables; unset keeps the file's choice.
BROKERS_ENABLED = [
    name.lower()
    for name in env.list(
        "BROKERS_ENABLED",
        default=[item.name for item in config_file.brokers if item.enabled],
    )
]
BINANCE_WS_URL = (
    env.str(
        "BINANCE_WS_URL",
        BROKERS["binance"].url if "binance" in BROKERS else "",
    )
    or "wss://stream.binance.com:9443"
)
# `trade` or `aggTrade`: a trade's id is the followed stream's own.
BINANCE_TRADE_STREAM = env.str("BINANCE_TRADE_STREAM", "trade")
BINANCE_TYPES = env.list("BINANCE_TYPES", default=["tick", "trade", "orderbook"])
SIMULATED_RATE = env.float("SIMULATED_RATE", 5.0)
SIMULATED_SEED = env.int("SIMULATED_SEED", 1)
FEED_SILENCE_S = env.float("FEED_SILENCE_S", 30.0)
RECONNECT_MIN_S = env.float("RECONNECT_MIN_S", 1.0)
RECONNECT_MAX_S = env.float("RECONNECT_MAX_S", 60.0)

# --- Recording and history ----------------------------------------------------------
RECORDER_FLUSH_S = env.float("RECORDER_FLUSH_S", 1.0)
RECORDER_FLUSH_ROWS = env.int("RECORDER_FLUSH_ROWS", 5_000)
RECORDER_MAX_ROWS = env.int("RECORDER_MAX_ROWS", 1_000_000)
CANDLE_REFRESH_S = env.float("CANDLE_REFRESH_S", 10.0)
MAX_RANGE_DAYS = env.int("MAX_RANGE_DAYS", 365)
TICK_CHUNK_DAYS = env.int("TICK_CHUNK_DAYS", 30)
DUKASCOPY_SOURCE = env.str("DUKASCOPY_SOURCE", "")
