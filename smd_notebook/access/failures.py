"""When no whole reply arrives: reading bodies to their last byte, and what broke them.

The errors made here come without the exceptions and frames that they came from, because those hold addresses and tokens.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests
from oauthlib.oauth2 import OAuth2Error
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError, ReadTimeoutError

from smd_notebook.errors import AuthorizationError, CertificateRejected, Network, ServiceError

__all__ = ["PROBLEMS", "chunks", "network_error", "read_whole"]

#: What the libraries below raise.
PROBLEMS = (requests.RequestException, HTTPError, OSError, OAuth2Error, ValueError)


def chunks(response: requests.Response, size: int = 1 << 16) -> Iterator[bytes]:
    """Yield a streamed body piece by piece.

    Parameters
    ----------
    response : requests.Response
        What `Session.get` returned with ``stream=True``.
    size : int, default 65536
        How much to read at a time [bytes].

    Raises
    ------
    Network
        Where the body ends before it is whole; nothing of it may be kept then.
    """
    problem = None
    try:
        yield from response.iter_content(size)
    except PROBLEMS as error:
        problem = network_error(error)
    finally:
        response.close()
    if problem is not None:
        raise problem


def read_whole(response: requests.Response, most: int, *, again: bool = True) -> ServiceError | AuthorizationError | None:
    """Read a body to its last byte; return the error where that cannot be done.

    Parameters
    ----------
    response : requests.Response
        A reply whose body is not read yet; afterwards it is its `content`.
    most : int
        How long it may be [bytes].
    again : bool, default True
        Whether a request that may have arrived can be sent again.
    """
    parts, size = [], 0
    try:
        for part in response.iter_content(1 << 16):
            parts.append(part)
            size += len(part)
            if size > most:
                response.close()
                hint = "Data come in smaller replies where you ask for a shorter window."
                return ServiceError("the server's reply is larger than is safe", status_code=response.status_code, hint=hint)
    except PROBLEMS as error:
        response.close()
        return network_error(error, again=again)
    response._content = b"".join(parts)  # noqa: SLF001 - requests has no bound of its own
    return None


def network_error(error: BaseException, *, again: bool = True) -> ServiceError | AuthorizationError:
    """Return what stands behind an error of the libraries below, in our words and without theirs, which hold addresses and tokens.

    Parameters
    ----------
    error : BaseException
        One of `PROBLEMS`.
    again : bool, default True
        Whether a request that may have arrived can be sent again.
    """
    causes = list(_causes(error))
    reasons = [str(getattr(one, "reason", "")) for one in causes if isinstance(one, ssl.SSLError)]
    if any("ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason) for reason in reasons):
        hint = "Use the very certificate that was uploaded at registration; it must not have expired, and allow client authentication."
        return CertificateRejected("the server does not accept the client certificate", hint=hint)
    if any("CERTIFICATE_VERIFY_FAILED" in reason for reason in reasons):
        hint = "If the utility has authorities of its own, name their PEM file as ca_bundle; else somebody may be listening in between."
        return Network("the server's certificate is not trusted, so nothing was sent", hint=hint)
    if any(isinstance(one, ProxyError) for one in causes):
        return Network("the proxy does not let the request through", hint="Check its address.", retryable=True)
    if any(isinstance(one, (NewConnectionError, ConnectTimeoutError)) for one in causes):
        hint = "Look at your connection. Proxies of the environment are not used: pass proxy= where one is needed."
        return Network("no connection to the server", hint=hint, retryable=True)
    if any(isinstance(one, TimeoutError | ReadTimeoutError) for one in causes):
        return Network("the server took too long to answer", hint="Ask for fewer days at a time, or try later.")
    if any(isinstance(one, requests.RequestException | HTTPError | OSError) for one in causes):
        hint = "Try again; if it breaks every time, the utility may not accept the client certificate."
        return Network("the connection broke before the reply was whole", hint=hint, retryable=again)
    return ServiceError("the server's reply makes no sense as HTTP or OAuth", hint="Try again; if it stays so, write to those who run it.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made of: urllib3 and requests put causes into `args` and `reason`."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
