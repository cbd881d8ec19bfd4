"""JSON text of clients to plain values: whatever is wrong with it is one error."""

from typing import Any

import msgspec

MAX_ERROR_LENGTH = 200  # of the parser's text; it can quote what it found


def decode_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none, or nested too deep; with the parser's own text.
    """
    try:
        return msgspec.json.decode(text)
    except RecursionError as exc:
        raise ValueError("too many levels of nesting") from exc
    except UnicodeEncodeError as exc:
        # Its text quotes all that it could not encode.
        raise ValueError("half of a UTF-16 surrogate pair") from exc
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise ValueError(str(exc)[:MAX_ERROR_LENGTH]) from exc
