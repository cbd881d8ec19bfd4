import asyncio

from brokers.binance.connection import Connection
from brokers.binance.messages import Ack
from tests.marketdata.polling import until


class Socket:
    """Takes requests; nobody reads them."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def send(self, request: bytes) -> None:
        self.sent.append(request)


async def test_end_of_a_connection_in_the_turn_of_a_reply_is_not_forgotten() -> None:
    streams = {"btcusdt@trade": None}
    connection = Connection("ws://unused", streams, lambda streams: None)
    socket = Socket()
    subscribing = asyncio.create_task(connection._subscribe(socket))
    await until(lambda: socket.sent)

    connection.note_reply(Ack(1))
    subscribing.cancel()
    await asyncio.wait([subscribing], timeout=5)

    assert subscribing.cancelled()
