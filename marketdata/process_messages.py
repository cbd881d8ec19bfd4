"""Questions to all processes of the server, and their answers: what the admin shows.

They go over the encrypted layer `control`. Every web process and every feed hears a
question on `QUESTIONS`; those whom it concerns answer on the group that it names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from marketdata.exceptions import InvalidLayerMessage
from marketdata.metric_families import Family

QUESTIONS = "md.questions"
_BODY = "body"


class AskFigures(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="ask"):
    """How are you? Web processes also list up to ``clients`` of their clients.

    Those whose address, name, plan or path has ``text`` in it, worst first.
    """

    reply_to: str
    clients: int = 0
    text: str = ""


class AskClose(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="close"):
    """Close one client of one web process, which answers with `Closed`."""

    reply_to: str
    process: str
    client: int


class AskMetrics(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="ask-m"):
    """What have you counted? For Prometheus."""

    reply_to: str


class ClientFigures(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A WebSocket of a web process; ``number`` is its own there.

    ``name`` is empty for anonymous clients. ``behind_s`` is for how long the socket has
    not taken all that was sent, 0 if it has. ``skipped`` counts records that conflation
    left out, ``since_s`` is Unix time.
    """

    number: int
    address: str
    name: str
    plan: str
    path: str
    dialect: str
    subscriptions: int
    sent: int
    queued_bytes: int
    behind_s: float
    skipped: int
    since_s: float


class WebFigures(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="web"):
    """A web process; ``process`` names it among all that run.

    ``sent_per_s`` are frames to clients over the last seconds. ``listed`` are at most
    as many clients as were asked for, of the ``matching`` ones.
    """

    process: str
    host: str
    pid: int
    uptime_s: float
    clients: int
    subscriptions: int
    sent: int
    sent_per_s: float
    queued_bytes: int
    matching: int = 0
    listed: Sequence[ClientFigures] = ()


class FeedFigures(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="feed"):
    """The active process of a broker's feed.

    Rates are of the last seconds. ``age_s`` is how long ago the last record came, and
    ``lag_s`` how much later than it happened, None before the first; ``held`` are rows
    that the database does not have yet.
    """

    broker: str
    holder: str
    state: str
    instruments: int
    records: int
    records_per_s: float
    stored_per_s: float
    reconnects: int
    held: int = 0
    age_s: float | None = None
    lag_s: float | None = None


class ProcessMetrics(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag="metrics"
):
    """The metrics of a process; ``labels`` name it: its role, host and process id."""

    labels: dict[str, str]
    families: Sequence[Family]


class Closed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="closed"):
    """The client, as it was when the process closed it; None if it had left."""

    process: str
    client: ClientFigures | None


Question = AskFigures | AskClose | AskMetrics
Answer = WebFigures | FeedFigures | Closed | ProcessMetrics

_encoder = msgspec.msgpack.Encoder()
_questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode_process(message: Question | Answer) -> dict[str, Any]:
    """Return the layer message; ``type`` is there because Channels wants one."""
    return {"type": "market", _BODY: _encoder.encode(message)}


def decode_question(message: Mapping[str, Any]) -> Question:
    """Return what a layer message asks.

    Raises:
        InvalidLayerMessage: it is no question.
    """
    return _decode(_questions, message)


def decode_answer(message: Mapping[str, Any]) -> Answer:
    """Return what a layer message answers.

    Raises:
        InvalidLayerMessage: it is no answer.
    """
    return _decode(_answers, message)


def _decode(decoder: Any, message: Mapping[str, Any]) -> Any:
    try:
        return decoder.decode(message[_BODY])
    except (KeyError, TypeError, msgspec.DecodeError) as exc:
        raise InvalidLayerMessage(repr(exc)) from exc
