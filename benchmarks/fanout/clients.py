"""A WebSocket client of the load generator, on a raw socket."""

import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.fanout.streams import CLOSE, PING, Stream, next_frame

_BUFFER = bytearray(1 << 18)
_VIEW = memoryview(_BUFFER)
_KEY = "x3JJHMbDL1EzLkh9GBhXDw=="


class Request(NamedTuple):
    """How a client connects and follows: path, frames to send, the reply's mark.

    ``reply`` None: what comes after the handshake are data.
    """

    path: str
    texts: Sequence[str] = ()
    reply: bytes | None = None


class Client:
    """One connection. ``ready_s`` is when it was served, 0 until then."""

    __slots__ = (
        "close_code",
        "is_closed",
        "is_paused",
        "offset",
        "ready_s",
        "sock",
        "_head",
        "_is_open",
        "_request",
        "_stream",
        "_tail",
    )

    def __init__(
        self, sock: socket.socket, request: Request, stream: Stream | None
    ) -> None:
        self.sock = sock
        self.offset = 0
        self.ready_s = 0.0
        self.is_closed = False
        self.is_paused = False
        self.close_code: int | None = None
        self._request = request
        self._stream = stream
        self._is_open = False
        self._head = b""
        self._tail = b""

    def greet(self) -> None:
        """Shake hands; everything else follows from what comes."""
        self.sock.send(
            f"GET {self._request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {_KEY}"
            "\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def read(self) -> None:
        """Take what there is: of a followed topic, compare it with what others got."""
        try:
            size = self.sock.recv_into(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.is_closed = True
            return
        stream = self._stream
        if not self.ready_s:
            self._read_head(bytes(_VIEW[:size]))
        elif stream is None:
            return
        else:
            before = self.offset
            if not self._tail and stream.bytes.startswith(_VIEW[:size], before):
                self.offset += size
            else:
                self._read_frames(stream, bytes(_VIEW[:size]))
            stream.reads.extend((before, self.offset, time.time_ns() // 1_000))

    def send(self, text: str, *, opcode: int = 0x1) -> None:
        """Send a short frame; its mask of zeros leaves the payload as it is."""
        payload = text.encode()
        size = len(payload)
        length = (
            bytes((0x80 | size,))
            if size < 126
            else b"\xfe" + size.to_bytes(2)
        )  # fmt: skip
        self.sock.send(bytes((0x80 | opcode,)) + length + bytes(4) + payload)

    def _read_head(self, data: bytes) -> None:
        self._head += data
        if not self._is_open:
            head, found, rest = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise ConnectionError(head.decode("latin1"))
            self._is_open, self._head = True, rest
            for text in self._request.texts:
                self.send(text)
        reply = self._request.reply
        while reply is not None:
            frame = next_frame(self._head, 0)
            if frame is None:
                return
            answer, self._head = self._head[: frame.end], self._head[frame.end :]
            if b'"error"' in answer:
                raise ConnectionError(answer.decode("latin1"))
            reply = None if reply in answer else reply
        self.ready_s = time.monotonic()
        if self._head and self._stream is not None:
            self._read_frames(self._stream, self._head)
        self._head = b""

    def _read_frames(self, stream: Stream, data: bytes) -> None:
        start = stream.start_of_frame(self.offset)
        data = (self._tail or bytes(stream.bytes[start : self.offset])) + data
        place = 0
        while frame := next_frame(data, place):
            text = data[place : frame.end]
            if not stream.is_noise(data, frame):
                start = stream.take(start, text)
            elif frame.opcode == PING:
                self.send(data[frame.payload : frame.end].decode(), opcode=0xA)
            elif frame.opcode == CLOSE:
                self.close_code = int.from_bytes(text[2:4])
            place = frame.end
        rest = data[place:]
        is_known = stream.bytes.startswith(rest, start)
        self._tail = b"" if is_known else rest
        self.offset = start + len(rest) if is_known else start
