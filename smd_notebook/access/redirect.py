"""What the browser brings back from the utility: the redirected address, taken apart with suspicion (RFC 6749 4.1.2, RFC 9207)."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from smd_notebook.errors import AuthorizationError, ConfigurationError, Denied, StateMismatch
from smd_notebook.espi.resources import Secret

__all__ = ["FirstRedirect", "Redirect", "parse_first_redirect", "parse_redirect"]

#: What an authorization server may answer (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6); anything else is not shown.
_ERRORS = {
    "access_denied": "the customer did not agree",
    "invalid_request": "the utility found the request wrong",
    "unauthorized_client": "this application may not ask for authorization in this way",
    "unsupported_response_type": "the utility does not give codes",
    "invalid_scope": "the utility does not know the scope that was asked for",
    "server_error": "the utility's service failed",
    "temporarily_unavailable": "the utility's service is not available now",
}
_CODES = ("code", "authorization_code")
#: A code alone: RFC 6749 allows printable ASCII; what has no room in a query unescaped is something else that was pasted.
_BARE = re.compile(r"(?!(?:code|authorization_code|error|state|scope|iss)=)[A-Za-z0-9._~+-][A-Za-z0-9._~+/-]{3,2048}={0,2}", re.IGNORECASE)
#: How an address begins; a query alone may hold one further on, as the server's name in `iss`.
_ADDRESS = re.compile(r"/|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MOST = 16384
_AGAIN = "Start again, and paste the whole address that the browser shows at the end."


@dataclass(frozen=True)
class Redirect:
    """A code, and what came with it.

    Parameters
    ----------
    code : Secret
        What is exchanged for tokens, once.
    scope : str
        What the utility says that was granted; empty where it says nothing.
    proved : bool
        Whether it came with the state that was sent: not where a code alone was pasted.
    issuer : str
        The server that it says it comes from (RFC 9207); empty where it says nothing.
    """

    code: Secret
    scope: str = ""
    proved: bool = True
    issuer: str = field(default="", repr=False)


@dataclass(frozen=True)
class FirstRedirect:
    """How a consent begins at the utility: it sends the customer to us first, with the scope to ask for.

    Parameters
    ----------
    scope : str
        The scope to ask for.
    third_party : str
        The utility's number of this application (``ThirdPartyID``); empty where none was given.
    """

    scope: str
    third_party: str = ""


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters of an address or a query, each of which may stand there once."""
    text = text.strip()
    if len(text) > _MOST:
        raise ConfigurationError("this is too long for a redirected address", hint=_AGAIN)
    if _ADDRESS.match(text):
        try:
            text = urlsplit(text).query
        except ValueError:
            raise ConfigurationError("this is no address", hint=_AGAIN) from None
    try:
        pairs = parse_qsl(text.lstrip("?"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except (ValueError, UnicodeDecodeError):
        raise ConfigurationError("the redirected address is damaged", hint=_AGAIN) from None
    names = [name.lower() for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ConfigurationError("a parameter stands twice in the redirected address, which no utility does", hint=_AGAIN)
    return dict(zip(names, (value for _, value in pairs), strict=True))


def parse_redirect(text: str, state: Secret | None, *, issuer: str | None = None) -> Redirect:
    """Return the code of a redirected address.

    Parameters
    ----------
    text : str
        The whole address, its query, or the code alone, as a person may paste it.
    state : Secret or None
        The state that was sent; None where none was. A code alone is taken without it: there a person vouches for where it comes from.
    issuer : str, optional
        The server's name, where it is known; another one in ``iss`` is refused (RFC 9207).

    Raises
    ------
    Denied
        The customer did not agree.
    StateMismatch
        The state or the issuer is not the one expected: this may be an answer to someone else's request.
    AuthorizationError
        The utility reports another error.
    ConfigurationError
        There is no code, or a parameter stands twice.

    Examples
    --------
    >>> parse_redirect("https://localhost/callback?code=abcd&state=s", Secret("s"))
    Redirect(code=[redacted], scope='', proved=True)
    """
    text = text.strip()
    if _BARE.fullmatch(text):
        return Redirect(Secret(text), proved=False)
    found = _parameters(text)
    if not _ADDRESS.match(text) and not found.keys() & {*_CODES, "error", "state"}:
        raise ConfigurationError("this is neither the redirected address nor a code", hint=_AGAIN)
    if state is not None and not hmac.compare_digest(found.get("state", "").encode(), state.reveal().encode()):
        raise StateMismatch(
            "the redirected address does not answer the request that was made here",
            hint="Start again from the link that is shown last, and use what comes back from that one only.",
        )
    if issuer is not None and "iss" in found and not hmac.compare_digest(found["iss"].encode(), issuer.encode()):
        raise StateMismatch("the redirected address names another authorization server", hint="Start again; do not use this address.")
    if "error" in found:
        word = found["error"] if found["error"] in _ERRORS else ""
        said = _ERRORS.get(word, "the utility reports an error that is not of the standard")
        message = f"{said} ({word})" if word else said
        if word == "access_denied":
            raise Denied(message, hint="Nothing was granted. Start again if that was a mistake.")
        hint = "Start again; if it stays so, check what is registered at the utility."
        raise AuthorizationError(message, hint=hint, retryable=word in ("server_error", "temporarily_unavailable"))
    codes = [found[name] for name in _CODES if found.get(name)]
    if len(codes) != 1:
        what = "two codes" if codes else "no code"
        raise ConfigurationError(f"there is {what} in the redirected address", hint=_AGAIN)
    return Redirect(Secret(codes[0]), found.get("scope", ""), proved=state is not None, issuer=found.get("iss", ""))


def parse_first_redirect(text: str, third_party: str = "") -> FirstRedirect:
    """Return what the utility sends a customer to us with, before any consent: a scope, and our number there.

    Parameters
    ----------
    text : str
        The address that was opened at our side, or its query.
    third_party : str
        Our number at the utility, where it is known; another one is refused.

    Raises
    ------
    StateMismatch
        It is meant for another application.
    ConfigurationError
        There is no scope in it, or a parameter stands twice.

    Examples
    --------
    >>> parse_first_redirect("https://third.example/scope?scope=FB%3D1_3_4&ThirdPartyID=50098", "50098")
    FirstRedirect(scope='FB=1_3_4', third_party='50098')
    """
    found = _parameters(text)
    number = found.get("thirdpartyid", "")
    if third_party and number and not hmac.compare_digest(number.encode(), third_party.encode()):
        raise StateMismatch("this address is meant for another application", hint="Check the address that is registered at the utility.")
    if not found.get("scope"):
        raise ConfigurationError("there is no scope in the address that the utility sent", hint="Open it from the utility's page again.")
    return FirstRedirect(found["scope"], number)
