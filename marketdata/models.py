"""Instruments, brokers, and how each broker spells an instrument."""

from django.core.validators import MaxValueValidator, RegexValidator
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
