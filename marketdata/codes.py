"""Codes that clients see: of errors, and of closed connections (PROTOCOL 4 and 8)."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """What was wrong with a request or a session."""

    INVALID_MESSAGE = "INVALID_MESSAGE"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    INVALID_FIELD = "INVALID_FIELD"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    UNKNOWN_BROKER = "UNKNOWN_BROKER"
    NO_BROKER = "NO_BROKER"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    UNSUPPORTED_SINCE = "UNSUPPORTED_SINCE"
    SUBSCRIPTION_LIMIT = "SUBSCRIPTION_LIMIT"
    AUTH_REQUIRED = "AUTH_REQUIRED"
    INVALID_AUTH = "INVALID_AUTH"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_SLOW = "TOO_SLOW"
    BROKER_AUTH_FAILED = "BROKER_AUTH_FAILED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class StatusCode(StrEnum):
    """What a status frame tells that no request asked for."""

    FEED_DOWN = "FEED_DOWN"
    FEED_UP = "FEED_UP"
    GAP = "GAP"
    PARTIAL_HISTORY = "PARTIAL_HISTORY"
    SHUTDOWN = "SHUTDOWN"


class CloseCode(IntEnum):
    """Why we close a WebSocket; 4500-4999 mean "do not reconnect unchanged"."""

    GOING_AWAY = 1001
    MESSAGE_TOO_BIG = 1009
    SERVER_ERROR = 4001
    TOO_SLOW = 4002
    NO_PONG = 4003
    TOKEN_EXPIRED = 4005
    REQUEST_RATE = 4006
    BAD_CREDENTIALS = 4500
    AUTH_REQUIRED = 4501
    MALFORMED = 4502
    CONNECTION_LIMIT = 4503
    FORBIDDEN = 4506
    CLOSED_BY_STAFF = 4507
