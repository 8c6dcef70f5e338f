"""Werkzeug's server, mended: it shakes hands in the worker's thread, delays no small packets, writes no log, and leaves nothing behind."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from smd_notebook.access.serving import Listener
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Server"]


class _Handler(WSGIRequestHandler):
    timeout = 30  # of one read or write; who is slower is let go
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as werkzeug calls it
        """Say nothing: request lines hold codes and tokens."""


class Server(Listener, ThreadedWSGIServer):
    """An application at a port of 127.0.0.1, in threads of its own, from now until `close`.

    Parameters
    ----------
    application : WSGI application
        What answers.
    port : int
        Where; 0: wherever there is room.
    context : SSLContext, optional
        For TLS.

    Raises
    ------
    ConfigurationError
        Where there is no such port, or it is taken.
    """

    def __init__(self, application: WSGIApplication, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        if not 0 <= port < 65_536:
            raise ConfigurationError(f"there is no port {port}", hint="Choose one below 65536, or 0.")
        try:
            listener = socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError as error:
            raise ConfigurationError(f"nothing can listen at port {port}: {error.strerror}", hint="Choose another, or 0.") from None
        with listener:  # werkzeug takes a copy; where it opens the port itself, it ends the program when it cannot
            super().__init__("127.0.0.1", port, application, _Handler, fd=listener.fileno())
        self.ssl_context = context  # only now, or werkzeug would shake hands where connections are accepted
        self._lock = Lock()
        self._open: dict[Thread, socket.socket] = {}
        self.begin(f"practice utility, port {self.port}")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread of its own."""
        thread = Thread(target=self._serve, args=(request, client_address), name=f"practice utility, port {self.port}", daemon=True)
        with self._lock:
            self._open[thread] = request
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            request.settimeout(_Handler.timeout)
            if self.ssl_context is not None:
                request = self.ssl_context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open[current_thread()] = request
                request.do_handshake()
            self.finish_request(request, client_address)
        except OSError:  # the other side went away, or showed a certificate that nobody here signed
            pass
        finally:
            if isinstance(request, ssl.SSLSocket):
                with suppress(OSError, ValueError):
                    request.setblocking(False)
                    request.unwrap()  # says goodbye; does not wait for an answer
            self.shutdown_request(request)
            with self._lock:
                del self._open[current_thread()]

    def close(self) -> None:
        """Stop listening, end what is going on, and wait until it has ended."""
        self.end()
        with self._lock:
            left = list(self._open.items())
        for _, connection in left:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread, _ in left:
            thread.join()
