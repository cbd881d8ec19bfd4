"""A column of times: stretches without overlaps, in PostgreSQL's `tstzmultirange`."""

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class TimeRangesField(models.Field):
    """Any number of [start, end) in ascending order; psycopg's `Multirange`."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return PostgreSQL's type; Django has no field of it."""
        return "tstzmultirange"
