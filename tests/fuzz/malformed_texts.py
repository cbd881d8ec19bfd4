"""Frames that are well-formed as WebSocket frames and no sensible requests."""

import json
from random import Random
from typing import Any

from tests.fuzz.violations import BINARY, FIN, PING, PONG, TEXT, frame, text

PATHS = {
    "/": "unified",
    "/ws": "unified",
    "/stream": "stream",
    "/binance/ws": "stream",
    "/binance/stream": "stream",
    "/gateway": "gateway",
}
_UNIFIED = (
    {"action": "subscribe", "symbols": ["EURUSD"], "types": ["tick"], "id": 7},
    {"action": "subscribe", "symbols": ["EUR/USD"], "since": {"epoch": "a", "seq": 1}},
    {"action": "unsubscribe", "symbols": "all"},
    {"action": "list"},
    {"action": "auth", "auth": "nonsense"},
    {"action": "authenticate", "broker": "oanda", "credentials": {"token": "x"}},
)
_STREAM = (
    {"method": "SUBSCRIBE", "params": ["eurusd@bookTicker", "trade@X"], "id": 1},
    {"method": "UNSUBSCRIBE", "params": ["eurusd@kline_1m"], "id": 2},
    {"method": "LIST_SUBSCRIPTIONS", "id": 3},
)
_GATEWAY = (
    {"action": "subscribe", "symbols": ["AAPL"]},
    {"action": "unsubscribe", "symbols": ["AAPL"]},
    {"action": "ping"},
)
_REQUESTS = {"unified": _UNIFIED, "stream": _STREAM, "gateway": _GATEWAY}
# What no dialect takes for JSON, or not for a request.
NONSENSE = (
    "",
    " ",
    "null",
    "true",
    "0",
    "-",
    "1e999",
    "NaN",
    '"subscribe"',
    "[]",
    "{}",
    '{"action"}',
    '{"action":',
    '{"action":null}',
    '{"action":[]}',
    '{"action":"\\ud800"}',
    '{"action":"\\u0000"}',
    '{"action":"subscribe"}',
    '{"method":"subscribe","params":null}',
    '{"action":"subscribe","symbols":"EURUSD"}',
    '{"action":"subscribe","symbols":[null,{},[],1e400]}',
    '{"action":"subscribe","symbols":["' + "X" * 5_000 + '"]}',
    '{"method":"SUBSCRIBE","params":["' + "@" * 5_000 + '"]}',
    '{"method":"SUBSCRIBE","params":["*","channel:trade:*","internal"]}',
    "[" * 5_000,
    '{"a":' * 5_000,
    "9" * 5_000,
    "\x00",
    "\ufeff{}",
    "' OR 1=1 --",
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 2**70, 1.5, "", "x" * 300, "\x00", "💥", [], {}, [[]]),
    *({"epoch": -1}, ["EURUSD"] * 30, list(range(50)), {"a": {"b": {"c": {}}}}),
)


def malformed(path: str, random: Random) -> bytes:
    """Return a frame for a path: nonsense, or a request with something wrong."""
    kind = random.randrange(10)
    if kind == 0:
        return frame(BINARY, random.randbytes(random.randrange(200)))
    if kind == 1:
        # Legal: a message in parts with pings between.
        return (
            frame(TEXT, b'{"act', first=0)
            + frame(random.choice((PING, PONG)), b"p")
            + frame(0, b'ion":5}', first=FIN)
        )
    if kind <= 4:
        return text(random.choice(NONSENSE))
    # Now and then a request of another dialect.
    dialect = PATHS[path] if kind < 9 else random.choice([*_REQUESTS])
    request = random.choice(_REQUESTS[dialect])
    return text(_spoil(request, random))


def _spoil(request: dict[str, Any], random: Random) -> str:
    fields = dict(request)
    match random.randrange(4):
        case 0:
            fields[random.choice([*fields])] = random.choice(VALUES)
        case 1:
            fields.pop(random.choice([*fields]))
        case 2:
            fields[random.choice(("id", "broker", "since", "x"))] = random.choice(
                VALUES
            )
        case _:
            whole = json.dumps(fields)
            place = random.randrange(len(whole))
            return whole[:place] + random.choice('{}[]",:\\x') + whole[place + 1 :]
    return json.dumps(fields)
