"""Publishes trades on Redis channels as server C's feeder does.

    python -m benchmarks.fanout.redis_source <port>

Reads lines "<records a second> <symbols> <seconds>", answers "done <records>". The
volume of a trade is the time of sending in us since the epoch.
"""

import socket
import sys
import time

TURN_S = 0.002


def publish(redis: socket.socket, rate: float, symbols: int, seconds: float) -> int:
    """Publish at a rate, round the symbols S0, S1, ...; return how many."""
    count, total, start_s = 0, int(rate * seconds), time.monotonic()
    while count < total:
        due = min(total, int((time.monotonic() - start_s) * rate) + 1)
        commands = b"".join(_command(n % symbols) for n in range(count, due))
        redis.sendall(commands)
        answered = 0
        while answered < due - count:
            answered += redis.recv(1 << 16).count(b"\r\n")
        count = due
        time.sleep(TURN_S)
    return count


def _command(symbol: int) -> bytes:
    now_us = time.time_ns() // 1_000
    body = (
        b'{"symbol":"S%d","price":150.25,"volume":%d,"timestamp":%d,'
        b'"conditions":["@","T"],"exchange":"NASDAQ"}'
    ) % (symbol, now_us, now_us // 1_000)
    channel = b"channel:trade:S%d" % symbol
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
        len(channel),
        channel,
        len(body),
        body,
    )


def main(port: int) -> None:
    """Do what standard input says."""
    with socket.create_connection(("127.0.0.1", port)) as redis:
        redis.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("live", flush=True)
        for line in sys.stdin:
            rate, symbols, seconds = line.split()
            count = publish(redis, float(rate), int(symbols), float(seconds))
            print("done", count, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
