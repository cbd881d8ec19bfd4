"""How a feed process is told to end."""

import asyncio
import os
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals(*, deadline_s: int = 0) -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second one kills.

    The process is killed too if it still runs ``deadline_s`` after the first: a thread
    that waits for a database which does not answer would hold it. 0 is no deadline.
    Call it in a running loop.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(deadline_s)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, begin)
    return stop


def signal_at_end_of_input() -> None:
    """Send this process SIGTERM when standard input ends: who held it open is gone.

    A killed supervisor passes no signal on, and a feed that nobody watches would go on
    publishing beside the one that the next supervisor starts.
    """
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(0, look)
