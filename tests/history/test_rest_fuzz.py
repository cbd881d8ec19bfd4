"""COMPAT check 35: whatever REST is asked, its answer is one that it describes.

Parameters at random are refused or name nothing that is stored, so most questions get
values that lead to data; of each address at least one answer must have some.
"""

import os
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from history.candle_queries import SERVED
from history.candle_refresh import refresh_candles
from history.record_cursor import Position, encode_cursor
from history.timestamps import to_datetime
from history.udf_bars import RESOLUTIONS
from importer.models import ImportHour
from marketdata.timeframes import PriceSide
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.history.storage import FAR_US, T0_US, store, trade_columns
from tests.history.test_rest_over_socket import start_server, stop_server
from tests.marketdata.server_process import test_database_url

# `make fuzz` raises it.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ABSENT = object()
# What leads to data, by the parameter's name. The fixture lasts from T0 to T0 + 6,993.
GOOD = {
    "symbol": ["EURUSD", "eurusd", "EUR_USD", "EUR/USD", "EUR-USD"],
    "timeframe": [timeframe.value for timeframe in SERVED],
    "resolution": list(RESOLUTIONS),
    "from": [T0, T0 - 86_400, T0 + 1_800, "2024-01-02T00:00:00Z"],
    "to": [T0 + 7_200, T0 + 86_399, T0 + 5_400, "2024-01-02T02:00:00+00:00"],
    "price": [ABSENT, *(side.value for side in PriceSide)],
    "broker": [ABSENT, "dukascopy", "Dukascopy"],
    "fields": [ABSENT, "full"],
    "limit": [ABSENT, 1, 7, 10_000],
    "countback": [ABSENT],
    "cursor": [ABSENT, encode_cursor(Position(T0_US + 60_000_000))],
    "format": [ABSENT, "json", "csv", "ndjson"],
    "align": [ABSENT],
    "v": [ABSENT, "1.1"],
    "query": [ABSENT, "", "eur", "dukascopy:eurusd"],
    "exchange": [ABSENT, "", "DUKASCOPY"],
}
TYPES = {
    "/api/ticks": [ABSENT, "tick", "trade"],
    "/udf/search": [ABSENT, "", "forex"],
}
# The protocol knows neither ISO 8601 nor slashes in tickers.
UDF = {
    "symbol": ["EURUSD", "eurusd", "DUKASCOPY:EURUSD"],
    "from": GOOD["from"][:3],
    "to": GOOD["to"][:3],
    "countback": [ABSENT, 1, 300],
    "limit": [ABSENT, 1, 30],
}
# Some more that go together; each wins over what stands above.
TOGETHER = [
    {},
    {},
    {"limit": ABSENT, "cursor": ABSENT, "countback": 5, "from": ABSENT},
    {"timeframe": "1d", "align": "America/New_York@17:00", "from": T0 - 86_400},
    {"timeframe": "1w", "align": "Asia/Kolkata@09:15", "from": T0 - 604_800},
]


def test_server_holds_to_its_schema_whatever_it_is_asked(transactional_db):
    series = store_quotes(fixture_quotes())
    rows = [(T0_US + 7_000_000 * i, i, i, 1.1 + i * 1e-5, 1.0) for i in range(1000)]
    store(trade_columns(series.pk, rows))
    refresh_candles(now_us=FAR_US)
    hour = to_datetime(T0_US)
    ImportHour.objects.create(
        series_id=series.pk, hour=hour, state="stored", rows=515, imported_at=hour
    )
    server, port = start_server(test_database_url())
    try:
        schema = schemathesis.openapi.from_url(
            f"http://127.0.0.1:{port}/api/schema/?format=json"
        )
        for found in schema.get_all_operations():
            operation = found.ok()
            assert fuzz(operation), f"{operation.path} never answered with data"
    finally:
        stop_server(server)


def fuzz(operation: Any) -> int:
    """Ask many things, check every answer; return how many had data."""
    with requests.Session() as session:
        with_data = 0

        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=EXAMPLES < 100,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases(operation))
        def ask(case: Any) -> None:
            nonlocal with_data
            answer = case.call_and_validate(checks=CHECKS, session=session)
            with_data += has_data(answer)

        ask()
    return with_data


@st.composite
def cases(draw: st.DrawFn, operation: Any) -> Any:
    """One of four cases is as random as it comes, one has a single random parameter."""
    case = draw(operation.as_strategy())
    kind = draw(st.sampled_from(["random", "good but one", "good", "good"]))
    if kind == "random":
        return case
    wanted = good_values(draw, operation.path)
    places = [
        (place, parameter.name)
        for place in ("query", "path_parameters")
        for parameter in getattr(operation, place)
        if parameter.name in wanted
    ]
    if kind == "good but one" and places:
        places.remove(draw(st.sampled_from(places)))
    for place, name in places:
        container = getattr(case, place)
        container.pop(name, None)
        if wanted[name] is not ABSENT:
            container[name] = wanted[name]
    return case


def good_values(draw: st.DrawFn, path: str) -> dict[str, Any]:
    """Return values of parameters that lead to data together."""
    is_udf = path.startswith("/udf/")
    choices = GOOD | (UDF if is_udf else {}) | {"type": TYPES.get(path, [ABSENT])}
    values = {name: draw(st.sampled_from(some)) for name, some in choices.items()}
    return values if is_udf else values | draw(st.sampled_from(TOGETHER))


def has_data(answer: Any) -> bool:
    """Whether an answer is more than an error or an empty list."""
    if answer.status_code != 200:
        return False
    if not answer.headers["content-type"][0].startswith("application/json"):
        # A header line is no data; the clock of the datafeed is one line.
        return len(answer.text.splitlines()) > 1 or answer.text.isdigit()
    body = answer.json()
    if isinstance(body, dict) and "hours" in body:
        return any(hour["state"] == "stored" for hour in body["hours"])
    if isinstance(body, dict) and body.get("s") in ("error", "no_data"):
        return False
    return bool(body)
