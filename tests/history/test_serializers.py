import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from history.api_errors import validation_details
from history.exceptions import InvalidTimeframe, MissingParameters
from history.serializers import (
    CandleQuery,
    TimeField,
    parse_candle_path,
    parse_candle_query,
    parse_symbol,
)
from marketdata.timeframes import PriceSide, Timeframe

T0 = 1_704_153_600
GOOD = {"symbol": "EURUSD", "timeframe": "5m", "from": str(T0), "to": str(T0 + 3600)}
DAY = 86_400


def details_of(params):
    with pytest.raises(ValidationError) as caught:
        parse_candle_query(params)
    return validation_details(caught.value.detail)


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


def test_parse_candle_query_of_all_fields_returns_values():
    query = parse_candle_query(
        {**GOOD, "price": "ask", "broker": "Dukascopy", "fields": "full"}
    )

    assert query == CandleQuery(
        symbol="EURUSD",
        timeframe=Timeframe.M5,
        start_us=T0 * 1_000_000,
        end_us=(T0 + 3600) * 1_000_000,
        price_side=PriceSide.ASK,
        broker="dukascopy",
        is_full=True,
    )


def test_parse_candle_query_of_required_fields_has_server_a_defaults():
    query = parse_candle_query(without("timeframe"))

    assert query.timeframe is Timeframe.H1
    assert query.price_side is PriceSide.MID
    assert query.broker == ""
    assert query.is_full is False


@pytest.mark.parametrize(
    "text", ["EURUSD", "eurusd", "EUR/USD", "eur_usd", "EUR-USD", "EUR.USD"]
)
def test_parse_candle_query_takes_any_spelling(text):
    assert parse_candle_query({**GOOD, "symbol": text}).symbol == "EURUSD"
    assert parse_candle_path(text, "1h", GOOD).symbol == "EURUSD"


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("0", 0),
        ("1704153600", T0 * 1_000_000),
        ("99999999999", 99_999_999_999_000_000),
        ("2024-01-02T00:00:00Z", T0 * 1_000_000),
        ("2024-01-02T01:00:00+01:00", T0 * 1_000_000),
        ("2024-01-02T01:00:00 01:00", T0 * 1_000_000),
        ("2024-01-02T00:00:00", T0 * 1_000_000),
        ("2024-01-02 00:00:00", T0 * 1_000_000),
        ("2024-01-02", T0 * 1_000_000),
        ("2024-01-02T00:00:00.123456Z", T0 * 1_000_000 + 123_456),
    ],
)
def test_time_field_reads_seconds_and_iso(text, time_us):
    assert TimeField().to_internal_value(text) == time_us


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "",
        "-1",
        "1.5",
        "1e9",
        " 1704153600",
        "1704153600\n",
        "NaN",
        "٣",
        "2024-13-01",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
@pytest.mark.parametrize("name", ["from", "to"])
def test_parse_candle_query_with_bad_time_names_the_field(name, text):
    assert details_of({**GOOD, name: text}) == [
        {"field": name, "message": f"{name} must be a Unix timestamp in seconds"}
    ]


@pytest.mark.parametrize("text", ["1704153600000", "170415360000", "9" * 400])
def test_parse_candle_query_with_milliseconds_says_seconds_are_meant(text):
    assert details_of({**GOOD, "from": text}) == [
        {
            "field": "from",
            "message": "from must be a Unix timestamp in seconds, "
            f"found {len(text)} digits: divide milliseconds by 1000",
        }
    ]


@given(st.text())
def test_time_field_answers_any_text_with_a_time_or_validation_error(text):
    try:
        time_us = TimeField().to_internal_value(text)
    except ValidationError:
        return
    except KeyError:
        pytest.fail("a message has no text")

    assert 0 <= time_us <= 99_999_999_999_000_000


@pytest.mark.parametrize("name", ["symbol", "from", "to"])
def test_parse_candle_query_without_required_field_has_server_a_text(name):
    assert details_of(without(name)) == [
        {
            "field": name,
            "message": "Invalid input: expected string, received undefined",
        }
    ]


