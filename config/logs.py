"""Logs: structlog over the standard library, one line per event, on standard error.

Lines of a WebSocket have its `connection`, those of an HTTP request its `request`.
"""

import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

from marketdata.broker_credentials import hide_secrets

CONSOLE, JSON = FORMS = ("console", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# Libraries that say at INFO what happens per connection or per task.
_QUIET = ("daphne", "django.channels.server", "twisted", "celery.worker.strategy")
# Clients may show who they are in an address (PROTOCOL section 1.2).
_TOKEN = re.compile(r"(token=)[^&\s'\"]+")


def configure_logs(level: str, form: str = CONSOLE) -> None:
    """Send events and library logs of at least ``level`` to standard error.

    ``form`` is `console`, for people, or `json`, for programs.

    Raises:
        ImproperlyConfigured: one of them is something else.
    """
    _check("LOG_LEVEL", level, LEVELS)
    _check("LOG_FORMAT", form, FORMS)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json() if form == JSON else _console()),
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
    # It warns at each 4xx answer, so clients would decide how much we log.
    logging.getLogger("django.request").setLevel(logging.ERROR)


def _console() -> list[structlog.typing.Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default shows local variables, passwords among them, and takes 0.15 s.
            exception_formatter=structlog.dev.plain_traceback,
        ),
        without_tokens,
    ]


def _json() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.format_exc_info,  # without local variables, too
        without_tokens_in_values,  # of the line it would cut quotes, too
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def without_tokens_in_values(
    logger: Any, name: str, values: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Return an event without tokens; what is no number becomes a text."""
    for key, value in values.items():
        if not isinstance(value, int | float | None):
            values[key] = without_tokens(logger, name, str(value))
    return values


def without_tokens(logger: Any, name: str, line: Any) -> Any:
    """Return a line without the tokens of addresses, whichever library wrote it.

    Nor with the credentials of any broker's account that the process has.
    """
    line = _TOKEN.sub(r"\1...", line) if "token=" in line else line
    return hide_secrets(line)


def _check(setting: str, found: str, known: Sequence[str]) -> None:
    if found not in known:
        expected = " or ".join(known)
        raise ImproperlyConfigured(f"{setting}: expected {expected}, found {found!r}")
