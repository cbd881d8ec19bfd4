"""Opens streams with one account, and finds out which instruments it may see."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

import aiohttp
import structlog

from brokers.exceptions import FeedRefused, FeedUnauthorized
from brokers.oanda.access import Access
from brokers.oanda.limits import StreamLimits
from brokers.oanda.messages import BROKER
from brokers.oanda.stream import Stream, open_stream
from brokers.oanda.unknown import find_unknown

log = structlog.get_logger(__name__)


class StreamOpener:
    """Opens streams; ``unknown`` are instruments that the account was refused.

    ``access`` None: there are no credentials, and nothing is ever requested.
    """

    def __init__(
        self, access: Access | None, limits: StreamLimits, silence_s: float
    ) -> None:
        self.unknown: set[str] = set()
        self._access = access
        self._limits = limits
        self._silence_s = silence_s

    async def open(
        self, session: aiohttp.ClientSession, instruments: tuple[str, ...]
    ) -> Stream:
        """Return the instruments' stream; see ``open_stream``."""
        if self._access is None:
            raise FeedUnauthorized(401, "there are no OANDA credentials")
        return await open_stream(
            session,
            self._access,
            instruments,
            self._limits,
            silence_s=self._silence_s,
        )

    async def open_known(
        self, session: aiohttp.ClientSession, wanted: tuple[str, ...]
    ) -> Stream:
        """Return the stream of those of the instruments that the account may see.

        Raises:
            FeedLost: as ``open_stream``, also if it is not for the instruments.
        """
        try:
            return await self.open(session, wanted)
        except FeedRefused as exc:
            if exc.status != HTTPStatus.BAD_REQUEST or len(wanted) == 1:
                raise
            unknown = await find_unknown(wanted, partial(self._is_taken, session))
            known = tuple(name for name in wanted if name not in unknown)
            if not unknown or not known:
                raise
        log.warning("instruments refused", broker=BROKER, instruments=sorted(unknown))
        self.unknown |= unknown
        return await self.open(session, known)

    async def _is_taken(
        self, session: aiohttp.ClientSession, instruments: Sequence[str]
    ) -> bool:
        try:
            stream = await self.open(session, tuple(instruments))
        except FeedRefused as exc:
            if exc.status != HTTPStatus.BAD_REQUEST:
                raise
            return False
        stream.close()
        return True
