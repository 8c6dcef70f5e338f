"""The three token classes, and how each is renewed: once, by one of all threads and processes, and never lost."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal
from urllib.parse import unquote

from smd_notebook.access.replies import TokenReply
from smd_notebook.access.session import Session
from smd_notebook.access.stores import FileStore, Key, MemoryStore, Store, Token, default_store
from smd_notebook.errors import AuthorizationError, ConfigurationError, Expired, Revoked
from smd_notebook.espi.resources import Secret

__all__ = ["FileStore", "Key", "MemoryStore", "Store", "Token", "Tokens", "default_store"]

#: What is told of a consent: its token was renewed, the utility will not renew it any more, it was forgotten here, or withdrawn.
News = Literal["renewed", "ended", "forgotten", "revoked"]
#: Is told the news, whose they are (None: everybody's), and the token, where there is a new one.
Watcher = Callable[[News, str | None, Token | None], object]
#: How long a token lives of which the utility does not say so [s].
_LIFE = 3600.0
_SUBSCRIPTION = re.compile(r"/(?:Subscription|RetailCustomer)/([^/?#]+)")


class Tokens:
    """A third party's tokens at one custodian.

    Parameters
    ----------
    session : Session
        Asks for them.
    store : Store, optional
        Keeps them; by default files that the user's kernels share, on Binder and Colab this process's memory.
    clock : callable, default time.time
        Tells the time [s since 1970-01-01T00:00Z].
    """

    def __init__(self, session: Session, store: Store | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.session = session
        self.store = default_store() if store is None else store
        self._clock = clock
        self._watchers: list[Watcher] = []

    def __repr__(self) -> str:
        return f"Tokens({self.session.custodian.name}, {self.store!r})"

    def _key(self, subscription: str | None) -> Key:
        return Key(self.session.custodian.name, self.session.credentials.client_id, subscription)

    def client(self) -> Token:
        """Return the client's own token; a new one is asked for when the old one ends.

        Raises
        ------
        AuthorizationError, ServiceError
            Where the utility gives none.
        """
        found = self._kept(self._key(None))
        return found if found is not None and found.fresh(self._clock()) else self._new_client(found)

    def registration(self) -> Token:
        """Return the token of the registration, which opens ApplicationInformation.

        Raises
        ------
        ConfigurationError
            Where the credentials hold none.
        """
        held = self.session.credentials.registration_token
        if held is None:
            raise ConfigurationError("the credentials hold no registration token", hint="Set SMD_REGISTRATION_TOKEN; the portal shows it.")
        return Token("registration", held)

    def exchange(self, code: str | Secret, redirect_uri: str) -> Token:
        """Turn an authorization code into a token, and keep it.

        Parameters
        ----------
        code : str or Secret
            The code; it works once, and for minutes.
        redirect_uri : str
            The address that it came back to.

        Raises
        ------
        Expired
            Where the code was used before, or too old.
        AuthorizationError, ServiceError
            Where the utility gives no token.
        ConfigurationError
            Where no token could be kept; the code was not sent then.
        """
        code = Secret(code) if isinstance(code, str) else code
        now = self._clock()
        kept: list[Token] = []

        def keep(reply: TokenReply) -> None:
            token = _token(reply, now, self._subscription(reply), self.session.custodian.origins)
            key = self._key(token.subscription)
            with self.store.lock(key):
                self.store.put(key, token)
            kept.append(token)

        self.store.room()
        self.session.token_request({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}, keep)
        return kept[0]

    def access(self, subscription: str) -> Token:
        """Return a customer's token, renewed when it has ended.

        Parameters
        ----------
        subscription : str
            The customer's consent.

        Raises
        ------
        Revoked
            Where the consent was withdrawn, or the refresh token has expired.
        AuthorizationError, ServiceError
            Where there is no consent, or no new token comes.
        """
        found = self._held(subscription)
        return found if found.fresh(self._clock()) else self._renew(found)

    def refresh(self, subscription: str) -> Token:
        """Renew a customer's token, even if it has not ended.

        Parameters
        ----------
        subscription : str
            The customer's consent.

        Raises
        ------
        Revoked
            Where the consent was withdrawn, or the refresh token has expired.
        AuthorizationError, ServiceError
            Where there is no consent, or no new token comes.
        """
        return self._renew(self._held(subscription))

    def renewed(self, token: Token) -> Token:
        """Return the token that follows one that a resource did not take; it is asked for unless somebody else has done so already.

        Parameters
        ----------
        token : Token
            The one that was not taken.

        Raises
        ------
        AuthorizationError, ServiceError
            Where none follows.
        """
        if token.kind == "registration":
            raise Expired("the utility does not take the registration token", hint="The portal shows the one that is valid.")
        return self._new_client(token) if token.kind == "client" else self._renew(token)

    def forget(self, subscription: str | None = None, *, news: News = "forgotten") -> None:
        """Forget a customer's token, or all of them with the client's own; at the utility they stay valid.

        Parameters
        ----------
        subscription : str, optional
            The customer's consent; by default all.
        news : str
            What those who watch are told once it is gone: ``"revoked"`` where the utility has deleted the authorization.
        """
        if subscription is None:
            self.store.forget_all(self.session.custodian.name, self.session.credentials.client_id)
        else:
            self.store.forget(self._key(subscription))
        self._tell(news, subscription)

    def subscriptions(self) -> list[str]:
        """Return the consents that tokens are kept of."""
        own = self._key(None)
        found = (key for key in self.store.keys() if (key.custodian, key.client_id) == (own.custodian, own.client_id))  # noqa: SIM118
        return sorted(key.subscription for key in found if key.subscription is not None)

    # -- what is told --------------------------------------------------------------------------------------------------------------------

    def watch(self, call: Watcher) -> Callable[[], None]:
        """Have somebody told what becomes of consents here, in whatever thread it happens.

        Parameters
        ----------
        call : callable
            Is told the news, whose they are (None: everybody's), and the new token, if any; it must not raise, nor take long.

        Returns
        -------
        callable
            Ends it.
        """
        self._watchers.append(call)
        return lambda: self._watchers.remove(call) if call in self._watchers else None

    def _tell(self, news: News, subscription: str | None, token: Token | None = None) -> None:
        for call in tuple(self._watchers):
            call(news, subscription, token)

    # -- how they are renewed ------------------------------------------------------------------------------------------------------------

    def _kept(self, key: Key) -> Token | None:
        """Return a token that is kept under the custodian's name, if it is this custodian's: two may have one name."""
        found, custodian = self.store.get(key), self.session.custodian
        if found is None or not found.origins or custodian.local or set(custodian.origins) <= set(found.origins):
            return found
        if found.kind == "client":
            return None
        raise ConfigurationError(
            f"the tokens kept under the name {custodian.name!r} came from other servers than this custodian's, which do not get them",
            hint="Give the custodian another name. If the utility has moved, client.tokens.forget(), and ask for a new consent.",
        )

    def _held(self, subscription: str) -> Token:
        found = self._kept(self._key(subscription))
        if found is None:
            self._tell("forgotten", subscription)  # by another program
            raise AuthorizationError("no consent is kept of this subscription", hint="Ask the customer: client.authorization_url().")
        return found

    def _new_client(self, old: Token | None) -> Token:
        key = self._key(None)
        with self.store.lock(key):
            found = self._kept(key)
            if found is not None and found.fresh(self._clock()) and (old is None or found.access_token != old.access_token):
                return found
            parameters: dict[str, str | Secret] = {"grant_type": "client_credentials"}
            if self.session.custodian.client_token_scope != "omit":
                parameters["scope"] = self.session.custodian.client_token_scope
            now = self._clock()
            token = _token(self.session.token_request(parameters), now, None, self.session.custodian.origins)
            self.store.put(key, token)
        return token

    def _renew(self, old: Token) -> Token:
        """Return the token after `old`, and tell what became of it."""
        try:
            token = self._next(old)
        except (Expired, Revoked):
            self._tell("ended", old.subscription)
            raise
        self._tell("renewed", old.subscription, token)
        return token

    def _next(self, old: Token) -> Token:
        """Return the token after `old`: of all who ask at once, one goes to the utility and the others find what it brought."""
        key = self._key(old.subscription)
        with self.store.lock(key):
            found = self._kept(key)
            if found is None:
                raise AuthorizationError("the consent was forgotten meanwhile", hint="Ask the customer: client.authorization_url().")
            if found.access_token != old.access_token and found.fresh(self._clock()):
                return found
            if found.refresh_token is None:
                raise Expired("the token has ended, and there is none to refresh it by", hint="Ask the customer for a new consent.")
            parameters: dict[str, str | Secret] = {"grant_type": "refresh_token", "refresh_token": found.refresh_token}
            policy = self.session.custodian.refresh_scope
            if policy != "omit" and (scope := found.scope if policy == "granted" else policy):
                parameters["scope"] = scope
            now, before = self._clock(), found
            kept: list[Token] = []

            def keep(reply: TokenReply) -> None:
                token = _after(before, reply, now, self.session.custodian.origins)
                self.store.put(key, token)  # on the disk before anybody uses it: the old refresh token may be worth nothing now
                kept.append(token)

            self.store.room()  # a disk that is full is noticed while the old refresh token still works
            self.session.token_request(parameters, keep)
        return kept[0]

    def _subscription(self, reply: TokenReply) -> str:
        """Return the id of the consent that a reply belongs to. A token is never lost for want of one: then it gets a name of our own."""
        if match := _SUBSCRIPTION.search(reply.resource_uri or ""):
            return unquote(match[1])
        if reply.scope.isdecimal():  # PG&E put the id there once
            return reply.scope
        if self.session.custodian.authorization_is_subscription and reply.authorization_uri:
            return unquote(reply.authorization_uri.partition("?")[0].rstrip("/").rpartition("/")[2])
        return f"unnamed-{secrets.token_hex(4)}"


def _token(reply: TokenReply, now: float, subscription: str | None, origins: tuple[str, ...]) -> Token:
    return Token(
        kind=reply.kind,
        access_token=reply.access_token,
        refresh_token=reply.refresh_token,
        expires_at=now + (_LIFE if reply.expires_in is None else reply.expires_in),
        scope=reply.scope,
        subscription=subscription,
        resource_uri=reply.resource_uri,
        authorization_uri=reply.authorization_uri,
        customer_resource_uri=reply.customer_resource_uri,
        obtained_at=now,
        origins=origins,
    )


def _after(old: Token, reply: TokenReply, now: float, origins: tuple[str, ...]) -> Token:
    """Return the token of a refresh; what the reply leaves out stays as it was (RFC 6749 §6)."""
    new = _token(reply, now, old.subscription, origins)
    return replace(
        new,
        refresh_token=new.refresh_token or old.refresh_token,
        scope=new.scope or old.scope,
        resource_uri=new.resource_uri or old.resource_uri,
        authorization_uri=new.authorization_uri or old.authorization_uri,
        customer_resource_uri=new.customer_resource_uri or old.customer_resource_uri,
    )
