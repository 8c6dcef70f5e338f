"""Servers that stop at once and share their port with nobody."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from smd_notebook.access.serving import Listener


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Server(Listener, ThreadingHTTPServer):
    daemon_threads = True


def visit(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float | None]]:
    """Return how long each look for visitors may take."""
    found: list[float | None] = []

    class Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
        def select(self, timeout: float | None = None) -> Any:
            found.append(timeout)
            return super().select(timeout)

    monkeypatch.setattr(selectors, "DefaultSelector", Selector)
    return found


def test_it_sleeps_until_somebody_comes_and_stops_though_nobody_does(waits: list[float | None]) -> None:
    server = Server(("127.0.0.1", 0), Handler)
    server.begin("a server under test")
    for _ in range(2):
        assert visit(server.server_port) == 204
    ending = threading.Thread(target=server.end, daemon=True)
    ending.start()
    ending.join(300)
    assert not ending.is_alive()
    assert waits == [None, None, None]  # one look for each visitor, one for the end; none ends by itself
    assert "a server under test" not in {one.name for one in threading.enumerate()}
    with pytest.raises(ConnectionRefusedError):
        visit(server.server_port)


def test_a_port_is_shared_with_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # Windows has an option for that; another stands for it here
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with Server(("127.0.0.1", 0), Handler) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        with pytest.raises(OSError, match="in use"):
            Server(("127.0.0.1", server.server_port), Handler)
