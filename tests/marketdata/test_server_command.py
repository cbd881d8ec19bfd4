"""`python -m marketdata.server` with Daphne's options: TLS, Unix sockets and so on."""

import asyncio
import datetime
import os
import socket
import ssl
import sys
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from msgspec import structs
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from tests.marketdata.polling import until
from tests.marketdata.raw_client import RawClient, read_until
from tests.marketdata.samples import BOOK, tick
from tests.marketdata.server_process import ROOT, Client
from tests.marketdata.test_serve import is_listening

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"
LARGE_BOOK = structs.replace(
    BOOK, bids=tuple((42_000.0 - n / 100, 1.5 + n) for n in range(200))
)


@pytest.fixture
async def publisher():
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    yield Publisher(layer, epoch=7)
    await layer.flush()


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@asynccontextmanager
async def running(*options, application="config.asgi:application", **environment):
    """Run the server's own command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marketdata.server", *options, application),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        env={
            **os.environ,
            "CHANNEL_PREFIX": PREFIX,
            "DATABASE_URL": "",
            "BROKERS_ENABLED": "binance",
            "FEED_SILENT_S": "600",
            **environment,
        },
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def follow(connection, kind="tick"):
    client = Client(connection)
    await client.receive()
    await client.ask(action="subscribe", symbols=["BTCUSDT"], types=[kind])
    return client


# TLS


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1's own: files of the key and of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    key_file, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return key_file, file


class Wire:
    """Passes connections on to a port and keeps what the server sends."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent = b""

    async def serve(self, reader, writer):
        other_reader, other_writer = await asyncio.open_connection(
            "127.0.0.1", self.port
        )
        await asyncio.gather(
            self._pass_on(reader, other_writer, keep=False),
            self._pass_on(other_reader, writer, keep=True),
        )

    async def _pass_on(self, reader, writer, *, keep):
        while data := await reader.read(2**16):
            self.sent += data if keep else b""
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_tls_shows_no_clear_text(port, certificate, publisher):
    key, file = certificate
    endpoint = f"ssl:{port}:interface=127.0.0.1:privateKey={key}:certKey={file}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    context.check_hostname = False
    wire = Wire(port)
    async with running("-e", endpoint):
        await until(lambda: is_listening(port))
        async with await asyncio.start_server(wire.serve, "127.0.0.1", 0) as proxy:
            address = proxy.sockets[0].getsockname()[1]
            async with connect(
                f"wss://127.0.0.1:{address}/", ssl=context, compression=None
            ) as connection:
                client = await follow(connection)
                for start in range(0, 2_000, 100):
                    publisher.publish([tick(n) for n in range(start, start + 100)])
                    await asyncio.sleep(0.001)
                numbers = [(await client.receive())["seq"] for _ in range(2_000)]

    assert numbers == list(range(1, 2_001))
    assert len(wire.sent) > 400_000
    for word in (b"BTC", b"seq", b"type", b"status", b"Upgrade"):
        assert word not in wire.sent


# Other ways in


async def test_unix_socket_is_served(tmp_path, publisher):
    path = tmp_path / "socket"
    async with running("-u", str(path)):
        await until(path.exists)
        async with unix_connect(str(path), uri="ws://localhost/") as connection:
            client = await follow(connection)
            publisher.publish([tick(n) for n in range(500)])

            numbers = [(await client.receive())["seq"] for _ in range(500)]

    assert numbers == list(range(1, 501))


async def test_deflate_is_answered_without_context_takeover(port, publisher):
    async with running("-p", str(port)):
        await until(lambda: is_listening(port))
        url = f"ws://127.0.0.1:{port}/"
        offer = ClientPerMessageDeflateFactory()
        async with (
            connect(url, extensions=[offer], compression=None) as one,
            connect(url, compression=None) as other,
        ):
            clients = [await follow(item, "orderbook") for item in (one, other)]
            for _ in range(3):
                publisher.publish([LARGE_BOOK])

            books = [[await item.receive() for _ in range(3)] for item in clients]

    answer = one.response.headers["Sec-WebSocket-Extensions"]
    assert answer == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    )
    assert "Sec-WebSocket-Extensions" not in other.response.headers
    assert books[0] == books[1]
    assert len(books[0][0]["data"]["data"]["bids"]) == 200


async def test_deflate_with_a_smaller_window_is_not_accepted(port):
    async with running("-p", str(port)):
        await until(lambda: is_listening(port))
        offer = ClientPerMessageDeflateFactory(server_max_window_bits=10)
        async with connect(
            f"ws://127.0.0.1:{port}/", extensions=[offer], compression=None
        ) as connection:
            assert "Sec-WebSocket-Extensions" not in connection.response.headers
            client = Client(connection)
            assert (await client.receive())["type"] == "status"


async def test_large_frames_are_compressed_and_small_ones_are_not(port, publisher):
    async with running("-p", str(port)):
        await until(lambda: is_listening(port))
        client = await RawClient.connect(
            f"127.0.0.1:{port}", "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        )
        await client.ask(action="subscribe", symbols=["BTCUSDT"], types=["orderbook"])
        await read_until(client, b"accepted")
        publisher.publish([LARGE_BOOK])
        await client.read(2)
        head = client.rest
        client.close()

    assert head[0] == 0xC1  # FIN, RSV1, text


# Refusals


async def test_attempt_that_is_not_admitted_is_answered_with_429(port):
    application = "tests.marketdata.picky_application:application"
    async with running("-p", str(port), application=application):
        await until(lambda: is_listening(port))

        url = f"ws://127.0.0.1:{port}/"
        async with connect(url) as connection:
            assert await connection.recv() == "welcome"
        headers = {"X-Real-IP": "10.0.0.1"}
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url, additional_headers=headers)

    response = refusal.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")


async def test_request_that_is_no_handshake_is_refused_and_the_server_lives(port):
    async with running("-p", str(port)):
        await until(lambda: is_listening(port))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")

        answer = await asyncio.wait_for(reader.read(), 60)

        assert answer.startswith(b"HTTP/1.1 400 ")
        async with connect(f"ws://127.0.0.1:{port}/") as connection:
            assert (await Client(connection).receive())["type"] == "status"
        writer.close()
