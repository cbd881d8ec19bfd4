"""Where the database is, for connections that are not Django's."""

from django.db import connections
from psycopg.conninfo import make_conninfo

# Options of a Django database that are not libpq's.
_DJANGO_OPTIONS = {"pool", "isolation_level", "server_side_binding", "assume_role"}


def conninfo() -> str:
    """Return the connection string of the default database.

    In tests that is the test database, so ask for it when it is used.
    """
    values = connections["default"].settings_dict
    options = {
        name: value
        for name, value in values["OPTIONS"].items()
        if name not in _DJANGO_OPTIONS
    }
    return make_conninfo(
        host=values["HOST"],
        port=values["PORT"],
        user=values["USER"],
        password=values["PASSWORD"],
        dbname=values["NAME"],
        **options,
    )
