"""An inbox for those whose machine the utility can reach: a listener of its own."""

from __future__ import annotations

import hmac
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from smd_notebook.access.files import refuse_open
from smd_notebook.access.notices import MAX_BYTES, Notice, drained, notified
from smd_notebook.access.serving import Listener
from smd_notebook.errors import ConfigurationError, ReadError, warn
from smd_notebook.espi.resources import Secret

__all__ = ["LocalHttps"]

_STALLED = 10.0  # s; whoever sends nothing for so long is let go
_LONGEST = 30.0  # s; and whoever takes so long for a whole notification, however steadily
_MOST_AT_ONCE, _MOST_WAITING = 32, 1000  # connections, and notifications that nobody has asked for yet


class LocalHttps:
    """A listener on this machine, for those whose machine the utility can reach.

    It takes POST requests to one path, answers at once, and keeps what it is told until somebody asks. It needs a certificate that the
    utility trusts for this machine's public name; the network has to let port 443 through to `port`.

    Parameters
    ----------
    certificate, key : str or Path
        PEM files of the certificate that it shows, and of its key.
    passphrase : Secret, optional
        What the key is encrypted with.
    port : int, default 7999
        Where to listen; 0 for any free port.
    host : str, default "0.0.0.0"
        Address to listen at; all of this machine's by default.
    path : str, default "/"
        The path of the registered address. One that cannot be guessed keeps strangers out.
    client_ca : str or Path, optional
        PEM file of authorities; whoever does not show a certificate of theirs is turned away.
    client_names : sequence of str, default ()
        Who may show one: a certificate must have one of these as common name or as DNS name. It goes with `client_ca`, since a public
        authority gives certificates to everybody.

    Raises
    ------
    ConfigurationError
        If a file cannot be used, everybody may read the key and it has no passphrase, only one of `client_ca` and `client_names` is
        given, or the port is taken (on entering).

    Warns
    -----
    SmdWarning
        If strangers can send notifications: the path is ``"/"``, nobody has to show a certificate, and other machines reach it.
    """

    def __init__(
        self,
        certificate: str | Path,
        key: str | Path,
        *,
        passphrase: Secret | None = None,
        port: int = 7999,
        host: str = "0.0.0.0",  # noqa: S104 - the utility comes from outside
        path: str = "/",
        client_ca: str | Path | None = None,
        client_names: Sequence[str] = (),
    ) -> None:
        if isinstance(client_names, str):
            client_names = (client_names,)
        if bool(client_ca) != bool(client_names):
            raise ConfigurationError(
                "client_ca and client_names go together",
                hint="Name the utility as its certificate does: an authority alone lets in everybody that it knows.",
            )
        if not path.startswith("/"):
            raise ConfigurationError(
                "the inbox's path does not begin with /, so no request would ever match it",
                hint='Give the path alone of the registered address, such as path="/notify-7f3a".',
            )
        if passphrase is None:
            refuse_open(Path(key))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # without a passphrase OpenSSL would ask at the terminal, and stop the kernel
            self._context.load_cert_chain(certificate, key, password=lambda: passphrase.reveal() if passphrase else "")
            if client_ca:
                self._context.load_verify_locations(client_ca)
                self._context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ValueError):  # SSLError is an OSError
            raise ConfigurationError(
                "certificate, key or client_ca of the inbox cannot be used",
                hint="They are PEM files; the key must belong to the certificate.",
            ) from None
        self._place, self._path, self._names = (host, port), path, frozenset(name.lower() for name in client_names)
        self._queue: queue.Queue[Notice] = queue.Queue(_MOST_WAITING)
        self._server: _Server | None = None
        if path == "/" and not client_ca and host not in ("127.0.0.1", "::1", "localhost"):
            warn(
                "everybody who finds the port can send notifications here, each of which costs requests: register and give a path such as "
                'path="/notify-7f3a", or client_ca= and client_names='
            )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1]) if self._server else self._place[1]

    def __enter__(self) -> Self:
        try:
            self._server = _Server(self._place, self._context, self._path, self._names, self._queue.put_nowait)
        except OSError as error:
            raise ConfigurationError(
                f"the inbox cannot listen at port {self._place[1]}: {os.strerror(error.errno or 0)}", hint="Choose another: port=."
            ) from None
        self._server.begin("smd inbox")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server:
            self._server.end()
            self._server = None

    def __repr__(self) -> str:
        return f"LocalHttps(port={self.port}, {'listening' if self._server else 'closed'})"

    def wait(self, timeout: float) -> list[Notice]:
        """Return what has come since the last call.

        Parameters
        ----------
        timeout : float
            How long to wait if that is nothing [s].
        """
        return drained(self._queue, timeout)


class _Server(Listener, ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, place: tuple[str, int], context: ssl.SSLContext, path: str, names: frozenset[str], put: Callable[[Notice], None]
    ) -> None:
        super().__init__(place, _Handler)
        self.context, self.path, self.names, self.put = context, path, names, put
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, unless there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that whoever stalls keeps nobody else waiting."""
        request.settimeout(_STALLED)
        with socket.socket(fileno=os.dup(request.fileno())) as same:
            deadline = threading.Timer(_LONGEST, _cut, (same,))
            deadline.daemon = True
            deadline.start()
            try:
                with suppress(OSError), self.context.wrap_socket(request, server_side=True) as secured:
                    _Handler(secured, client_address, self)
            finally:
                deadline.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what strangers send does not belong into a notebook's output."""


def _names_of(connection: ssl.SSLSocket) -> frozenset[str]:
    """Return whom the other side's certificate is for: its common and its DNS names, in lower case."""
    found: dict[str, Any] = connection.getpeercert() or {}
    subject = [pair for part in found.get("subject", ()) for pair in part]
    pairs = (*subject, *found.get("subjectAltName", ()))
    return frozenset(str(value).lower() for kind, value in pairs if kind in ("commonName", "DNS"))


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    connection: ssl.SSLSocket
    server_version, sys_version = "inbox", ""
    timeout = _STALLED

    def do_POST(self) -> None:
        """Take a notification, and answer before anything is fetched."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.send_error(411)
            return
        if len(length) > len(str(MAX_BYTES)) or int(length) > MAX_BYTES:
            self.send_error(413)
            return
        # read before anything is answered: closing over unread bytes would take the answer with it
        body = self.rfile.read(int(length))
        if self.server.names and not self.server.names & _names_of(self.connection):
            self.send_error(403)
            return
        if not hmac.compare_digest(self.path.partition("?")[0].encode(), self.server.path.encode()):
            self.send_error(404)
            return
        try:
            notice = Notice(notified(body), time.time())
        except ReadError:
            self.send_error(400)
            return
        try:
            self.server.put(notice)
        except queue.Full:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing: headers and paths may hold what is secret."""
