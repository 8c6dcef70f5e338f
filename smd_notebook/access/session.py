"""Requests to one custodian: OAuth on requests-oauthlib, over TLS that leads nowhere else, with errors that say what to do.

Of requests-oauthlib this uses the token request with its hooks, and the bearer token; what it would do by itself and a utility does not
bear (automatic refresh, scopes in refresh requests, state in the session) is not used. Errors leave here without the frames and the
exceptions that they came from, because those hold tokens.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, NoReturn, Protocol, Self
from urllib.parse import urlencode, urljoin, urlsplit

import requests
from oauthlib.oauth2 import Client as OauthClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2, OAuth2Session

from smd_notebook.access.credentials import Credentials, on_binder
from smd_notebook.access.custodian import Custodian, origin_of
from smd_notebook.access.failures import PROBLEMS, network_error, read_whole
from smd_notebook.access.guard import discreet, uninterrupted
from smd_notebook.access.redact import guard_logs, hide
from smd_notebook.access.replies import TokenReply, is_page, refusal, token_reply
from smd_notebook.access.transport import OriginAdapter, client_context
from smd_notebook.errors import ConfigurationError, Network, SmdError, Unavailable
from smd_notebook.espi.resources import Secret

__all__ = ["Gate", "Session"]

_RETRIED = (429, 502, 503, 504)
#: A pause that is longer than this is the caller's to take [s].
_LONGEST_PAUSE = 120.0
_HOPS = 3
#: How long replies may be [bytes]; batches may have 200 MB (Con Edison).
_MOST_TOKEN, _MOST = 1 << 20, 1 << 28
_log = logging.getLogger(__name__)


class Gate(Protocol):
    """What lets requests through one by one: `smd_notebook.access.limits.RateGate`."""

    def acquire(self) -> object:
        """Wait until a request may go, and count it."""


class _AnyGrant(OauthClient):
    """A client whose token request holds what it is given and no more."""

    def prepare_request_body(self, body: str = "", include_client_id: bool | None = None, **parameters: Any) -> str:
        del body  # always empty
        if include_client_id:
            parameters["client_id"] = self.client_id
        return urlencode({name: value for name, value in parameters.items() if value is not None})


class _Http(OAuth2Session):
    """One conversation, without what the environment and redirects would add."""

    def __init__(self, client_id: str, adapter: OriginAdapter) -> None:
        super().__init__(client=_AnyGrant(client_id))
        self.trust_env = False
        self.adapters.clear()
        self.mount("https://", adapter)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = f"smd_notebook/{version('smd_notebook')}"

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow nothing: what is the custodian's own is followed in `Session.get`."""
        del resp


