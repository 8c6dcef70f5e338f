"""TLS to one custodian and to nobody else.

Trust, certificate, proxies and time-outs are decided here once. What requests would take from the environment (REQUESTS_CA_BUNDLE,
CURL_CA_BUNDLE, HTTPS_PROXY, .netrc, SSLKEYLOGFILE) changes nothing.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from smd_notebook.access.credentials import Identity, load_chain
from smd_notebook.access.custodian import origin_of
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

__all__ = ["OriginAdapter", "client_context"]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class _Socket(ssl.SSLSocket):
    """A socket that gives up when a whole reply takes too long: time-outs of its own begin anew with every byte."""

    deadline = float("inf")

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole reply took too long")
        own = self.gettimeout()
        self.settimeout(min(left, own) if own is not None else (left if left < float("inf") else None))
        try:
            return super().recv_into(buffer, nbytes, flags)
        finally:
            with contextlib.suppress(OSError):  # closed meanwhile
                self.settimeout(own)


class _Context(ssl.SSLContext):
    """A context whose connections must be ended properly: a bare end may be a body that was cut."""

    sslsocket_class = _Socket
    total = float("inf")

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **{**kwargs, "suppress_ragged_eofs": False})


class _Connection(HTTPSConnection):
    debuglevel = 0  # http.client would print headers, with the token in them, wherever somebody has raised its own

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        if isinstance(self.sock, _Socket) and isinstance(self.ssl_context, _Context):
            self.sock.deadline = time.monotonic() + self.ssl_context.total


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


def client_context(
    *, total: float, ca_bundle: str | Path | None = None, tls_maximum: str | None = None, identity: Identity | None = None
) -> ssl.SSLContext:
    """Return what TLS to a server rests on.

    Parameters
    ----------
    total : float
        How long a reply may take from the request to its last byte [s].
    ca_bundle : str or Path, optional
        PEM file of the authorities that the server's certificate may come from; by default those that come with certifi.
    tls_maximum : {"1.2", "1.3"}, optional
        The newest TLS version to offer.
    identity : Identity, optional
        Certificate and key to show to the server; by default none.

    Raises
    ------
    ConfigurationError
        Where authorities or certificate cannot be read.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.total = total
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls_maximum:
        context.maximum_version = _VERSIONS[tls_maximum]
    try:
        context.load_verify_locations(ca_bundle or certifi.where())
    except OSError:  # ssl.SSLError among them
        raise ConfigurationError("ca_bundle cannot be read", hint="It must be a file of PEM certificates.") from None
    context.set_alpn_protocols(["http/1.1"])
    if identity is not None:
        load_chain(context, identity)
    return context


class OriginAdapter(HTTPAdapter):
    """What carries requests to a custodian's origins, and refuses to carry them anywhere else.

    Parameters
    ----------
    origins : tuple of str
        Scheme, host and port of each.
    context : ssl.SSLContext
        From `client_context`.
    timeout : tuple of (float, float)
        For a connection, and for each part of a reply [s].
    proxy : str, optional
        An ``http://`` proxy that passes TLS through (CONNECT); it sees neither certificate nor token.
    """

    def __init__(self, origins: tuple[str, ...], context: ssl.SSLContext, timeout: tuple[float, float], proxy: str | None = None) -> None:
        self._origins, self._context, self._timeout = origins, context, timeout
        self._proxies = {"https": proxy} if proxy else {}
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use our context, and our connections."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Do so behind a proxy as well."""
        manager = super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context)
        manager.pool_classes_by_scheme = {"https": _Pool}
        return manager

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Leave trust to the context: requests would add the authorities that it prefers."""

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any, cert: Any = None) -> Any:
        """Leave trust to the context."""
        host, _trust = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def send(self, request: PreparedRequest, stream: bool = False, **_: Any) -> Response:  # type: ignore[override]
        """Send a request to one of the origins.

        Raises
        ------
        ConfigurationError
            Where it would go elsewhere.
        """
        if origin_of(request.url or "") not in self._origins:
            raise ConfigurationError("this address is not the utility's, and gets neither certificate nor token")
        return super().send(request, stream=stream, timeout=self._timeout, verify=True, cert=None, proxies=self._proxies)
