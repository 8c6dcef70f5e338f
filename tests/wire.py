"""A real TLS server on loopback that answers byte by byte as a test wants it."""

from __future__ import annotations

import atexit
import contextlib
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Self

import trustme

from smd_notebook.access.credentials import Credentials
from smd_notebook.access.custodian import Custodian, Limits
from smd_notebook.espi.resources import Secret

#: What a server sends: bytes to keep the connection after, or pieces to close it after.
Answer = bytes | Iterator[bytes]
SECRET, CODE, REFRESH, BEARER = "CANARY-client-secret", "CANARY-code", "CANARY-refresh-1", "CANARY-bearer"


@cache
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@cache
def folder() -> Path:
    """Hold PEM files for a whole run: the authority, the third party's certificate and key."""
    where = Path(mkdtemp(prefix="smd-wire-"))
    atexit.register(rmtree, where, ignore_errors=True)
    authority().cert_pem.write_to_path(str(where / "ca.pem"))
    mine = authority().issue_cert("third-party.example")
    mine.private_key_pem.write_to_path(str(where / "key.pem"))
    (where / "key.pem").chmod(0o600)
    mine.cert_chain_pems[0].write_to_path(str(where / "cert.pem"))
    return where


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: str
    certificate: bool


@dataclass
class Server:
    answer: Callable[[Request], Answer]
    mutual: bool = True
    tls: bool = True
    name: str = "localhost"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    over: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(self.name).configure_cert(self._context)
        if self.mutual:
            authority().configure_trust(self._context)
            self._context.verify_mode = ssl.CERT_OPTIONAL
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.close()

    def url(self, path: str = "") -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}{path}"

    def _listen(self) -> None:
        while True:
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def arrived(self, number: int) -> None:
        """Wait until so many requests have come: who asked may be gone before they have."""
        until = time.monotonic() + 300
        while len(self.requests) < number and time.monotonic() < until:
            time.sleep(0.01)

    def settle(self) -> None:
        """Wait until nothing that was asked is under way any more, when all who asked are gone."""
        while len(self.over) < self.connections:
            time.sleep(0.01)

    def _serve(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with contextlib.suppress(OSError, ValueError):
                one = self._secured(plain) if self.tls else plain
                self._open.append(one)
                with one, one.makefile("rb") as file:
                    while self._exchange(one, file):
                        pass
        finally:
            self.over.append(plain)

    def _secured(self, plain: socket.socket) -> socket.socket:
        one = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        try:
            one.do_handshake()
        except OSError:  # close gently: a reset would overtake the alert
            with socket.socket(fileno=one.detach()) as rest, contextlib.suppress(OSError):
                rest.shutdown(socket.SHUT_WR)
                while rest.recv(65536):
                    pass
            raise
        return one

    def _exchange(self, one: Any, file: Any) -> bool:
        """Answer one request; return whether the connection is kept."""
        line = file.readline().decode().split()
        if not line:
            return False
        headers = {}
        while (text := file.readline().decode().strip()) != "":
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        body = file.read(length).decode()
        if len(body) < length:  # whoever asked was killed meanwhile
            return False
        request = Request(line[0], line[1], headers, body, bool(self.tls and one.getpeercert(True)))
        self.requests.append(request)
        sent = self.answer(request)
        if isinstance(sent, bytes):
            one.sendall(sent)
            return True
        for piece in sent:
            one.sendall(piece)
        return False


def reply(status: int = 200, body: str | bytes = b"", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def custodian_at(server: Server, **given: Any) -> Custodian:
    return Custodian(
        **{
            "name": "wire",
            "token_endpoint": server.url("/oauth/token"),
            "resource_endpoint": server.url("/espi/1_1/resource"),
            "authorization_endpoint": server.url("/authorize"),
            "mutual_tls": True,
            "ca_bundle": str(folder() / "ca.pem"),
            "limits": Limits(None, None, None),
            **given,
        }
    )


def credentials(**given: Any) -> Credentials:
    return Credentials(
        **{
            "client_id": "third-party",
            "client_secret": Secret(SECRET),
            "certificate": folder() / "cert.pem",
            "key": folder() / "key.pem",
            **given,
        }
    )


def shown_by(error: BaseException) -> str:
    """Return all that a verbose traceback shows of an error beyond the tests: its text, and every local variable on its way."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).parent != Path(__file__).parent
    ]
    stack = traceback.StackSummary.extract(iter(frames), capture_locals=True)
    assert stack
    assert error.__cause__ is error.__context__ is None
    return "".join(stack.format()) + str(error) + repr(vars(error))
