"""Instruments, brokers and their spellings; plans of clients and their API keys."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models

from marketdata.catalog import InstrumentType

# Separators as in a client's symbol, but longer; a slash only between base and quote.
# `\Z`, because `$` lets a line end pass.
_SPELLING = RegexValidator(
    r"\A[A-Za-z0-9/_.\-]*[A-Za-z0-9][A-Za-z0-9/_.\-]*\Z",
    "Letters and digits, and between them / _ . or -",
)
_PART = RegexValidator(
    r"\A[A-Za-z0-9_.\-]*[A-Za-z0-9][A-Za-z0-9_.\-]*\Z",
    "Letters and digits, and between them _ . or -",
)
_TYPES = [(item.value, item.value) for item in InstrumentType]


class Broker(models.Model):
    """A source of records: a live broker, an archive, or a simulation."""

    name = models.SlugField(primary_key=True, max_length=40)
    title = models.CharField(max_length=80)
    is_simulated = models.BooleanField(default=False)
    is_enabled = models.BooleanField(
        "enabled",
        null=True,
        blank=True,
        choices=[(None, "as configured"), (True, "on"), (False, "off")],
        help_text="Overrides the configuration within 10 s",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Instrument(models.Model):
    """What is traded; ``symbol`` is canonical (`EURUSD`)."""

    symbol = models.CharField(
        max_length=20,
        unique=True,
        validators=[RegexValidator(r"^[A-Z0-9]{1,20}$")],
        help_text="Upper case letters and digits without separators: EURUSD",
    )
    base = models.CharField(
        max_length=20, validators=[_PART], help_text="What is bought: EUR, DEU.IDX"
    )
    quote = models.CharField(
        max_length=12, validators=[_PART], help_text="What it is paid in: USD"
    )
    type = models.CharField(max_length=12, choices=_TYPES)
    decimals = models.PositiveSmallIntegerField(
        validators=[MaxValueValidator(12)], help_text="Decimals of its prices"
    )
    record = models.BooleanField(default=True, help_text="Store its live records")
    broker = models.ForeignKey(
        Broker,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Serves live records where a client names no broker",
    )
    history_broker = models.ForeignKey(
        Broker,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Serves history where a client names no broker",
    )

    class Meta:
        ordering = ["symbol"]

    def __str__(self) -> str:
        return self.symbol

    @property
    def display(self) -> str:
        """The display symbol: EUR/USD."""
        return f"{self.base}/{self.quote}" if self.quote else self.base


class BrokerSymbol(models.Model):
    """A broker's spelling of an instrument, and its integer price scale if any."""

    instrument = models.ForeignKey(
        Instrument, on_delete=models.CASCADE, related_name="broker_symbols"
    )
    broker = models.ForeignKey(Broker, on_delete=models.CASCADE)
    symbol = models.CharField(
        max_length=30,
        validators=[_SPELLING],
        help_text="EUR_USD, btcusdt, XBT/USD; Dukascopy: EUR-USD",
    )
    price_scale = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Points per unit where the broker sends integers (Dukascopy: 100000)",
    )
    first_tick = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Start of the broker's own history, empty: unknown",
    )

    class Meta:
        ordering = ["broker", "symbol"]
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "symbol"], name="broker_symbol_unique"
            ),
            models.UniqueConstraint(
                fields=["instrument", "broker"], name="broker_instrument_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.broker_id}:{self.symbol}"


class ClientPlan(models.Model):
    """What clients may do; `anonymous` is the plan of those without a key.

    The defaults are those of `clients.Plan`.
    """

    name = models.SlugField(primary_key=True, max_length=40)
    subscriptions = models.PositiveIntegerField(
        default=50,
        help_text="Per connection: a symbol in one type, interval and price is one",
    )
    gateway_symbols = models.PositiveIntegerField(
        default=5, help_text="Per connection in the gateway dialect"
    )
    requests_per_s = models.FloatField(
        default=20.0,
        validators=[MinValueValidator(0)],
        help_text="Frames of a connection a second, 0: no limit",
    )
    request_burst = models.PositiveIntegerField(
        default=100, validators=[MinValueValidator(1)], help_text="Frames at once"
    )
    connections = models.PositiveIntegerField(
        default=10, help_text="Of one key, in each web process; 0: no limit"
    )
    since_days = models.PositiveIntegerField(
        default=7, help_text="How far back a subscription may start"
    )
    brokers = ArrayField(
        models.SlugField(max_length=40),
        default=list,
        blank=True,
        help_text="Comma list of brokers, those of history among them; empty: all",
    )
    symbols = ArrayField(
        models.CharField(
            max_length=20,
            validators=[RegexValidator(r"^[A-Z0-9]{1,20}\Z", "A symbol like EURUSD")],
        ),
        default=list,
        blank=True,
        help_text="Comma list of symbols like EURUSD; empty: all",
    )
    is_conflated = models.BooleanField(
        "conflated",
        default=False,
        help_text="Without a wish of the client: the newest record now and then",
    )
    rest_requests_per_min = models.PositiveIntegerField(
        "REST requests a minute",
        default=600,
        help_text="Of one key or address, over all processes; 0: no limit",
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(requests_per_s__gte=0),
                name="plan_requests_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A client's key; only its hash is stored, see `credentials.hash_api_key`."""

    name = models.CharField(
        max_length=80, unique=True, help_text="Who has it; limits count by this name"
    )
    plan = models.ForeignKey(ClientPlan, on_delete=models.PROTECT, related_name="keys")
    prefix = models.CharField(max_length=16, editable=False)
    hashed_key = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    last_used = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="To the minute"
    )
    expires = models.DateTimeField(null=True, blank=True, help_text="Empty: never")
    is_active = models.BooleanField(
        "active", default=True, help_text="Off: refused within 30 s"
    )

    class Meta:
        verbose_name = "API key"
        ordering = ["name"]
        permissions = [
            ("view_connections", "Can see who is connected"),
            ("close_connections", "Can close connections"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"
