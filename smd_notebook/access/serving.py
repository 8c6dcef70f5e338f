"""What this package's servers have in common: a thread that sleeps until somebody comes, stops at once, and shares its port with nobody."""

from __future__ import annotations

import os
import selectors
import socket
import socketserver
from threading import Thread

__all__ = ["Listener"]


class Listener(socketserver.TCPServer):
    """A server's own thread, to be mixed in before the class that answers.

    `socketserver` looks several times a second whether it shall stop, and whoever stops it waits for that. Here a closing socket wakes it.
    """

    # On Windows this would let another program take a port that is in use (the second is off by default, and in some Pythons was not).
    allow_reuse_address = os.name == "posix"
    allow_reuse_port = False
    timeout = 0  # `handle_request` is called when somebody is there

    def server_bind(self) -> None:
        """Take the port, on Windows against those too who would share it."""
        if exclusive := getattr(socket, "SO_EXCLUSIVEADDRUSE", None):
            self.socket.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        super().server_bind()

    def begin(self, name: str) -> None:
        """Serve from now until `end`.

        Parameters
        ----------
        name : str
            What the thread is called.
        """
        self._bell, self._ear = socket.socketpair()
        self._acceptor = Thread(target=self._accept, name=name, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._ear, selectors.EVENT_READ)
            selector.register(self.socket, selectors.EVENT_READ)
            while all(key.fileobj is self.socket for key, _ in selector.select()):
                self.handle_request()

    def end(self) -> None:
        """Stop listening; connections that are open go on."""
        self._bell.close()
        self._acceptor.join()
        self._ear.close()
        self.server_close()
