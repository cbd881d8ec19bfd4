"""How all processes of the server are, for views: blocks for 3 s at most."""

from collections.abc import Callable

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from marketdata.process_messages import (
    AskFigures,
    FeedFigures,
    Question,
    WebFigures,
)
from marketdata.process_talk import ANSWER_TIMEOUT_S, Asked, ask_processes

log = structlog.get_logger(__name__)


class Processes:
    """The web processes and feeds that answered, and how many did not.

    ``is_known`` is False while Redis is away: then nobody could be asked.
    """

    def __init__(self, asked: Asked | None) -> None:
        answers = asked.answers if asked else []
        self.is_known = asked is not None
        self.silent = asked.silent if asked else 0
        self.webs = [item for item in answers if isinstance(item, WebFigures)]
        self.feeds = {
            item.broker: item for item in answers if isinstance(item, FeedFigures)
        }


def ask(
    question: Callable[[str], Question], *, timeout_s: float | None = None
) -> Asked | None:
    """Ask all processes; None while Redis is away.

    ``question`` makes it of the group for the answers, which are waited for so long.
    """
    try:
        layer = get_channel_layer("control")
        asking = async_to_sync(ask_processes)
        return asking(layer, question, timeout_s=timeout_s or ANSWER_TIMEOUT_S)
    except (RedisError, OSError, TimeoutError) as exc:
        log.warning("processes cannot be asked", error=str(exc))
        return None


def select_processes(*, clients: int = 0, text: str = "") -> Processes:
    """Return how all are now, web processes with some of their clients."""
    return Processes(ask(lambda group: AskFigures(group, clients, text)))