class Session:
    """A connection to one custodian; threads may share it.

    Parameters
    ----------
    custodian : Custodian
        Whom it talks to.
    credentials : Credentials
        What it proves itself with.
    gate : Gate, optional
        Is asked before every request that goes out.
    timeout : tuple of (float, float), default (10, 300)
        How long to wait for a connection, and for each part of a reply [s].
    total : float, default 1800
        How long a reply may take from the request to its last byte [s].
    proxy : str, optional
        An ``http://`` proxy that passes TLS through (CONNECT). Those of the environment are not used.
    sleep : callable, optional
        Waits some seconds between tries; for tests.

    Raises
    ------
    ConfigurationError
        Where the certificate cannot be used, or a private key would be used on a Binder.
    """

    def __init__(
        self,
        custodian: Custodian,
        credentials: Credentials,
        *,
        gate: Gate | None = None,
        timeout: tuple[float, float] = (10.0, 300.0),
        total: float = 1800.0,
        proxy: str | None = None,
        sleep: Any = time.sleep,
    ) -> None:
        if on_binder() and not custodian.local and custodian.mutual_tls:
            raise ConfigurationError(
                "a private key does not belong on a Binder, which is a public machine", hint="Use a machine of your own."
            )
        if proxy is not None and urlsplit(proxy).scheme != "http":
            raise ConfigurationError("proxy must begin with http://", hint="TLS passes through it all the same.")
        if not (min(timeout) > 0 and total > 0):
            raise ConfigurationError("time-outs must be above 0")
        self.custodian, self.credentials, self.gate = custodian, credentials, gate
        self._timeout, self._proxy, self._sleep = timeout, proxy, sleep
        self._context = client_context(
            total=total,
            ca_bundle=custodian.ca_bundle,
            tls_maximum=custodian.tls_maximum,
            identity=credentials if custodian.mutual_tls else None,
        )
        self._http = self._open()
        hide(credentials.client_secret, credentials.key_passphrase, credentials.registration_token)
        guard_logs()

    def _open(self) -> _Http:
        adapter = OriginAdapter(self.custodian.origins, self._context, self._timeout, self._proxy)
        return _Http(self.credentials.client_id, adapter)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({self.custodian.name})"

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError("a session cannot be pickled or copied", hint="Make one where it is needed.")

    # -- resources -----------------------------------------------------------------------------------------------------------------------

    @discreet
    def get(
        self,
        url: str,
        *,
        token: str | Secret,
        params: Mapping[str, str | int] | None = None,
        stream: bool = False,
        retries: int = 3,
    ) -> requests.Response:
        """Ask for a resource; what passes by itself (429, 502, 503, 504, a lost connection) is tried again.

        Parameters
        ----------
        url : str
            Its address, or what follows the resource endpoint in it.
        token : str or Secret
            The token to show.
        params : mapping of str to str or int, optional
            Parameters to add to the address.
        stream : bool, default False
            Leave the body for `chunks` to read.
        retries : int, default 3
            How often to try again.

        Returns
        -------
        requests.Response
            With status 200, 202 (accepted, the data comes later) or 204 (no data); its body is whole unless `stream`.

        Raises
        ------
        ConfigurationError
            Where the address is not the custodian's.
        AuthorizationError, ServiceError
            Where the reply is something else, or none came.
        """
        address = self._address(url, params)
        token = Secret(token) if isinstance(token, str) else token
        tried = 0
        while isinstance(found := self._ask("GET", address, token, stream), SmdError):
            pause = self._pause(found, tried) if tried < retries else None
            if pause is None:
                raise found
            tried += 1
            _log.info("try %d of %d failed (%s); the next in %.0f s", tried, retries + 1, type(found).__name__, pause)
            self._sleep(pause)
        return found

    @discreet
    def delete(self, url: str, *, token: str | Secret) -> requests.Response:
        """Delete a resource; this is never tried again by itself.

        Parameters
        ----------
        url : str
            Its address, or what follows the resource endpoint in it.
        token : str or Secret
            The token to show.

        Raises
        ------
        ConfigurationError
            Where the address is not the custodian's.
        AuthorizationError, ServiceError
            Where it was not deleted, or no reply came.
        """
        token = Secret(token) if isinstance(token, str) else token
        found = self._ask("DELETE", self._address(url, None), token, False)
        if isinstance(found, SmdError):
            raise found
        return found

    def _address(self, url: str, params: Mapping[str, str | int] | None) -> str:
        if "://" not in url:
            url = f"{self.custodian.resource_endpoint}/{url.lstrip('/')}"
        if origin_of(url) not in self.custodian.origins:
            raise ConfigurationError("this address is not the utility's, and gets neither certificate nor token")
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(params)}" if params else url

    def _ask(self, method: str, url: str, token: Secret, stream: bool) -> requests.Response | SmdError:
        """Return a reply that is one, or the error that it stands for."""
        found = self._send(method, url, token, stream)
        for _hop in range(_HOPS):
            if isinstance(found, SmdError) or method != "GET" or not found.is_redirect:
                break
            try:
                url = self._address(urljoin(url, found.headers["Location"]), None)
            except (ConfigurationError, ValueError):  # not the custodian's: nothing goes there
                break
            found = self._send(method, url, token, stream)
        return found if isinstance(found, SmdError) else self._judged(found, stream)

    def _send(self, method: str, url: str, token: Secret, stream: bool) -> requests.Response | SmdError:
        if self.gate is not None:
            self.gate.acquire()
        hide(token)
        auth = OAuth2(self.credentials.client_id, token={"access_token": token.reveal(), "token_type": "Bearer"})
        try:
            response = self._http.request(method, url, auth=auth, withhold_token=True, stream=True)
        except PROBLEMS as error:
            return network_error(error)
        response.request.headers.pop("Authorization", None)  # whoever prints or keeps the reply keeps no token
        if stream and response.status_code == 200:
            return response
        return read_whole(response, _MOST) or response

    def _judged(self, response: requests.Response, stream: bool) -> requests.Response | SmdError:
        status, page = response.status_code, "html" in response.headers.get("Content-Type", "").lower()
        if status in (200, 202, 204) and not page and (stream or not is_page(response.content)):
            return response
        body = b"<html>" if page and status < 300 else response.content
        response.close()
        if status < 300 and is_page(body):
            return Unavailable("a web page came where data should", hint="Try again later.", status_code=status, retryable=True)
        return refusal(status, response.headers, body)

    def _pause(self, error: SmdError, attempt: int) -> float | None:
        """Return how long to wait before the next try; None where there is no sense in it."""
        passing = isinstance(error, Network) if error.status_code is None else error.status_code in _RETRIED
        if not (passing and error.retryable):
            return None
        least = error.retry_after if error.retry_after is not None else float(2**attempt)
        return least + random.uniform(0.0, 1.0) if least <= _LONGEST_PAUSE else None  # noqa: S311 - no secret

    # -- tokens --------------------------------------------------------------------------------------------------------------------------

    @discreet
    def token_request(self, parameters: Mapping[str, str | Secret], keep: Callable[[TokenReply], object] | None = None) -> TokenReply:
        """Ask the token endpoint; this is never tried again, because codes and refresh tokens may be used once only.

        An interrupt waits until the reply is there and kept, for the same reason.

        Parameters
        ----------
        parameters : mapping of str to str or Secret
            Those of the request, `grant_type` among them; client id and secret are added as the custodian wants them.
        keep : callable, optional
            Is given the reply before anything can come between.

        Raises
        ------
        AuthorizationError, ServiceError
            Where no token came. Of a `Network` error, `retryable` says that the request was never sent.
        """
        if self.gate is not None:
            self.gate.acquire()

        def ask() -> TokenReply | SmdError:
            found = self._ask_token(parameters)
            if isinstance(found, TokenReply):
                hide(found.access_token, found.refresh_token)
                if keep is not None:
                    keep(found)
            return found

        found = uninterrupted(ask)
        if isinstance(found, SmdError):
            raise found
        return found

    def _ask_token(self, parameters: Mapping[str, str | Secret]) -> TokenReply | SmdError:
        hide(*(one for one in parameters.values() if isinstance(one, Secret)))
        sent: dict[str, Any] = {name: one.reveal() if isinstance(one, Secret) else str(one) for name, one in parameters.items()}
        grant, redirect_uri = sent.get("grant_type", ""), sent.pop("redirect_uri", None)
        secret = self.credentials.client_secret.reveal()
        if self.custodian.client_auth == "basic":
            sent["auth"] = HTTPBasicAuth(self.credentials.client_id.encode(), secret.encode())
        else:
            sent |= {"include_client_id": True, "client_secret": secret}
        replies: list[TokenReply] = []

        def check(response: requests.Response, *_: Any, **__: Any) -> None:
            if problem := read_whole(response, _MOST_TOKEN, again=False):
                raise problem

        def read(response: requests.Response) -> requests.Response:
            replies.append(token_reply(response.status_code, response.headers, response.content, grant))
            response._content = b'{"access_token": "read", "token_type": "Bearer"}'  # noqa: SLF001 - what oauthlib knows to read
            return response

        # A connection of its own: one that was kept may be closed just while a refresh token is under way, and nobody could say
        # whether it arrived.
        with self._open() as http:
            http.redirect_uri, http.stream = redirect_uri, True
            http.hooks["response"] = check
            http.register_compliance_hook("access_token_response", read)
            try:
                http.fetch_token(self.custodian.token_endpoint, force_querystring=self.custodian.token_parameters == "query", **sent)
            except SmdError as error:
                return error.with_traceback(None)
            except PROBLEMS as error:
                return network_error(error, again=False)
        return replies[0]
