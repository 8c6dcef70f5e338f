"""The network guard: nothing leaves this machine, and nothing can hide that it tried."""

from __future__ import annotations

import socket

import pytest

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody is there


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


@pytest.mark.parametrize("call", ["connect", "connect_ex"])
def test_elsewhere_is_closed(call: str) -> None:
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match="reached for the network"):
        getattr(client, call)((ELSEWHERE, 80))


def test_no_datagram_leaves() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(pytest.fail.Exception):
        client.sendto(b"hello", (ELSEWHERE, 9))


def test_no_name_is_looked_up() -> None:
    with pytest.raises(pytest.fail.Exception):
        socket.getaddrinfo("example.org", 443)


def swallow() -> None:
    try:
        socket.create_connection((ELSEWHERE, 80))
    except Exception:  # noqa: BLE001 - as careless as code can be
        return


def test_the_package_cannot_hide_it() -> None:
    with pytest.raises(pytest.fail.Exception):
        swallow()
