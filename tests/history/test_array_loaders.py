import numpy as np
import psycopg
import pytest
from django.db import connection

from history.array_loaders import decode_array, register_array_loaders
from history.database_address import conninfo

pytestmark = pytest.mark.django_db


@pytest.fixture
def database():
    with psycopg.connect(conninfo(), autocommit=True) as own:
        register_array_loaders(own)
        yield own


@pytest.mark.parametrize(
    ("expression", "values", "kind"),
    [
        ("ARRAY[1.5, -2]::float8[]", [1.5, -2.0], np.float64),
        ("ARRAY[1, -2]::int8[]", [1, -2], np.int64),
        ("ARRAY[1, -2]::int4[]", [1, -2], np.int32),
        ("ARRAY[1, -2]::int2[]", [1, -2], np.int16),
        ("ARRAY[TRUE, FALSE]", [True, False], np.bool_),
        ("ARRAY[]::float8[]", [], np.float64),
        (
            "ARRAY['1970-01-01 00:00:00.000001+00', '2024-01-02+00']::timestamptz[]",
            [1, 1_704_153_600_000_000],
            np.int64,
        ),
    ],
)
def test_arrays_of_numbers_are_numpy_arrays(database, expression, values, kind):
    found = database.execute(f"SELECT {expression}", binary=True).fetchone()[0]

    assert found.tolist() == values
    assert found.dtype == kind


def test_decode_array_with_null_raises(database):
    assert connection.vendor == "postgresql"

    with pytest.raises(ValueError, match="without NULL"):
        database.execute("SELECT ARRAY[1, NULL]::int8[]", binary=True).fetchone()


def test_decode_array_of_an_empty_one_keeps_the_type():
    assert decode_array(b"\0" * 12, ">f8").dtype == np.float64
