"""The rules of layout: import direction, pure modules, sizes (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("marketdata", "history", "importer", "brokers", "config", "services")

# What each app may import of the project besides itself. `config` wires everything.
MAY_IMPORT = {
    "marketdata": set(),
    "history": {"marketdata"},
    "importer": {"history", "marketdata"},
    "brokers": {"history", "marketdata"},
    "config": {"marketdata", "history", "importer", "brokers", "services"},
    "services": set(),
}
# No Django, no I/O, no clock, and of the project only other pure modules.
PURE = {
    "brokers/account_cipher.py",
    "brokers/backoff.py",
    "brokers/binance/answers.py",
    "brokers/binance/book.py",
    "brokers/binance/converters.py",
    "brokers/binance/messages.py",
    "brokers/binance/payloads.py",
    "brokers/binance/streams.py",
    "brokers/broker_bodies.py",
    "brokers/demand.py",
    "brokers/exceptions.py",
    "brokers/feed.py",
    "brokers/feed_table.py",
    "brokers/former_feeds.py",
    "brokers/gaps.py",
    "brokers/instruments.py",
    "brokers/kraken/messages.py",
    "brokers/kraken/pairs.py",
    "brokers/oanda/access.py",
    "brokers/oanda/limits.py",
    "brokers/oanda/messages.py",
    "brokers/oanda/seen.py",
    "brokers/oanda/unknown.py",
    "brokers/missed_trades.py",
    "brokers/repeats.py",
    "brokers/redis/messages.py",
    "brokers/replay/options.py",
    "brokers/silence.py",
    "brokers/simulated/faults.py",
    "brokers/simulated/mocks.py",
    "brokers/simulated/prices.py",
    "brokers/wanted.py",
    "config/checkup/findings.py",
    "history/alignment.py",
    "history/answer_cache.py",
    "history/candle_bodies.py",
    "history/candle_fresh_sql.py",
    "history/candle_headers.py",
    "history/candle_locks.py",
    "history/candle_plan.py",
    "history/candle_queries.py",
    "history/candle_range.py",
    "history/candle_read_sql.py",
    "history/candle_sql.py",
    "history/changed_ranges.py",
    "history/codes.py",
    "history/columns.py",
    "history/copy_format.py",
    "history/cors.py",
    "history/data_version.py",
    "history/dropped_ranges.py",
    "history/etags.py",
    "history/exceptions.py",
    "history/formats.py",
    "history/gap_sql.py",
    "history/journal_blocks.py",
    "history/live_plan.py",
    "history/live_rows.py",
    "history/metadata_bodies.py",
    "history/query_fields.py",
    "history/ranges.py",
    "history/record_bodies.py",
    "history/record_cursor.py",
    "history/record_plan.py",
    "history/record_queries.py",
    "history/row_headers.py",
    "history/second_sql.py",
    "history/series_info.py",
    "history/statement.py",
    "history/symbol_bodies.py",
    "history/tables.py",
    "history/timestamps.py",
    "history/udf_bars.py",
    "history/udf_markets.py",
    "history/udf_symbols.py",
    "importer/archive_symbols.py",
    "importer/bi5.py",
    "importer/coverage.py",
    "importer/csv_ticks.py",
    "importer/csv_times.py",
    "importer/exceptions.py",
    "importer/findings.py",
    "importer/hour_ticks.py",
    "importer/hours.py",
    "importer/jetta.py",
    "importer/outcomes.py",
    "importer/quality_gate.py",
    "importer/sources/base.py",
    "importer/sources/retry.py",
    "importer/suspects.py",
    "marketdata/addresses.py",
    "marketdata/asgi_extensions.py",
    "marketdata/broker_credentials.py",
    "marketdata/broker_switches.py",
    "marketdata/books.py",
    "marketdata/candle_building.py",
    "marketdata/catalog.py",
    "marketdata/clients.py",
    "marketdata/codes.py",
    "marketdata/connection_limits.py",
    "marketdata/credentials.py",
    "marketdata/durations.py",
    "marketdata/dialect_paths.py",
    "marketdata/dialects.py",
    "marketdata/effects.py",
    "marketdata/encodings.py",
    "marketdata/exceptions.py",
    "marketdata/foreign_topics.py",
    "marketdata/frames/fields.py",
    "marketdata/frames/gateway.py",
    "marketdata/frames/gateway_requests.py",
    "marketdata/frames/json_texts.py",
    "marketdata/frames/stream.py",
    "marketdata/frames/stream_names.py",
    "marketdata/frames/stream_payloads.py",
    "marketdata/frames/stream_replies.py",
    "marketdata/frames/stream_requests.py",
    "marketdata/frames/unified.py",
    "marketdata/frames/unified_replies.py",
    "marketdata/frames/unified_requests.py",
    "marketdata/lag_histogram.py",
    "marketdata/layer_messages.py",
    "marketdata/metric_families.py",
    "marketdata/live_candle.py",
    "marketdata/live_ticker.py",
    "marketdata/market_calendar.py",
    "marketdata/numbering.py",
    "marketdata/origins.py",
    "marketdata/outgoing.py",
    "marketdata/price_basis.py",
    "marketdata/private_messages.py",
    "marketdata/process_messages.py",
    "marketdata/rate_meter.py",
    "marketdata/records.py",
    "marketdata/redis_address.py",
    "marketdata/request_limits.py",
    "marketdata/resumption.py",
    "marketdata/sessions/gateway.py",
    "marketdata/sessions/stream.py",
    "marketdata/sessions/unified.py",
    "marketdata/sessions/unified_subscriptions.py",
    "marketdata/sessions/unified_topics.py",
    "marketdata/stored_records.py",
    "marketdata/symbols.py",
    "marketdata/timeframes.py",
    "marketdata/tokens.py",
    "marketdata/topics.py",
    "marketdata/ttl_cache.py",
}
IMPURE = {
    "asyncio", "channels", "channels_redis", "celery", "daphne", "django", "os",
    "psycopg", "random", "redis", "rest_framework", "secrets", "socket", "subprocess",
    "threading", "time", "twisted", "urllib.request", "urllib3",
    "websockets",
}  # fmt: skip
INTERFACES = ("views", "consumer", "admin", "tasks", "management")
MAX_MODULE_LINES = 250
MAX_FUNCTION_LINES = 50

MODULES = sorted(
    path
    for app in APPS
    for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts
)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_direction_of_the_apps(path: Path) -> None:
    app = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imported(path)} & set(APPS)

    assert ours - {app} <= MAY_IMPORT[app]


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_import_nothing_that_acts(name: str) -> None:
    names = set(imported(ROOT / name))
    ours = {item for item in names if item.split(".")[0] in APPS}
    as_files = {item.replace(".", "/") + ".py" for item in ours}

    assert not {item for item in names if {item, item.split(".")[0]} & IMPURE}
    assert {item for item in as_files if (ROOT / item).exists()} <= PURE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_interfaces_are_called_by_nobody(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] in ("urls", "asgi", "celery") or set(parts) & set(INTERFACES):
        return

    used = {name for name in imported(path) if name.split(".")[0] in APPS}

    assert not {name for name in used if set(name.split(".")[1:]) & set(INTERFACES)}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_are_of_readable_size(path: Path) -> None:
    text = path.read_text()
    functions = {
        node.name: code_lines(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert len(text.splitlines()) <= MAX_MODULE_LINES
    assert {k: v for k, v in functions.items() if v > MAX_FUNCTION_LINES} == {}


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    docstring = node.body[0] if ast.get_docstring(node) else None
    spent = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return node.end_lineno - node.lineno + 1 - spent
