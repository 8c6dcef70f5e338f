"""Requests that take nothing from the environment, and go nowhere that was not named; with a token where one is wanted."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from smd_notebook.access.custodian import origin_of
from smd_notebook.access.failures import PROBLEMS, network_error
from smd_notebook.access.guard import discreet
from smd_notebook.access.redact import redact
from smd_notebook.access.replies import ID, retry_after_of
from smd_notebook.access.transport import OriginAdapter
from smd_notebook.errors import ConfigurationError, SmdError
from smd_notebook.espi.resources import Secret

__all__ = ["Conversation", "Guarded"]

_log = logging.getLogger(__name__)
_RETRIED = (429, 502, 503, 504)
_SAFE = ("GET", "HEAD", "OPTIONS")
_LONGEST_PAUSE = 120.0  # s
_HOPS = 3
_NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])


class Conversation(requests.Session):
    """A session that takes nothing from the environment, follows nothing, and keeps no cookies.

    Parameters
    ----------
    adapter : OriginAdapter
        What carries the requests.
    """

    def __init__(self, adapter: OriginAdapter) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        self.mount("https://", adapter)
        self.cookies.set_policy(_NO_COOKIES)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request whose redirects bring no cookies along either."""
        made = super().prepare_request(request)
        made._cookies.set_policy(_NO_COOKIES)  # type: ignore[attr-defined]  # noqa: SLF001 - requests makes a jar of its own for each request
        return made

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow nothing."""
        del resp
        return None


class _Bearer(AuthBase):
    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request


class Guarded(Conversation):
    """A session with a resource server: an id for each request, a token where one is wanted, and patience with what passes by itself.

    Each request carries ``x-fapi-interaction-id`` (FAPI 1.0 part 1, 6.2.2), and leaves one line in the log, with neither query nor token.

    Parameters
    ----------
    adapter : OriginAdapter
        What carries the requests.
    token : callable, optional
        Returns the token to show.
    refused : callable, optional
        Is told a token that the server refused, before the request is sent once more.
    retries : int, default 3
        How often GET, HEAD and OPTIONS are tried again after 429, 502, 503 and 504.
    sleep : callable, optional
        Waits some seconds; for tests.
    """

    def __init__(
        self,
        adapter: OriginAdapter,
        *,
        token: Callable[[], Secret] | None = None,
        refused: Callable[[Secret], None] | None = None,
        retries: int = 3,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__(adapter)
        self._token, self._refused, self._retries, self._sleep = token, refused, retries, sleep
        self.max_redirects = _HOPS

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Follow only what stays where it was."""
        try:
            target = requests.Session.get_redirect_target(self, resp)
            whole = urljoin(resp.url, target) if target else ""  # what was looked at is what is followed
            return whole if whole and origin_of(whole) == origin_of(resp.url) else None
        except (ConfigurationError, ValueError):  # no address that one could go to
            return None

    @discreet
    def request(self, method: str | bytes, url: str | bytes, **given: Any) -> requests.Response:  # type: ignore[override]
        """Send a request; its parameters are those of `requests.Session.request`, by name.

        Parameters
        ----------
        method : str
            ``"GET"`` and its like.
        url : str
            An address at one of the origins.
        **given : Any
            `params`, `data`, `headers`, `stream` and so on.

        Raises
        ------
        ConfigurationError
            If the address is not at one of the origins.
        AuthorizationError, ServiceError
            If no token is to be had, or no reply arrives.
        """
        verb = method.decode() if isinstance(method, bytes) else method.upper()
        given["headers"] = {"x-fapi-interaction-id": str(uuid.uuid4()), **(given.get("headers") or {})}
        renewed, tries = False, 0
        while True:
            token = self._token() if self._token else None
            found = self._sent(verb, url, token, given)
            if isinstance(found, SmdError):
                raise found
            if found.status_code == 401 and token and self._refused and not renewed and not hasattr(given.get("data"), "read"):
                self._refused(token)
                renewed = True
            elif found.status_code in _RETRIED and verb in _SAFE and tries < self._retries:
                asked = retry_after_of(found.headers)
                pause = (asked if asked is not None else float(2**tries)) + random.uniform(0.0, 1.0)  # noqa: S311 - no secret
                if pause > _LONGEST_PAUSE:
                    return found
                tries += 1
                self._sleep(pause)
            else:
                return found
            found.close()

    def _sent(self, verb: str, url: str | bytes, token: Secret | None, given: dict[str, Any]) -> requests.Response | SmdError:
        begun = time.monotonic()
        try:
            found = super().request(verb, url, auth=_Bearer(token) if token else None, **given)
        except PROBLEMS as error:
            return network_error(error, again=verb in _SAFE)
        for one in (found, *found.history):  # whoever prints or keeps the reply keeps no token
            one.request.headers.pop("Authorization", None)
        where = urlsplit(found.url)._replace(query="", fragment="").geturl()
        said = found.headers.get("x-fapi-interaction-id", "")
        who = said if ID.fullmatch(said) else found.request.headers.get("x-fapi-interaction-id", "")
        seconds = time.monotonic() - begun
        _log.info("%s %s %d in %.3f s, interaction %s", verb, redact(where), found.status_code, seconds, redact(who))
        return found
