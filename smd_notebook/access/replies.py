"""What a custodian's replies mean: tokens, or one of our errors.

Replies are read by what is in them, never by their Content-Type: PG&E's documents show tokens as XML where its service sends JSON, and a
rejected certificate is a bare JSON string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from smd_notebook.access.redact import redact
from smd_notebook.errors import (
    AuthorizationError,
    BadRequest,
    CertificateRejected,
    Denied,
    Expired,
    RateLimited,
    ReadError,
    Revoked,
    ServiceError,
    SmdError,
    Unavailable,
)
from smd_notebook.espi.resources import Secret, parse

__all__ = ["ID", "TokenReply", "ids_of", "is_page", "refusal", "retry_after_of", "token_reply"]

_TOKEN = re.compile(r"[\x21-\x7e]+")
#: What numbers of a request look like; anything else that a server sends as one is not shown.
ID = re.compile(r"[\w.:/+=-]{1,80}", re.ASCII)
#: How a page begins, behind comments; each of these ends where it first can, or there would be endless ways to read them.
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
#: Words alone: no token, number or address has this form, so a server's own text may be quoted.
_WORDS = re.compile(r"(?!.*[A-Za-z_]{21})[A-Za-z_',.:() -]{1,120}")
_PORTAL = "Compare client id and secret with the utility's portal, and check that they belong to this endpoint (test or production)."
_AGAIN = "Ask the customer for a new consent."
#: Error code (RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1): our class, what it says, what to do.
_CODES: dict[str, tuple[type[AuthorizationError | ServiceError], str, str]] = {
    "invalid_client": (AuthorizationError, "the utility does not know this client id and secret", _PORTAL),
    "unauthorized_client": (AuthorizationError, "the utility does not allow this client to do so", _PORTAL),
    "access_denied": (Denied, "access was denied", _AGAIN),
    "invalid_scope": (Denied, "the utility does not grant this scope", "See client_token_scope, authorization_scope and refresh_scope."),
    "insufficient_scope": (Denied, "the consent does not cover this", "Ask the customer for a consent that does."),
    "invalid_token": (Expired, "the token is not valid any more", "Refresh it."),
    "invalid_request": (
        BadRequest,
        "the utility does not understand the request",
        "See token_parameters and client_auth of the custodian.",
    ),
    "unsupported_grant_type": (BadRequest, "the utility does not offer this way to a token", "See the custodian's settings."),
}


@dataclass(frozen=True)
class TokenReply:
    """A token endpoint's reply (RFC 6749 §5.1, with ESPI's additions).

    Parameters
    ----------
    kind : {"client", "access"}
        Whether the token is the client's own, or a customer's.
    access_token : Secret
        The token.
    refresh_token : Secret or None
        What the next one is got by; many custodians send a new one each time.
    expires_in : float or None
        How long the token lives [s], where the reply says so.
    scope : str
        What was granted, as written.
    resource_uri, authorization_uri, customer_resource_uri : str or None
        Addresses that ESPI adds; never to be trusted with a token unless they are the custodian's.
    ids : mapping of str to str
        Headers by which the utility finds the request in its own log.
    """

    kind: Literal["client", "access"]
    access_token: Secret
    refresh_token: Secret | None = None
    expires_in: float | None = None
    scope: str = ""
    resource_uri: str | None = None
    authorization_uri: str | None = None
    customer_resource_uri: str | None = None
    ids: Mapping[str, str] | None = None


def ids_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by which a utility finds a request in its own log (``x-transaction-id``, ``x-tracking-id``).

    Parameters
    ----------
    headers : mapping of str to str
        Those of the reply.
    """
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-tra") and ID.fullmatch(value)}


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return how long a reply asks to wait [s] (RFC 9110 §10.2.3: seconds, or a date).

    Parameters
    ----------
    headers : mapping of str to str
        Those of the reply.
    """
    text = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def is_page(body: bytes) -> bool:
    """Tell whether a web page came where data should.

    Parameters
    ----------
    body : bytes
        The reply, or its beginning.
    """
    return bool(_PAGE.match(body[:2000]))


def _content(body: bytes) -> Any:
    """Return what a small reply holds: JSON's value, an XML document's node, or its text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    try:
        return parse(body)[1]
    except (ReadError, SmdError):
        return body.decode("utf-8", "replace").strip()


