"""Ports to be listened at a while later."""

from __future__ import annotations

import errno
import secrets
import socket


def free_port() -> int:
    """Return a port that nobody has, and nobody gets meanwhile who asks for any: those come from above 32767."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
