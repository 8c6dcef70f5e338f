"""How the utility's answer comes back from the browser to the notebook: by a listener, through a hub's proxy, or pasted."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from smd_notebook.access.client import Client
from smd_notebook.access.custodian import is_loopback
from smd_notebook.access.serving import Listener
from smd_notebook.espi.resources import Secret

__all__ = ["Loopback", "PasteBack", "ProxiedLoopback", "receiver_for"]

#: Takes the query that the browser brought.
Take = Callable[[Secret], None]
#: Is told that nobody listens any more.
Lost = Callable[[], object]

_SCRIPT = "history.replaceState(null, '', location.pathname)"
_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_STYLE = ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem}"
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; script-src 'sha256-{_HASH}'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
#: An answer has one of these in it; a browser that looks for an icon has none.
_ANSWERS = {"code", "authorization_code", "error"}
_THROUGH_PROXY = re.compile(r"/proxy/(\d{1,5})(/[^?#]*)?$")


def _page(title: str, text: str) -> bytes:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><script>{_SCRIPT}</script></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>"
    ).encode()


class PasteBack:
    """Nothing listens: a person copies the address that the browser shows in the end.

    The only way where the registered address leads elsewhere: on Binder, and with a website of your own or the relay page.

    Parameters
    ----------
    base_url : str
        The path under which a hub serves this notebook, such as ``/user/me/``; empty where there is no hub.
    """

    listens = False
    redirect_uri: str | None = None

    def __init__(self, base_url: str = "") -> None:
        self._base = base_url if not base_url or base_url.endswith("/") else f"{base_url}/"

    def open(self, take: Take, lost: Lost | None = None) -> None:
        """Begin to listen; here, do nothing.

        Parameters
        ----------
        take : callable
            Is given the query of the answer, in a thread.
        lost : callable, optional
            Is told when another one takes the port over.
        """

    def close(self) -> None:
        """Stop listening. Doing it twice is no error."""

    def reach(self, link: str) -> str:
        """Return how the browser gets to an address: behind a hub, this machine's own ports are reached through its proxy.

        Parameters
        ----------
        link : str
            An address as the kernel knows it.

        Examples
        --------
        >>> PasteBack("/user/me/").reach("http://127.0.0.1:4711/myAuthorization?state=x")
        '/user/me/proxy/4711/myAuthorization?state=x'
        >>> PasteBack("/user/me/").reach("https://sharemydata.pge.com/myAuthorization")
        'https://sharemydata.pge.com/myAuthorization'
        """
        if not self._base or not is_loopback(link):
            return link
        parts = urlsplit(link)
        return f"{self._base}proxy/{parts.port or 80}{parts.path}" + (f"?{parts.query}" if parts.query else "")


class Loopback(PasteBack):
    """A listener on this machine, for a browser on this machine.

    It takes GET requests to one path, answers with a page that says that the tab may be closed, and keeps and shows nothing of the request.

    Parameters
    ----------
    port : int
        Where to listen; 0 for any free port.
    path : str
        The path of the redirect address.
    redirect_uri : str, optional
        The address as it is registered; by default ``http://127.0.0.1:{port}{path}``.
    base_url : str
        As for `PasteBack`.

    Examples
    --------
    >>> answers = []
    >>> receiver = Loopback()
    >>> receiver.open(answers.append)
    >>> receiver.redirect_uri  # doctest: +ELLIPSIS
    'http://127.0.0.1:.../callback'
    >>> receiver.close()
    """

    listens = True
    #: Who listens at which port: a cell that is run again takes its port over.
    _open: ClassVar[dict[int, tuple[Loopback, Lost | None]]] = {}

    def __init__(self, port: int = 0, path: str = "/callback", *, redirect_uri: str | None = None, base_url: str = "") -> None:
        super().__init__(base_url)
        self._port, self._path, self._registered = port, path, redirect_uri
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1]) if self._server else self._port

    @property
    def redirect_uri(self) -> str:  # type: ignore[override]  # what PasteBack does not have
        """The address that the utility sends the browser to."""
        return self._registered or f"http://127.0.0.1:{self.port}{self._path}"

    def open(self, take: Take, lost: Lost | None = None) -> None:
        """Begin to listen.

        Parameters
        ----------
        take : callable
            Is given the query of each answer, in a thread.
        lost : callable, optional
            Is told when another one takes the port over.

        Raises
        ------
        OSError
            Where the port is taken by another program.
        """
        self.close()
        if before := self._open.pop(self._port, None):
            before[0].close()
            if before[1]:
                before[1]()
        self._server = _Server(self._port, self._path, take)
        self._open[self.port] = self, lost
        self._server.begin("smd redirect")

    def close(self) -> None:
        """Stop listening. Doing it twice is no error."""
        server, self._server = self._server, None
        if server:
            self._open.pop(int(server.server_address[1]), None)
            server.end()


class ProxiedLoopback(Loopback):
    """A listener that the browser reaches through a hub's proxy (jupyter-server-proxy), under ``{base_url}proxy/{port}/``.

    Parameters
    ----------
    base_url : str
        The path under which the hub serves this notebook, such as ``/user/me/``.
    port : int
        Where to listen. A registered address names it, so it has to be a fixed one there.
    path : str
        The path of the redirect address below the port.
    redirect_uri : str, optional
        The address as it is registered, such as ``https://hub.example/user/me/proxy/8765/callback``.
    """

    def __init__(self, base_url: str, port: int = 0, path: str = "/callback", *, redirect_uri: str | None = None) -> None:
        super().__init__(port, path, redirect_uri=redirect_uri, base_url=base_url)


def receiver_for(client: Client) -> PasteBack:
    """Return the receiver that fits the registered redirect address, and the place where the kernel runs.

    Parameters
    ----------
    client : Client
        Whose.
    """
    base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    registered = client.credentials.redirect_uri or ""
    if client.custodian.local:  # a practice utility sends its customers to any port of this machine
        return ProxiedLoopback(base) if base else Loopback()
    parts = urlsplit(registered)
    if base and (found := _THROUGH_PROXY.search(parts.path)):
        return ProxiedLoopback(base, int(found[1]), found[2] or "/", redirect_uri=registered)
    if not base and parts.scheme == "http" and (parts.port or 0) >= 1024 and is_loopback(registered):
        return Loopback(parts.port or 0, parts.path or "/", redirect_uri=registered)
    return PasteBack(base)


class _Server(Listener, ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, path: str, take: Take) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.path, self.take = path, take

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what strangers send does not belong into a notebook's output."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "notebook", ""
    timeout = 10.0

    def do_GET(self) -> None:
        """Take an answer; first of all, answer the browser."""
        path, _, query = self.path.partition("?")
        names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
        if path != self.server.path or not names & _ANSWERS:
            self._say(404, _page("Nothing here", "This address waits for an answer of your utility, and this is none."))
            return
        self._say(200, _page("Back to your notebook", "Your notebook has the utility's answer. You may close this tab."))
        self.server.take(Secret(f"?{query}"))  # a query, whatever stands in it: only a person may vouch for a code alone

    def _say(self, status: int, page: bytes) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Length": str(len(page))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Log nothing: the request holds a code, and a hub's proxy adds its cookies."""
