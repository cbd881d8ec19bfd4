"""How long to wait before a request is made again. Pure.

stamina is not used here: one limit covers an hour's requests, their turns and the waits
between them, and each request gets what is left of it, which its contexts do not know.
"""

from dataclasses import dataclass

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 15.0
# What a server may ask for; an hour has some 100 s in all.
MAX_RETRY_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter, within limits; all in seconds."""

    first_s: float = FIRST_DELAY_S
    cap_s: float = MAX_DELAY_S
    retry_after_cap_s: float = MAX_RETRY_AFTER_S

    def delay_s(
        self, failures: int, retry_after_s: float | None, *, random: float
    ) -> float:
        """Return the wait after so many failures in a row (from 1).

        ``random`` is uniform in [0, 1): the wait is in the upper half of the
        exponential value, so that threads which failed together do not come back
        together. What the server asked for, up to its cap, is added.
        """
        # Doubling further would only overflow: 2**20 times any base is over any cap.
        exponential_s = min(self.cap_s, self.first_s * 2 ** min(failures - 1, 20))
        asked_s = min(retry_after_s or 0.0, self.retry_after_cap_s)
        return asked_s + exponential_s * (1 + random) / 2
