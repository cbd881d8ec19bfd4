"""Frames of the gateway dialect, as bytes: server C's to the letter (COMPAT C-01..08).

`{"type":"success"|"error"|"trade"|"pong",...,"timestamp":1704153600123}`: the server's
clock in integer milliseconds; in a trade when its feed received it.
"""

from typing import Any

import msgspec

from marketdata.catalog import Instrument
from marketdata.encodings import Notice
from marketdata.records import Foreign, Record

_encode = msgspec.json.Encoder().encode
_US_PER_MS = 1_000


class GatewayEncoding(msgspec.Struct, frozen=True):
    """The frames of `channel:trade:<symbol>` on Redis; see `Encoding`.

    What was published is `{"symbol","price","volume","timestamp","conditions"?,
    "exchange"?}`, checked by the feed and without other fields.
    """

    def data(
        self,
        record: Record,
        instrument: Instrument | None,
        *,
        number: int | None,
        epoch: str | None,
        phase: str | None = None,
        skipped: int = 0,
    ) -> bytes | None:
        """Return the trade's frame; None for records of other kinds."""
        if not isinstance(record, Foreign):
            return None
        return b'{"type":"trade","data":%b,"timestamp":%d}' % (
            record.payload,
            record.received_us // _US_PER_MS,
        )

    def notice(self, notice: Notice, instrument: Instrument | None) -> bytes | None:
        """Return None: the dialect has no such frames."""
        return None


GATEWAY_ENCODING = GatewayEncoding()


def encode_success(message: str, data: dict[str, Any], now_us: int) -> bytes:
    """Return the answer to a request that was served."""
    return _encode(
        {
            "type": "success",
            "message": message,
            "data": data,
            "timestamp": now_us // _US_PER_MS,
        }
    )


def encode_error(message: str, now_us: int) -> bytes:
    """Return an error frame."""
    return _encode(
        {"type": "error", "message": message, "timestamp": now_us // _US_PER_MS}
    )


def encode_pong(now_us: int) -> bytes:
    """Return the answer to a ping."""
    return _encode({"type": "pong", "timestamp": now_us // _US_PER_MS})
