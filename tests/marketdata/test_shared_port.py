"""Sockets of one port, without processes."""

import socket

import pytest

from marketdata.shared_port import SharedPort


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_sockets_share_the_port_that_was_free(host):
    port = SharedPort(host, 0)

    with port.bind() as one, port.bind() as other:
        numbers = {item.getsockname()[1] for item in (one, other)}

    assert numbers == {port.number}
    assert port.number > 0
    assert port.host == host
    port.close()


def test_connects_reach_only_sockets_that_listen():
    port = SharedPort("127.0.0.1", 0)
    with port.bind() as idle, port.bind() as listening:
        listening.listen()
        listening.settimeout(5)

        for _ in range(20):
            with socket.create_connection((port.host, port.number), 5):
                listening.accept()[0].close()

        assert idle.getsockname() == listening.getsockname()
    port.close()


@pytest.mark.parametrize("shares", [True, False])
def test_port_on_which_somebody_listens_is_refused(shares):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shares)
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(OSError, match="in use"):
            SharedPort("127.0.0.1", taken.getsockname()[1])
