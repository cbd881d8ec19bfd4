"""Ports: choosing one, and naming who holds one."""

import os
import socket

import pytest

from services import ports
from services.errors import PortTakenError, ServicesError

SETTING = "SERVICES_TEST_PORT"


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_parse_listeners_connected_socket_is_left_out():
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    listening = (
        "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000"
        "   101        0 67890 1 0000000000000000 100 0 0 10 0"
    )
    connected = listening.replace(" 0A ", " 01 ")

    found = ports.parse_listeners([head, listening, connected])

    assert found == [ports.Listener(port=5432, uid=101, inode="67890")]


def test_describe_owner_own_socket_names_pid_and_command(taken_port):
    command = ports.command_name(os.getpid())

    assert ports.describe_owner(taken_port) == f"process {os.getpid()} ({command})"


def test_choose_fixed_port_taken_raises_with_owner_and_setting(taken_port, monkeypatch):
    monkeypatch.setenv(SETTING, str(taken_port))

    with pytest.raises(PortTakenError) as caught:
        ports.choose(SETTING, None)

    assert caught.value.code == "port_taken"
    assert f"expected port {taken_port} ({SETTING}) to be free" in str(caught.value)
    assert f"found process {os.getpid()} (" in str(caught.value)


def test_choose_kept_port_taken_gives_another(taken_port):
    chosen = ports.choose(SETTING, taken_port)

    assert chosen != taken_port
    assert chosen in ports.AUTOMATIC_PORTS


def test_choose_kept_port_free_is_kept():
    kept = ports.find_free()

    assert ports.choose(SETTING, kept) == kept


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "54 32"])
def test_fixed_port_no_port_number_raises(text, monkeypatch):
    monkeypatch.setenv(SETTING, text)

    with pytest.raises(ServicesError) as caught:
        ports.fixed_port(SETTING)

    assert str(caught.value) == f"expected a port 1-65535 in {SETTING}, found {text!r}"
