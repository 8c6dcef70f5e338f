"""Ways in which custodians differ that a client has to bear: each has a name, and the practice utility can be each of them."""

from __future__ import annotations

from collections.abc import Iterable

from smd_notebook.errors import ConfigurationError

__all__ = ["VARIANTS", "checked"]

#: Name of a variant -> what the utility does then, and what it does otherwise.
VARIANTS: dict[str, str] = {
    "xml-tokens": "token replies are XML (otherwise JSON)",
    "authorization-code": "the redirect carries `authorization_code=` (otherwise `code=`; the test endpoint always does the former)",
    "plain-access-token": "a client's own token is called `access_token` (otherwise `client_access_token`)",
    "query-parameters": "token parameters are taken from the query only (otherwise from query or body)",
    "body-parameters": "token parameters are taken from the body only (otherwise from query or body)",
    "post-credentials": "client id and secret are taken from the token parameters (otherwise from the Authorization header)",
    "no-rotation": "a refresh token is good for its whole year (otherwise each refresh gives a new one and ends the old)",
    "silent-refresh": "a refresh reply names no refresh token, and the old one stays good",
    "subscription-scope": "`scope` of a token reply is the subscription's id (otherwise the FB string)",
    "expired-403": "an expired token gets 403 (otherwise 401)",
    "iso-windows": "windows are taken as ISO 8601 in UTC only (otherwise as epoch seconds too)",
    "epoch-windows": "windows are taken as epoch seconds only (otherwise as ISO 8601 too)",
    "no-future": "a published-max in the future gets 400 (otherwise it is taken)",
    "sync-batch": "batches are answered at once, with 200 (otherwise 202 and a notification, but for those of one UsagePoint)",
    "async-batch": "batches of one UsagePoint are answered with 202 and a notification too (otherwise at once)",
    "atom-notifications": "a BatchList comes wrapped in an Atom feed (otherwise bare)",
    "limit-503": "who is too fast gets 503 (otherwise 429)",
    "no-retry-after": "replies to who is too fast name no time (otherwise `Retry-After`, in seconds)",
    "self-access": "the first customer is the third party itself: its data is granted from the start, and the Authorization names the Bulk",
    "second-periods": "an Authorization's periods are in seconds, as the standard says (otherwise in milliseconds, as at PG&E)",
    "fapi": "the API has metadata and introspection, asks for no secret, and binds tokens to the certificate (otherwise PG&E's way)",
    "tls-1.2": "the API speaks TLS 1.2 only (otherwise also 1.3)",
}
_EXCLUDE = (("query-parameters", "body-parameters"), ("iso-windows", "epoch-windows"), ("sync-batch", "async-batch"))


def checked(names: Iterable[str]) -> frozenset[str]:
    """Return the names of variants as a set.

    Raises
    ------
    ConfigurationError
        Where one is unknown, two exclude each other, or it is one text instead of a list.

    >>> sorted(checked(["xml-tokens", "no-rotation"]))
    ['no-rotation', 'xml-tokens']
    """
    if isinstance(names, str):
        raise ConfigurationError("variants is a list of names, and this is one text", hint=f"Write variants=[{names!r}].")
    chosen = frozenset(names)
    if unknown := chosen - VARIANTS.keys():
        raise ConfigurationError(f"no variant is called {min(unknown)!r}", hint="Known: " + ", ".join(VARIANTS) + ".")
    for pair in _EXCLUDE:
        if chosen.issuperset(pair):
            raise ConfigurationError(f"{pair[0]} and {pair[1]} exclude each other")
    return chosen
