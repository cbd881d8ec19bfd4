"""Encodings of the stream dialect: records to finished frames (PROTOCOL 2).

Raw `{"e":"trade","E":1704153600124,"s":"BTCUSDT",...}`, or combined, in the envelope
`{"stream":"btcusdt@trade","data":{...}}`; numbered envelopes go on with
`"seq":1041,"epoch":"2k3x9"`.
"""

import msgspec

from marketdata.catalog import Instrument
from marketdata.encodings import Encoding, Notice
from marketdata.frames.stream_names import Form, Stream, stream_name
from marketdata.frames.stream_payloads import stream_payload
from marketdata.records import Foreign, Record

_encode = msgspec.json.Encoder().encode


class StreamEncoding(msgspec.Struct, frozen=True):
    """The frames of an instrument's topic as one of Binance's streams; see `Encoding`.

    Combined frames are in an envelope with the stream's name; numbered ones have seq
    and epoch in it too.
    """

    form: Form
    is_combined: bool
    is_numbered: bool = False

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
        """Return the frame of a record, None if the stream has none for it."""
        if instrument is None:
            return None
        payload = stream_payload(record, instrument, self.form, number or 0)
        if payload is None:
            return None
        body = _encode(payload)
        if not self.is_combined:
            return body
        name = stream_name(instrument, self.form).encode()
        frame = b'{"stream":"%b","data":%b}' % (name, body)
        if self.is_numbered:
            return _numbered(frame, number, epoch, phase, skipped=skipped)
        return frame

    def notice(self, notice: Notice, instrument: Instrument | None) -> bytes | None:
        """Return None: the dialect has no such frames."""
        return None


class ChannelEncoding(msgspec.Struct, frozen=True):
    """What was published on server B's channels, as it is: it has the envelope."""

    is_numbered: bool = False

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
        """Return what was published; None for records of other kinds."""
        if not isinstance(record, Foreign):
            return None
        if self.is_numbered:
            return _numbered(record.payload, number, epoch, phase, skipped=skipped)
        return record.payload

    def notice(self, notice: Notice, instrument: Instrument | None) -> bytes | None:
        """Return None: the dialect has no such frames."""
        return None


def encoding_of(stream: Stream, *, is_combined: bool, is_numbered: bool) -> Encoding:
    """Return how the stream's records become frames; server B's have one form."""
    if stream.form is None:
        return ChannelEncoding(is_numbered)
    return StreamEncoding(stream.form, is_combined, is_numbered and is_combined)


def _numbered(
    frame: bytes,
    number: int | None,
    epoch: str | None,
    phase: str | None,
    *,
    skipped: int,
) -> bytes:
    """Return the envelope with its place in the topic behind its own keys."""
    place = {"seq": number, "epoch": epoch, "phase": phase, "skipped": skipped or None}
    known = {key: value for key, value in place.items() if value is not None}
    if not known:
        return frame
    return frame.rstrip()[:-1] + b"," + _encode(known)[1:]
