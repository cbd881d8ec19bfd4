"""Numbers of records: epoch and number, packed into `seq`.

A topic's records are numbered 1, 2, 3, ... within an epoch; each start of a publisher
begins a higher epoch. Stored rows carry both in one bigint, so that a later record of a
series always has the larger value. Epoch 0 is "not published live": files, back-fill.
"""

# Epochs are seconds since this date, or last known + 1 if that is larger: they rise
# from start to start without asking anyone, and 31 bits last until 2088.
EPOCH_ORIGIN_S = 1_577_836_800  # 2020-01-01T00:00:00Z

_NUMBER_BITS = 32
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def next_epoch(last_known: int, now_s: float) -> int:
    """Return the epoch of a publisher that starts now."""
    return max(last_known + 1, int(now_s) - EPOCH_ORIGIN_S)


def pack(epoch: int, number: int) -> int:
    """Return the `seq` column's value: high 31 bits epoch, low 32 bits number."""
    return epoch << _NUMBER_BITS | number


def unpack(seq: int) -> tuple[int, int]:
    """Return (epoch, number) of a `seq` column's value."""
    return seq >> _NUMBER_BITS, seq & (1 << _NUMBER_BITS) - 1


def epoch_text(epoch: int) -> str:
    """Return the epoch as clients see it: base 36, lower case."""
    text = ""
    while True:
        epoch, digit = divmod(epoch, 36)
        text = _DIGITS[digit] + text
        if not epoch:
            return text


def parse_epoch(text: str) -> int:
    """Return the epoch of its base-36 text; ValueError if it is none."""
    return int(text, 36)
