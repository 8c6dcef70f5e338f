"""Who granted what, and the codes and tokens that stand for it. Plain state behind one lock: no HTTP here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from secrets import token_urlsafe
from threading import RLock
from typing import Literal

from smd_notebook.practice.customers import Customer

__all__ = ["CODE_LIFETIME", "REFRESH_LIFETIME", "TOKEN_LIFETIME", "Authorization", "Grants", "Kind", "Refused", "Token"]

CODE_LIFETIME, TOKEN_LIFETIME, REFRESH_LIFETIME = 600, 3600, 31_536_000
Kind = Literal["client", "access", "refresh", "registration", "code"]


class Refused(Exception):
    """A token request that fails: the OAuth error code (RFC 6749 §5.2), and words."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass
class Authorization:
    """One customer's consent; its id is also that of the Subscription and the RetailCustomer."""

    id: str
    customer: Customer
    points: tuple[str, ...]
    blocks: frozenset[int]
    scope: str
    since: float
    until: float | None = None
    status: Literal[0, 1, 2] = 1
    test: bool = False


@dataclass
class Token:
    """A code or token: what kind it is, whose, how long it lives, and which others came of the same code."""

    kind: Kind
    expires_at: float
    authorization: str | None = None
    family: str = ""
    redirect_uri: str = ""
    test: bool = False
    spent: bool = False


@dataclass
class Grants:
    """All consents and tokens of one utility.

    Parameters
    ----------
    clock : callable
        What time it is [s since 1970-01-01T00:00Z].
    """

    clock: Callable[[], float]
    authorizations: dict[str, Authorization] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict, repr=False)
    lock: RLock = field(default_factory=RLock, repr=False)
    #: Families of which a spent code or token came again; tokens that are issued a moment later are dead too.
    _ended: set[str] = field(default_factory=set, repr=False)
    _ids: Iterator[int] = field(default_factory=lambda: count(503_001, 7), repr=False)

    def authorize(
        self, customer: Customer, points: tuple[str, ...], blocks: frozenset[int], scope: str, until: float | None, *, test: bool
    ) -> Authorization:
        """Take down a consent; it ends the one that the same customer gave before."""
        with self.lock:
            for one in self.authorizations.values():
                if one.customer == customer and one.status == 1 and one.test == test:
                    self.revoke(one.id)
            made = Authorization(str(next(self._ids)), customer, points, blocks, scope, self.clock(), until, test=test)
            self.authorizations[made.id] = made
            return made

    def active(self, authorization: str) -> Authorization | None:
        """Return a consent that holds."""
        with self.lock:
            one = self.authorizations.get(authorization)
            if one is not None and one.status == 1 and one.until is not None and self.clock() >= one.until:
                self.revoke(one.id)
            return one if one is not None and one.status == 1 else None

    def revoke(self, authorization: str) -> bool:
        """End a consent and all that stands for it; tell whether it held until now."""
        with self.lock:
            one = self.authorizations[authorization]
            held, one.status = one.status == 1, 0
            return held

    def issue(
        self,
        kind: Kind,
        lifetime: float,
        authorization: str | None = None,
        *,
        family: str = "",
        redirect_uri: str = "",
        test: bool = False,
    ) -> str:
        """Return a new code or token."""
        value = token_urlsafe(32)
        with self.lock:
            self.tokens[value] = Token(kind, self.clock() + lifetime, authorization, family or value, redirect_uri, test)
        return value

    def find(self, value: str) -> Token | None:
        """Return what a code or token stands for, unless its family has ended."""
        found = self.tokens.get(value)
        return None if found is None or found.family in self._ended else found

    def exchange(self, code: str, redirect_uri: str, *, test: bool) -> tuple[Authorization, str]:
        """Spend a code; return the consent, and the name of the family that its tokens will have.

        Raises
        ------
        Refused
            Where the code is unknown, spent, too old, or was given to another address.
        """
        with self.lock:
            one = self.tokens.get(code)
            if one is None or one.kind != "code" or one.test != test:
                raise Refused("invalid_grant", "the authorization code is not valid")
            if one.spent:
                self._ended.add(one.family)  # RFC 6749 §4.1.2: somebody else may have it
                raise Refused("invalid_grant", "the authorization code was used before")
            if self.clock() >= one.expires_at:
                raise Refused("invalid_grant", "the authorization code has expired")
            if redirect_uri != one.redirect_uri:
                raise Refused("invalid_grant", "redirect_uri is not that of the authorization request")
            one.spent = True
            return self._holds(one), one.family

    def refresh(self, value: str, *, rotate: bool, test: bool) -> tuple[Authorization, str]:
        """Take a refresh token, and spend it where tokens rotate; return the consent and the family's name.

        Raises
        ------
        Refused
            Where it is unknown, too old or was spent: then all its family ends with it.
        """
        with self.lock:
            one = self.tokens.get(value)
            if one is None or one.kind != "refresh" or one.test != test:
                raise Refused("invalid_grant", "the refresh token is not valid")
            if one.spent or one.family in self._ended:
                self._ended.add(one.family)
                raise Refused("invalid_grant", "the refresh token was used before; all tokens of this authorization code are revoked")
            if self.clock() >= one.expires_at:
                raise Refused("invalid_grant", "the refresh token has expired")
            found = self._holds(one)
            one.spent = rotate
            return found, one.family

    def _holds(self, token: Token) -> Authorization:
        found = self.active(token.authorization or "")
        if found is None:
            raise Refused("invalid_grant", "the authorization was revoked or has ended")
        return found
