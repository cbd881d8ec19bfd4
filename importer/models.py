"""The import ledger: what is known of each hour of a series."""

from django.db import models


class HourState(models.TextChoices):
    """What the last import made of an hour; an hour without a row was never had."""

    STORED = "stored"
    EMPTY = "empty"  # the archive has the hour, and no tick in it
    SUSPECT = "suspect"  # stored, and worth a second look
    FAILED = "failed"  # the archive's file is damaged; nothing of it is stored
    CLOSED = "closed"  # no file, and the market is closed


class ImportHour(models.Model):
    """One hour of a series, written in the transaction that writes its rows.

    ``checksum`` is of the decoded rows, empty where there are none: a re-import that
    finds it equal writes nothing. ``detail`` says why an hour failed.
    """

    pk = models.CompositePrimaryKey("series_id", "hour")
    series_id = models.IntegerField()
    hour = models.DateTimeField()
    state = models.CharField(max_length=8, choices=HourState.choices)
    rows = models.IntegerField(default=0)
    checksum = models.CharField(max_length=64, blank=True, default="")
    source = models.TextField(blank=True, default="")
    detail = models.TextField(blank=True, default="")
    imported_at = models.DateTimeField()

    class Meta:
        db_table = "import_hours"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=HourState.values),
                name="import_hours_state_known",
            ),
            models.CheckConstraint(
                condition=models.Q(rows__gte=0), name="import_hours_rows_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series_id} {self.hour:%Y-%m-%d %H}h {self.state}"
