import csv
import io
import json

import msgspec
import pytest
from msgspec import UNSET

from history.formats import Format, accepted_format, encode_page, tail

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Row(msgspec.Struct):
    time: int
    price: float
    size: float | msgspec.UnsetType = UNSET
    side: str | msgspec.UnsetType = UNSET


PAGES = [
    [[1, 2], [0.1, 1e-7], [1.0, UNSET], ["buy", UNSET]],
    [[3], [2.5], [UNSET], ["sell"]],
]


def body(form, pages=PAGES):
    parts = [
        encode_page(Row, page, form, is_first=number == 0)
        for number, page in enumerate(pages)
    ]
    return b"".join(parts) + tail(form)


def test_encode_page_of_json_is_one_array():
    assert body(Format.JSON) == (
        b'[{"time":1,"price":0.1,"size":1.0,"side":"buy"},{"time":2,"price":1e-7},'
        b'{"time":3,"price":2.5,"side":"sell"}]'
    )
    assert body(Format.PAGE) == body(Format.JSON)


def test_encode_page_of_ndjson_is_a_line_per_row():
    lines = body(Format.NDJSON).decode().splitlines()

    assert [json.loads(line) for line in lines] == json.loads(body(Format.JSON))


def test_encode_page_of_csv_has_one_header_and_empty_unknown_values():
    assert body(Format.CSV) == (
        b"time,price,size,side\n1,0.1,1.0,buy\n2,1e-7,,\n3,2.5,,sell\n"
    )
    rows = list(csv.DictReader(io.StringIO(body(Format.CSV).decode())))
    assert rows[2] == {"time": "3", "price": "2.5", "size": "", "side": "sell"}


def test_encode_page_of_nothing_is_an_empty_body():
    nothing = [[[], [], [], []]]

    assert body(Format.JSON, nothing) == b"[]"
    assert body(Format.NDJSON, nothing) == b""
    assert body(Format.CSV, nothing) == b"time,price,size,side\n"
    assert body(Format.JSON, [*PAGES, *nothing]) == body(Format.JSON)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.JSON),
        ("*/*", Format.JSON),
        ("image/png", Format.JSON),
        ("garbage;;q=x,", Format.JSON),
        ("application/json", Format.JSON),
        ("text/csv", Format.CSV),
        ("TEXT/CSV; header=present", Format.CSV),
        ("application/x-ndjson", Format.NDJSON),
        ("application/ndjson", Format.NDJSON),
        (CHROME, Format.PAGE),
        ("application/json, text/html", Format.JSON),
        ("text/html;q=0.5, text/csv;q=0.6", Format.CSV),
        ("text/csv;q=0", Format.JSON),
        ("text/csv;q=nonsense", Format.JSON),
    ],
)
def test_accepted_format_is_what_the_header_prefers(accept, form):
    assert accepted_format(accept) is form