def test_parse_candle_query_with_many_faults_names_all():
    fields = [item["field"] for item in details_of({"symbol": "?", "timeframe": "7m"})]

    assert fields == ["symbol", "timeframe", "from", "to"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "timeframe",
            "7m",
            'Invalid option: expected one of "1m"|"5m"|"15m"|"1h"|"4h"|"12h"',
        ),
        ("price", "last", 'Invalid option: expected one of "mid"|"bid"|"ask"|"trade"'),
        ("fields", "all", 'Invalid option: expected one of "full"'),
        ("broker", "a b", "Broker must be a broker's name"),
        (
            "symbol",
            "EUR USD",
            "Symbol must be 1 to 20 letters, digits, '/', '_', '.' or '-' "
            "(e.g., EURUSD)",
        ),
    ],
)
def test_parse_candle_query_with_bad_option_says_what_is_expected(name, text, message):
    assert details_of({**GOOD, name: text}) == [{"field": name, "message": message}]


@pytest.mark.parametrize("end", [T0, T0 - 1])
def test_parse_candle_query_with_from_not_before_to_fails(end):
    assert details_of({**GOOD, "to": str(end)}) == [
        {"field": "", "message": "from timestamp must be before to timestamp"}
    ]


def test_parse_candle_query_of_exactly_the_limit_passes():
    query = parse_candle_query({**GOOD, "to": str(T0 + 365 * DAY)})

    assert query.end_us - query.start_us == 365 * DAY * 1_000_000


def test_parse_candle_query_over_the_limit_fails():
    assert details_of({**GOOD, "to": str(T0 + 365 * DAY + 1)}) == [
        {"field": "", "message": "Date range cannot exceed 1 year"}
    ]


def test_parse_candle_query_over_a_configured_limit_names_it(settings):
    settings.MAX_RANGE_DAYS = 7

    assert parse_candle_query({**GOOD, "to": str(T0 + 7 * DAY)})
    assert details_of({**GOOD, "to": str(T0 + 7 * DAY + 1)}) == [
        {"field": "", "message": "Date range cannot exceed 7 days"}
    ]


@pytest.mark.parametrize("timeframe", ["1s", "30m", "1d", "1w"])
def test_parse_candle_query_of_timeframe_not_served_yet_lists_those_that_are(timeframe):
    with pytest.raises(InvalidTimeframe) as caught:
        parse_candle_query({**GOOD, "timeframe": timeframe})

    assert str(caught.value) == (
        f"Invalid timeframe '{timeframe}'. Must be one of: 1m, 5m, 15m, 1h, 4h, 12h"
    )


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("text", [None, ""])
def test_parse_candle_path_without_an_end_raises_missing_parameters(name, text):
    params = without(name) if text is None else {**GOOD, name: text}

    with pytest.raises(MissingParameters) as caught:
        parse_candle_path("EURUSD", "1h", params)

    assert str(caught.value) == (
        "Missing required query parameters: 'from' and 'to' "
        "(Unix timestamps in seconds)"
    )


def test_parse_candle_path_of_bad_timeframe_has_server_a_text():
    with pytest.raises(InvalidTimeframe) as caught:
        parse_candle_path("EURUSD", "7m", GOOD)

    assert str(caught.value) == (
        "Invalid timeframe '7m'. Must be one of: 1m, 5m, 15m, 1h, 4h, 12h"
    )


def test_parse_candle_path_equals_query_form():
    in_path = parse_candle_path("eur/usd", "5m", without("symbol"))

    assert in_path == parse_candle_query(GOOD)


def test_parse_candle_path_ignores_symbol_and_timeframe_of_the_query():
    in_path = parse_candle_path("GBPUSD", "1m", GOOD)

    assert (in_path.symbol, in_path.timeframe) == ("GBPUSD", Timeframe.M1)


def test_parse_symbol_without_one_returns_empty():
    assert parse_symbol({}) == ""


def test_parse_symbol_of_no_symbol_raises():
    with pytest.raises(ValidationError):
        parse_symbol({"symbol": "!!"})