def refusal(status: int, headers: Mapping[str, str], body: bytes, grant: str = "") -> AuthorizationError | ServiceError:
    """Return the error that a reply stands for.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : mapping of str to str
        Headers of the reply.
    body : bytes
        Its body, or the beginning of it; nothing of it is quoted but plain words.
    grant : str, optional
        The ``grant_type`` of a token request; empty for a resource.
    """
    content = _content(body)
    found: Mapping[str, Any] = content if isinstance(content, dict) else {}
    code = str(found.get("error", ""))
    said = found.get("error_description") or found.get("Message") or found.get("message") or (content if isinstance(content, str) else "")
    cls, text, hint = _meaning(status, code, str(said), grant, is_page(body))
    if isinstance(said, str) and _WORDS.fullmatch(said.strip()) and redact(said) == said and not is_page(body):
        text += f' ("{said.strip()}")'
    return cls(
        f"{text} (HTTP {status})",
        hint=hint,
        status_code=status,
        retryable=status in (429, 500, 502, 503, 504, 408),
        retry_after=retry_after_of(headers),
        ids=ids_of(headers),
    )


def _meaning(status: int, code: str, said: str, grant: str, page: bool) -> tuple[type[AuthorizationError | ServiceError], str, str]:
    lowered = said.lower()
    if "certificate" in lowered and status < 500:
        hint = "Use the very certificate that was uploaded at registration; it must not have expired, and allow client authentication."
        return CertificateRejected, "the utility does not accept the client certificate", hint
    if code == "invalid_grant" and status < 500:
        if grant == "refresh_token":
            return Revoked, "the utility does not take the refresh token any more: it has expired, or the consent was withdrawn", _AGAIN
        return Expired, "the utility does not take the authorization code: it has expired, or was used before", "Begin the consent again."
    if code in _CODES and status < 500 and status != 429:
        return _CODES[code]
    if "credential" in lowered and status < 500:
        return _CODES["invalid_client"]
    if status == 429:
        return RateLimited, "the utility takes no more requests for now", "Wait; the rate gate of Client keeps below what PG&E allows."
    if status in (401, 403) and grant:
        return _CODES["invalid_client"]
    if status == 401:
        return _CODES["invalid_token"]
    if status == 403:
        hint = (
            "Tokens are renewed by themselves where they can be. Look at what was granted (subscription.scope.explain()): a customer's "
            "name and account need a consent that covers them. Or is the id another's?"
        )
        return Denied, "the token does not open this: it has expired, is of another kind, or the consent does not cover it", hint
    if status >= 500 or status == 408 or page or 300 <= status < 400:
        if 300 <= status < 400:
            return Unavailable, "the utility sends on to another address, which is not followed", "Check the custodian's endpoints."
        what = "a web page came where data should" if page else "the utility's service is not available"
        return Unavailable, what, "Try again later."
    if status < 300:
        return ServiceError, "the utility's reply is not what was asked for", "Try again; if it stays so, write to the utility."
    if status in (404, 410):
        return BadRequest, "there is nothing under this address", "Check the id, and the custodian's endpoints."
    return BadRequest, "the utility does not accept the request", "Check dates and ids."


def token_reply(status: int, headers: Mapping[str, str], body: bytes, grant: str) -> TokenReply:
    """Return the tokens in a reply, which may be JSON or XML.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : mapping of str to str
        Headers of the reply.
    body : bytes
        Its body.
    grant : str
        The ``grant_type`` that was asked by.

    Raises
    ------
    AuthorizationError, ServiceError
        Where it holds none.
    """
    content = _content(body) if status == 200 else None
    if not isinstance(content, dict) or "error" in content:
        raise refusal(status, headers, body, grant)
    names = ("client_access_token", "access_token") if grant == "client_credentials" else ("access_token",)
    token = next((content[name] for name in names if content.get(name)), None)
    renewed = content.get("refresh_token") or None
    for one in (token, renewed):
        if one is not None and not (isinstance(one, str) and _TOKEN.fullmatch(one)):
            raise ServiceError("the token in the utility's reply is none", status_code=status, ids=ids_of(headers))
    if token is None:
        raise ServiceError("the utility's reply holds no token", status_code=status, ids=ids_of(headers))
    if str(content.get("token_type") or "Bearer").lower() != "bearer":
        raise ServiceError("the token is of a type that is not known", hint="Only Bearer is.", status_code=status, ids=ids_of(headers))
    return TokenReply(
        kind="client" if grant == "client_credentials" else "access",
        access_token=Secret(token),
        refresh_token=Secret(renewed) if renewed else None,
        expires_in=_seconds(content.get("expires_in")),
        scope=_text(content.get("scope")) or "",
        resource_uri=_text(content.get("resourceURI")),
        authorization_uri=_text(content.get("authorizationURI")),
        customer_resource_uri=_text(content.get("customerResourceURI")),
        ids=ids_of(headers),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: Any) -> float | None:
    """Return a lifetime that makes sense, else None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number <= 10 * 366 * 86400 and not isinstance(value, bool) else None
