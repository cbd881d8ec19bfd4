"""What REST accepts: query and path parameters, checked and turned into values.

Messages are server A's where its rule still holds (COMPAT A-RE-08). Times in are Unix
seconds or ISO 8601, times inside are microseconds.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import msgspec
from django.conf import settings
from rest_framework import serializers

from history.exceptions import InvalidTimeframe, MissingParameters
from history.timestamps import to_us
from marketdata.exceptions import InvalidSymbol
from marketdata.symbols import canonical
from marketdata.timeframes import STORED, PriceSide, Timeframe

SERVED = tuple(timeframe.value for timeframe in STORED)

# More seconds than this (the year 5138) can only be milliseconds or a slip.
_MAX_SECONDS = 99_999_999_999
_BROKER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_DIGITS = re.compile(r"[0-9]+")
# A plus in a query string arrives as a space: `T09:00:00+01:00` unquoted.
_LOST_PLUS = re.compile(r"(T\S+) (\d\d:?\d\d)")
_MISSING = {"required": "Invalid input: expected string, received undefined"}


class CandleQuery(msgspec.Struct, frozen=True):
    """A checked request for candles.

    Both ends are inclusive on the bucket's start. ``symbol`` is canonical; ``broker``
    is lower case, empty if none was named.
    """

    symbol: str
    timeframe: Timeframe
    start_us: int
    end_us: int
    price_side: PriceSide = PriceSide.MID
    broker: str = ""
    is_full: bool = False


class SymbolField(serializers.Field):
    """A symbol in any spelling; its value is the canonical one."""

    default_error_messages = {
        **_MISSING,
        "invalid": "Symbol must be 1 to 20 letters, digits, '/', '_', '.' or '-' "
        "(e.g., EURUSD)",
    }

    def to_internal_value(self, data: str) -> str:
        """Return the canonical spelling."""
        try:
            return canonical(data)
        except InvalidSymbol:
            return self.fail("invalid")


class TimeField(serializers.Field):
    """A time as Unix seconds or ISO 8601 (UTC where it names no zone), in us."""

    default_error_messages = {
        **_MISSING,
        "invalid": "{name} must be a Unix timestamp in seconds",
        "milliseconds": "{name} must be a Unix timestamp in seconds, "
        "found {digits} digits: divide milliseconds by 1000",
    }

    def to_internal_value(self, data: str) -> int:
        """Return microseconds since the epoch."""
        if _DIGITS.fullmatch(data):
            if len(data) > 11:
                return self.fail("milliseconds", name=self.field_name, digits=len(data))
            return int(data) * 1_000_000
        try:
            time = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", data))
        except ValueError:
            return self.fail("invalid", name=self.field_name)
        time_us = to_us(time if time.tzinfo else time.replace(tzinfo=UTC))
        if not 0 <= time_us <= _MAX_SECONDS * 1_000_000:
            return self.fail("invalid", name=self.field_name)
        return time_us


class OptionField(serializers.Field):
    """One of a closed set of texts; its value is the enum's member."""

    default_error_messages = {
        **_MISSING,
        "invalid": "Invalid option: expected one of {expected}",
    }

    def __init__(self, options: type[Enum], served: tuple[str, ...], **more: Any):
        self.options = options
        self.served = served
        super().__init__(**more)

    def to_internal_value(self, data: str) -> Enum:
        """Return the member with this value."""
        if data not in self.served:
            expected = "|".join(f'"{one}"' for one in self.served)
            return self.fail("invalid", expected=expected)
        return self.options(data)


class BrokerField(serializers.Field):
    """The name of a broker in any case; its value is in lower case."""

    default_error_messages = {**_MISSING, "invalid": "Broker must be a broker's name"}

    def to_internal_value(self, data: str) -> str:
        """Return the name in lower case."""
        return data.lower() if _BROKER.fullmatch(data) else self.fail("invalid")


class Fields(Enum):
    """How much of a candle is answered."""

    FULL = "full"


class MetadataQuerySerializer(serializers.Serializer):
    """Query of `/api/metadata`."""

    symbol = SymbolField(required=False)


class CandleQuerySerializer(serializers.Serializer):
    """Query of `/api/candles`."""

    symbol = SymbolField()
    timeframe = OptionField(Timeframe, SERVED, default=Timeframe.H1)

    def get_fields(self) -> dict[str, serializers.Field]:
        """Return the fields by their names in the query: some are words of Python."""
        sides = tuple(side.value for side in PriceSide)
        return {
            **super().get_fields(),
            "from": TimeField(),
            "to": TimeField(),
            "price": OptionField(PriceSide, sides, default=PriceSide.MID),
            "broker": BrokerField(default=""),
            "fields": OptionField(Fields, ("full",), default=None),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check the range."""
        if attrs["from"] >= attrs["to"]:
            raise serializers.ValidationError(
                "from timestamp must be before to timestamp"
            )
        if attrs["to"] - attrs["from"] > settings.MAX_RANGE_DAYS * 86_400_000_000:
            days = settings.MAX_RANGE_DAYS
            limit = "1 year" if days == 365 else f"{days} days"
            raise serializers.ValidationError(f"Date range cannot exceed {limit}")
        return attrs


def parse_symbol(params: Mapping[str, str]) -> str:
    """Return the canonical symbol of a metadata query, empty if it names none.

    Raises:
        serializers.ValidationError: it cannot be a symbol.
    """
    serializer = MetadataQuerySerializer(data=dict(params.items()))
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data.get("symbol", "")


def parse_candle_query(params: Mapping[str, str]) -> CandleQuery:
    """Return the query of the form `/api/candles?symbol&timeframe&from&to`.

    Raises:
        serializers.ValidationError: naming every field that is wrong.
        InvalidTimeframe: a timeframe that exists and is not served.
    """
    timeframe = params.get("timeframe", "")
    if timeframe not in SERVED and timeframe in {item.value for item in Timeframe}:
        raise InvalidTimeframe(timeframe, SERVED)
    serializer = CandleQuerySerializer(data=dict(params.items()))
    serializer.is_valid(raise_exception=True)
    values = serializer.validated_data
    return CandleQuery(
        symbol=values["symbol"],
        timeframe=values["timeframe"],
        start_us=values["from"],
        end_us=values["to"],
        price_side=values["price"],
        broker=values["broker"],
        is_full=values["fields"] is Fields.FULL,
    )


def parse_candle_path(
    symbol: str, timeframe: str, params: Mapping[str, str]
) -> CandleQuery:
    """Return the query of the form `/api/candles/{symbol}/{timeframe}?from&to`.

    Raises:
        MissingParameters: an end of the range is absent.
        InvalidTimeframe: the timeframe is not served.
        serializers.ValidationError: as for the other form.
    """
    if not params.get("from") or not params.get("to"):
        raise MissingParameters
    if timeframe not in SERVED:
        raise InvalidTimeframe(timeframe, SERVED)
    return parse_candle_query(
        {**dict(params.items()), "symbol": symbol, "timeframe": timeframe}
    )
