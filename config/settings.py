"""Django's settings; every value that varies comes from `config.env`."""

from celery.schedules import crontab
from kombu.entity import Queue

from config import admin_look, databases, env
from config.hidden import hidden_values
from config.logs import configure_logs
from marketdata.redis_address import celery_broker, layer_host

# The apps read our own settings (`settings.PORT`, ...) from here, as Django's.
globals().update({name: value for name, value in vars(env).items() if name.isupper()})
BASE_DIR = env.BASE_DIR

INSTALLED_APPS = [
    "daphne",
    "unfold.apps.BasicAppConfig",
    "config.admin_site.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "marketdata",
    "brokers",
    "history",
    "importer",
    "config",  # the last
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": databases.default()}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "marketdata.layers.MarketDataChannelLayer",
        "CONFIG": {"hosts": [layer_host(env.REDIS_URL)], "prefix": env.CHANNEL_PREFIX},
    },
    # What hubs ask of feeds: nobody else on the Redis may speak or read here.
    "control": {
        "BACKEND": "marketdata.layers.MarketDataChannelLayer",
        "CONFIG": {
            "hosts": [layer_host(env.REDIS_URL)],
            "prefix": f"{env.CHANNEL_PREFIX}-control",
            "symmetric_encryption_keys": [env.SECRET_KEY],
        },
    },
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.REDIS_URL,
        "KEY_PREFIX": env.CHANNEL_PREFIX,
    }
}

CELERY_BROKER_URL, _broker_options = celery_broker(env.REDIS_URL)
# Imports take long and may wait for each other; the refresh of candles must not wait
# for them, so they have a queue and workers of their own.
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = (
    Queue("default"),  # type: ignore[no-untyped-call]
    Queue("imports"),  # type: ignore[no-untyped-call]
)
CELERY_TASK_ROUTES = {
    "importer.reap_jobs": {"queue": "default"},  # short, and not to wait either
    "importer.*": {"queue": "imports"},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # config.logs has set the logs up
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 4 * 3600
# Redis hands a task out again after this time even while it runs (celery#5935), so it
# is longer than any task may take.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 5 * 3600,
    "global_keyprefix": f"{env.CHANNEL_PREFIX}:",
    **_broker_options,
}
CELERY_BEAT_SCHEDULE = {
    "refresh-candles": {
        "task": "history.refresh_candles",
        "schedule": env.CANDLE_REFRESH_S,
        "options": {"expires": env.CANDLE_REFRESH_S},
    },
    "reap-import-jobs": {
        "task": "importer.reap_jobs",
        "schedule": env.IMPORT_REAP_S,
        "options": {"expires": env.IMPORT_REAP_S},
    },
    # These look at their settings and do nothing where those say so: an entry that is
    # left out would stay in the scheduler's database. Half past, as the provider needs
    # a while for the hour that has just ended.
    "import-missing": {
        "task": "importer.import_missing",
        "schedule": crontab(minute="30", hour=str(env.IMPORT_AT_HOUR)),
    },
    "check-imported": {
        "task": "importer.check_imported",
        "schedule": crontab(minute="30", hour=str((env.IMPORT_AT_HOUR + 1) % 24)),
    },
    "drop-old-ticks": {
        "task": "importer.drop_old_ticks",
        "schedule": crontab(minute="30", hour=str((env.IMPORT_AT_HOUR + 2) % 24)),
    },
}

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["history.renderers.FastJSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "history.api_errors.handle_exception",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Market Data Server API",
    "VERSION": "1",
    "DESCRIPTION": "Stored ticks, trades and candles. Times are Unix seconds.",
    "OAS_VERSION": "3.1.0",
    "PREPROCESSING_HOOKS": ["history.api_schema.without_slash"],
    # The names that `history.api_schema` uses.
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_URLCONF": "config.rest_urls",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

UNFOLD = admin_look.UNFOLD

# Forms of the admin are accepted from our own origins; behind a proxy that ends TLS
# they arrive as http.
CSRF_TRUSTED_ORIGINS = [item for item in env.ALLOWED_ORIGINS if "://" in item]
CSRF_FAILURE_VIEW = "history.api_errors.csrf_failed"
if env.BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
LOGGING_CONFIG = None
configure_logs(env.LOG_LEVEL, env.LOG_FORMAT)
_hidden = hidden_values(globals())  # log lines are searched for them
