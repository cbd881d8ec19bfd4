"""What feeds keep in the database."""

from django.db import models

from marketdata.models import Broker


class LeaseRow(models.Model):
    """The lease of the one process that does something for a broker.

    ``epoch`` is the highest that a process has used: it fences off those before.
    ``renewed`` is by the database's clock; `lease_store` is the only writer.
    """

    broker = models.OneToOneField(
        Broker, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    epoch = models.BigIntegerField(default=0)
    claimed = models.DateTimeField(null=True, help_text="Start of that process")
    holder = models.CharField(
        max_length=300,
        default="",
        blank=True,
        help_text="host:pid:random of the active process; empty: it gave the lease up",
    )
    renewed = models.DateTimeField(null=True, help_text="Last sign of life of it")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.broker_id


class Feed(LeaseRow):
    """A broker's feed, and the lease of the process that is the active one."""


class PrivateFeeds(LeaseRow):
    """The private feeds of a broker, and the lease of the process that serves them."""


class BrokerAccount(models.Model):
    """Our account at a broker; it wins over credentials of the environment."""

    broker = models.OneToOneField(
        Broker, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    encrypted = models.TextField(editable=False, help_text="See `AccountCipher`")
    is_active = models.BooleanField(
        "active", default=True, help_text="Off: the environment's, if there are any"
    )
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["broker"]

    def __str__(self) -> str:
        return self.broker_id
