import pytest

from history import candle_queries
from history.alignment import Align
from history.candle_queries import CandleQuery
from history.candle_range import CandleRange
from history.exceptions import InvalidQuery, InvalidTimeframe, MissingParameters
from history.formats import Format
from history.record_cursor import Position, encode_cursor
from marketdata.timeframes import PriceSide, Timeframe

T0 = 1_704_153_600
GOOD = {"symbol": "EURUSD", "timeframe": "5m", "from": str(T0), "to": str(T0 + 3600)}
DAY = 86_400


NOW_US = (T0 + 30 * DAY) * 1_000_000


def parse_candle_query(params, max_range_days=365):
    return candle_queries.parse_candle_query(
        params, max_range_days=max_range_days, now_us=NOW_US
    )


def parse_candle_path(symbol, timeframe, params):
    return candle_queries.parse_candle_path(
        symbol, timeframe, params, max_range_days=365, now_us=NOW_US
    )


def details_of(params, **limits):
    with pytest.raises(InvalidQuery) as caught:
        parse_candle_query(params, **limits)
    return caught.value.details


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


def test_parse_candle_query_of_all_fields_returns_values():
    query = parse_candle_query(
        {
            **GOOD,
            "timeframe": "1d",
            "price": "ask",
            "broker": "Dukascopy",
            "fields": "full",
            "limit": "7",
            "align": "America/New_York@17:00",
            "format": "csv",
            "v": "1.2",
        }
    )

    assert query == CandleQuery(
        symbol="EURUSD",
        wanted=CandleRange(
            timeframe=Timeframe.D1,
            price_side=PriceSide.ASK,
            start_us=T0 * 1_000_000,
            end_us=(T0 + 3600) * 1_000_000,
            limit=7,
            align=Align("America/New_York", 17 * 60),
        ),
        broker="dukascopy",
        is_full=True,
        form=Format.CSV,
        version="1.2",
    )


def test_parse_candle_query_of_required_fields_has_server_a_defaults():
    query = parse_candle_query(without("timeframe"))

    assert query.wanted == CandleRange(
        Timeframe.H1, PriceSide.MID, T0 * 1_000_000, (T0 + 3600) * 1_000_000
    )
    assert (query.broker, query.is_full, query.form) == ("", False, None)


@pytest.mark.parametrize(
    "text", ["EURUSD", "eurusd", "EUR/USD", "eur_usd", "EUR-USD", "EUR.USD"]
)
def test_parse_candle_query_takes_any_spelling(text):
    assert parse_candle_query({**GOOD, "symbol": text}).symbol == "EURUSD"
    assert parse_candle_path(text, "1h", GOOD).symbol == "EURUSD"


@pytest.mark.parametrize("name", ["from", "to"])
def test_parse_candle_query_with_bad_time_names_the_field(name):
    assert details_of({**GOOD, name: "abc"}) == [
        {"field": name, "message": f"{name} must be a Unix timestamp in seconds"}
    ]


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
            'Invalid option: expected one of "1m"|"5m"|"15m"|"1h"|"4h"|"12h"'
            '|"1s"|"30m"|"1d"|"1w"',
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

    assert query.wanted.end_us - query.wanted.start_us == 365 * DAY * 1_000_000


def test_parse_candle_query_over_the_limit_fails():
    assert details_of({**GOOD, "to": str(T0 + 365 * DAY + 1)}) == [
        {"field": "", "message": "Date range cannot exceed 1 year"}
    ]


def test_parse_candle_query_over_a_configured_limit_names_it():
    assert parse_candle_query({**GOOD, "to": str(T0 + 7 * DAY)}, max_range_days=7)
    assert details_of({**GOOD, "to": str(T0 + 7 * DAY + 1)}, max_range_days=7) == [
        {"field": "", "message": "Date range cannot exceed 7 days"}
    ]


def test_parse_candle_query_of_a_page_has_no_limit_of_the_range():
    far = {**GOOD, "to": str(T0 + 9_000 * DAY)}

    assert parse_candle_query({**far, "limit": "10000"}).wanted.limit == 10_000
    assert parse_candle_query({**far, "countback": "5"}).wanted.takes_last


def test_parse_candle_query_of_a_page_without_end_reaches_to_now():
    assert parse_candle_query({**without("to"), "limit": "5"}).wanted.end_us == NOW_US


def test_parse_candle_query_with_countback_needs_no_start():
    wanted = parse_candle_query({**without("from"), "countback": "3"}).wanted

    assert (wanted.start_us, wanted.limit, wanted.takes_last) == (0, 3, True)


def test_parse_candle_query_with_cursor_starts_there_and_has_a_limit():
    cursor = encode_cursor(Position(T0 * 1_000_000 + 1))

    wanted = parse_candle_query({**GOOD, "cursor": cursor}).wanted

    assert (wanted.start_us, wanted.limit) == (T0 * 1_000_000 + 1, 1_000)


@pytest.mark.parametrize("text", ["0", "-1", "10001", "1.5", "", "x", "9" * 5_000])
@pytest.mark.parametrize("name", ["limit", "countback"])
def test_parse_candle_query_with_bad_count_says_what_is_expected(name, text):
    assert details_of({**GOOD, name: text}) == [
        {"field": name, "message": "Expected a whole number of 1 to 10000"}
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"countback": "1", "limit": "1"}, ""),
        ({"align": "Nowhere@17:00", "timeframe": "1d"}, "align"),
        ({"align": "America/New_York@17:00"}, "align"),
        ({"cursor": "x"}, "cursor"),
        ({"format": "xml"}, "format"),
    ],
)
def test_parse_candle_query_refuses_what_does_not_fit(change, field):
    assert [item["field"] for item in details_of({**GOOD, **change})] == [field]


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
        "Invalid timeframe '7m'. Must be one of: "
        "1m, 5m, 15m, 1h, 4h, 12h, 1s, 30m, 1d, 1w"
    )


def test_parse_candle_path_equals_query_form():
    in_path = parse_candle_path("eur/usd", "5m", without("symbol"))

    assert in_path == parse_candle_query(GOOD)


def test_parse_candle_path_ignores_symbol_and_timeframe_of_the_query():
    in_path = parse_candle_path("GBPUSD", "1m", GOOD)

    assert (in_path.symbol, in_path.wanted.timeframe) == ("GBPUSD", Timeframe.M1)
