"""The import ledger, what is known of each hour of a series; and import jobs."""

from django.db import models


class HourState(models.TextChoices):
    """What the last import made of an hour; an hour without a row was never had."""

    STORED = "stored"
    EMPTY = "empty"  # the archive has the hour, and no tick in it
    SUSPECT = "suspect"  # no file or no tick, the market open, and ticks around it
    FAILED = "failed"  # no good file to be had; nothing of it is stored
    CLOSED = "closed"  # no file, and the market is closed
    DROPPED = "dropped"  # was stored; the retention removed its rows on purpose


class ImportHour(models.Model):
    """One hour of a series, written in the transaction that writes its rows.

    ``checksum`` is of the decoded rows, empty where there are none: a re-import that
    finds it equal writes nothing. ``detail`` says why an hour failed, or what was
    dropped from it. ``tries`` counts the imports that found an hour without ticks.
    """

    pk = models.CompositePrimaryKey("series_id", "hour")
    series_id = models.IntegerField()
    hour = models.DateTimeField()
    state = models.CharField(max_length=8, choices=HourState.choices)
    rows = models.IntegerField(default=0)
    checksum = models.CharField(max_length=64, blank=True, default="")
    source = models.TextField(blank=True, default="")
    detail = models.TextField(blank=True, default="")
    tries = models.SmallIntegerField(default=1)
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


class JobKind(models.TextChoices):
    """What a job does with the hours of its range."""

    IMPORT = "import"  # those that are not had
    REPAIR = "repair"  # those that are damaged, too


class JobState(models.TextChoices):
    """How far a job is. HOLES is DONE but for some hours."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    HOLES = "holes"
    FAILED = "failed"
    STOPPED = "stopped"


class ImportJob(models.Model):
    """An import of one series in the background: what is to be done, and how it goes.

    This row is the truth; a message in the queue only says that somebody should look
    at it. Hours before ``position`` are through. ``lease_until`` is renewed by the
    worker while it runs the job, and put off by whoever sends a message: a job whose
    lease has expired has neither. ``claims`` tells a worker whether the job is still
    its own; ``deaths`` counts the workers in a row that died on it or took too long.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8, choices=JobKind.choices)
    symbol = models.CharField(max_length=20)
    start = models.DateTimeField()
    end = models.DateTimeField(help_text="excluded")
    source = models.TextField()
    options = models.JSONField(default=dict, blank=True)
    requested_by = models.CharField(max_length=150, blank=True, default="")

    state = models.CharField(
        max_length=8, choices=JobState.choices, default=JobState.QUEUED
    )
    is_stop_requested = models.BooleanField(default=False)
    lease_until = models.DateTimeField()
    claims = models.IntegerField(default=0)
    deaths = models.SmallIntegerField(default=0)

    position = models.DateTimeField(null=True, blank=True)
    hours_done = models.IntegerField(default=0)
    hours_total = models.IntegerField()
    ticks = models.BigIntegerField(default=0)
    holes = models.IntegerField(default=0)
    hole_list = models.JSONField(default=list, blank=True)
    detail = models.TextField(blank=True, default="")
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "import_jobs"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=models.Q(state__in=["queued", "running"]),
                name="import_jobs_active",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=JobState.values),
                name="import_jobs_state_known",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=JobKind.values),
                name="import_jobs_kind_known",
            ),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")),
                name="import_jobs_range_not_empty",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol} {self.start:%Y-%m-%d} ({self.state})"
