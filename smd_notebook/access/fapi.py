"""Authorization servers that speak FAPI, such as Open Energy's: tokens that are bound to a certificate, found by metadata.

What differs from PG&E: endpoints are read from the issuer's metadata (RFC 8414), clients prove themselves by certificate (RFC 8705) or
signature (RFC 7523) instead of a secret, and a token is worth nothing without the certificate that it was given to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Self
from urllib.parse import urlencode, urlsplit

from smd_notebook.access.conversation import Guarded
from smd_notebook.access.custodian import origin_of
from smd_notebook.access.guard import discreet, uninterrupted
from smd_notebook.access.issuer import Identity, Issuer, signed_answer
from smd_notebook.access.redact import guard_logs, hide
from smd_notebook.access.redirect import parse_redirect
from smd_notebook.access.replies import TokenReply, refusal, token_reply
from smd_notebook.access.sealing import seal, unseal
from smd_notebook.access.transport import OriginAdapter
from smd_notebook.errors import CertificateRejected, ConfigurationError, Expired, StateMismatch, needs
from smd_notebook.espi.resources import Secret

__all__ = ["FapiSession"]

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: In which ways an answer may be signed that stands in an address (JARM §2.3)
_SIGNED = ("jwt", "query.jwt", "fragment.jwt")


@dataclass(frozen=True)
class _Pending:
    """A consent that was begun: what comes back has to fit it."""

    state: Secret
    verifier: Secret
    redirect_uri: str
    signed: bool = False


@dataclass(frozen=True)
class _Held:
    reply: TokenReply
    expires_at: float


class FapiSession:
    """A client of one FAPI authorization server, and of the resources that it guards.

    Nothing is fetched until it is needed. Certificate and token go to the authorization server and to `origins`, and nowhere else.

    Parameters
    ----------
    issuer_url : str
        The authorization server's issuer identifier, exactly as it writes it.
    client_id : str
        As registered there.
    certificate : str or Path
        PEM file of the client certificate and those above it, or PKCS#12 file with the key.
    private_key : str or Path, optional
        PEM file of its key, where that is not in `certificate`.
    requested_scopes : str, default ""
        Scopes to ask for, with spaces between.
    origins : sequence of str, default ()
        Addresses of the resource servers that the token is for, such as ``"https://api.provider.example"``.
    ca_bundle : str or Path, optional
        PEM file of the authorities that the servers' certificates may come from.
    passphrase : Secret, optional
        What the key is encrypted with.
    client_auth : {"tls_client_auth", "private_key_jwt"}
        How the client proves itself at the token endpoint: by its certificate (RFC 8705 §2) or by a signature (RFC 7523; extra ``fapi``).
    subject : str, optional
        Whom to ask tokens for, by a signed statement (grant jwt-bearer, RFC 7523 §2.1; extra ``fapi``), in place of the client itself.
    signing_key : str or Path, optional
        PEM file of the key that signs, where that is not `private_key`.
    signing_passphrase : Secret, optional
        What `signing_key` is encrypted with.
    leeway : float, default 30
        How long before its end a token is renewed [s].
    timeout : tuple of (float, float), default (10, 60)
        How long to wait for a connection, and for each part of a reply [s].
    total : float, default 600
        How long a whole reply may take [s].
    retries : int, default 3
        How often GET, HEAD and OPTIONS are tried again after 429, 502, 503 and 504.
    clock, sleep : callable, optional
        Time and patience; for tests.

    Raises
    ------
    ConfigurationError
        If an address or a file cannot be used.

    Examples
    --------
    >>> FapiSession(issuer_url="http://as.example", client_id="c", certificate="x.pem")
    Traceback (most recent call last):
    ...
    smd_notebook.errors.ConfigurationError: an issuer's address begins with https:// and has no query
    """

    def __init__(
        self,
        *,
        issuer_url: str,
        client_id: str,
        certificate: str | Path,
        private_key: str | Path | None = None,
        requested_scopes: str = "",
        origins: tuple[str, ...] | list[str] = (),
        ca_bundle: str | Path | None = None,
        passphrase: Secret | None = None,
        client_auth: Literal["tls_client_auth", "private_key_jwt"] = "tls_client_auth",
        subject: str | None = None,
        signing_key: str | Path | None = None,
        signing_passphrase: Secret | None = None,
        leeway: float = 30.0,
        timeout: tuple[float, float] = (10.0, 60.0),
        total: float = 600.0,
        retries: int = 3,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if subject is not None:
            needs("subject", "jwt", "fapi")
        self.issuer, self.client_id, self.requested_scopes = issuer_url, client_id, requested_scopes
        self.origins = tuple(dict.fromkeys(origin_of(one) for one in origins))
        if any(not one.startswith("https:") for one in self.origins):
            raise ConfigurationError("origins begin with https://")
        self._server = Issuer(
            issuer_url,
            client_id,
            Identity(Path(certificate), Path(private_key) if private_key else None, passphrase),
            scopes=requested_scopes,
            signing=(Path(signing_key), signing_passphrase) if signing_key else None,
            client_auth=client_auth,
            ca_bundle=ca_bundle,
            timeout=timeout,
            total=total,
            clock=clock,
        )
        self._subject, self._leeway, self._clock = subject, leeway, clock
        paths = {"certificate": certificate, "private_key": private_key, "signing_key": signing_key, "ca_bundle": ca_bundle}
        more = {"client_auth": client_auth, "subject": subject, "leeway": leeway, "timeout": timeout, "total": total, "retries": retries}
        self._given: dict[str, Any] = {
            **{name: str(Path(one).expanduser().absolute()) if one else None for name, one in paths.items()},
            **more,
            "issuer_url": issuer_url,
            "client_id": client_id,
            "requested_scopes": requested_scopes,
            "origins": self.origins,
        }
        self._lock = threading.RLock()
        self._held: _Held | None = None
        self._pending: list[_Pending] = []
        adapter = OriginAdapter(self.origins, self._server.tls, timeout)
        #: For requests without a token
        self.plain_session = Guarded(adapter, retries=retries, sleep=sleep)
        #: For requests with a token, which is got and renewed as needed
        self.session = Guarded(adapter, token=self.token, refused=self._refused, retries=retries, sleep=sleep)
        hide(passphrase, signing_passphrase)
        guard_logs()

    def close(self) -> None:
        """Close the connections that are kept open."""
        for one in (self.session, self.plain_session, self._server):
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FapiSession({self.issuer!r}, {self.client_id!r})"

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError("a session cannot be pickled or copied", hint="Make one where it is needed.")

    @property
    def metadata(self) -> dict[str, Any]:
        """What the authorization server says of itself (OpenID Connect Discovery 1.0, else RFC 8414), fetched once.

        Raises
        ------
        ServiceError
            If it cannot be had.
        ConfigurationError
            If it is another issuer's, or lacks a token endpoint.
        """
        return self._server.metadata

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the client certificate, as tokens are bound to it (RFC 8705 §3.1)."""
        return self._server.thumbprint

    # -- tokens -----------------------------------------------------------------------------------------------------------------------

    @discreet
    def token(self) -> Secret:
        """Return an access token that is good for a while; get or renew one where there is none.

        However many threads ask at once, one request goes out.

        Raises
        ------
        AuthorizationError, ServiceError
            If none is to be had.
        """
        with self._lock:
            held = self._held
            if held is None or self._clock() >= held.expires_at - self._leeway:
                held = self._renewed(held)
            return held.reply.access_token

    def _renewed(self, held: _Held | None) -> _Held:
        if held is not None and held.reply.refresh_token is not None:
            return self._asked({"grant_type": "refresh_token", "refresh_token": held.reply.refresh_token.reveal()}, held)
        if self._subject is not None:
            endpoint = self._server.endpoint("token_endpoint") or ""
            parameters = {"grant_type": _JWT_BEARER, "assertion": self._server.assertion(self._subject, endpoint)}
        elif held is not None and held.reply.kind == "access":
            raise Expired("the consent has run out, and came with no refresh token", hint="Begin again: authorization_url, exchange.")
        else:
            parameters = {"grant_type": "client_credentials"}
        if self.requested_scopes:
            parameters["scope"] = self.requested_scopes
        return self._asked(parameters, None)

    def _asked(self, parameters: Mapping[str, str], before: _Held | None) -> _Held:
        """Ask for tokens and keep them. An interrupt waits for that: the code or refresh token may be worth nothing by then."""

        def ask() -> _Held:
            asked_at = self._clock()
            found = self._server.post(self._server.endpoint("token_endpoint") or "", parameters)  # metadata without one was refused
            reply = token_reply(found.status_code, found.headers, found.content, parameters["grant_type"])
            if reply.refresh_token is None and before is not None:
                reply = TokenReply(**{**vars(reply), "refresh_token": before.reply.refresh_token})
            hide(reply.access_token, reply.refresh_token)
            # where the reply names no lifetime, the token is used until it is refused
            self._held = held = _Held(reply, asked_at + reply.expires_in if reply.expires_in is not None else float("inf"))
            return held

        return uninterrupted(ask)

    def clear_token(self) -> None:
        """Forget the tokens; the next request gets new ones, or needs a new consent."""
        with self._lock:
            self._held = None

    def _refused(self, used: Secret) -> None:
        """Take note that a token was refused; renewed is only the one that is still in use."""
        with self._lock:
            if self._held is not None and self._held.reply.access_token == used:
                self._renewed(self._held)

    # -- a customer's consent ---------------------------------------------------------------------------------------------------------

    @discreet
    def authorization_url(self, redirect_uri: str, *, response_mode: str | None = None, **more: str) -> str:
        """Begin a consent: return the address to open in a browser (authorization code with PKCE, pushed where the server takes that).

        Parameters
        ----------
        redirect_uri : str
            Where the browser is sent back to, as registered.
        response_mode : {"jwt", "query.jwt", "fragment.jwt"}, optional
            Have the server sign its answer (JARM; extra ``fapi``); then no other is taken.
        **more : str
            Parameters to add, such as ``prompt="consent"``.

        Raises
        ------
        ConfigurationError
            If the server has no authorization endpoint, not the PKCE method S256 or does not sign answers, or `more` has what is set here.
        AuthorizationError, ServiceError
            If it refuses the request that was pushed to it (RFC 9126).
        """
        metadata = self.metadata
        address = metadata.get("authorization_endpoint")
        if not str(address).startswith("https://"):
            raise ConfigurationError("this authorization server has no authorization endpoint of https")
        if "S256" not in (metadata.get("code_challenge_methods_supported") or ["S256"]):
            raise ConfigurationError("this authorization server does not offer PKCE with S256 (RFC 7636)")
        if response_mode is not None:
            needs("response_mode", "jwt", "fapi")
            if response_mode not in _SIGNED or response_mode not in (metadata.get("response_modes_supported") or _SIGNED):
                problem = f"response_mode is not one of {', '.join(_SIGNED)} that this authorization server offers"
                raise ConfigurationError(problem, hint="Leave it out, and the answer comes unsigned.")
            more = {"response_mode": response_mode, **more}
        verifier, state = Secret(secrets.token_urlsafe(64)), Secret(secrets.token_urlsafe(24))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.reveal().encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "state": state.reveal(),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if self.requested_scopes:
            parameters["scope"] = self.requested_scopes
        if clash := {*more} & {*parameters, "request", "request_uri"}:
            raise ConfigurationError(f"{', '.join(sorted(clash))} cannot be set by hand")
        parameters |= more
        if pushed := self._server.endpoint("pushed_authorization_request_endpoint"):
            parameters = {"client_id": self.client_id, "request_uri": self._pushed(pushed, parameters)}
        with self._lock:
            self._pending = [*self._pending[-4:], _Pending(state, verifier, redirect_uri, response_mode is not None)]
        return f"{address}{'&' if urlsplit(str(address)).query else '?'}{urlencode(parameters)}"

    def _pushed(self, endpoint: str, parameters: Mapping[str, str]) -> str:
        found = self._server.post(endpoint, parameters)
        try:
            return str(json.loads(found.content)["request_uri"])
        except (ValueError, TypeError, KeyError):
            raise refusal(found.status_code, found.headers, found.content) from None

    @discreet
    def exchange(self, redirected_url: str) -> None:
        """Finish a consent: exchange the code that the browser brought back for tokens.

        Parameters
        ----------
        redirected_url : str
            The whole address that the browser was sent to.

        Raises
        ------
        StateMismatch
            If it answers no consent that was begun here, comes from another server (RFC 9207), or is not signed though it was to be.
        Denied, AuthorizationError, ServiceError
            If there are no tokens.
        """
        signed = signed_answer(redirected_url)
        if signed is not None:
            redirected_url = self._server.read_answer(signed)
        strict = bool(self.metadata.get("authorization_response_iss_parameter_supported"))
        with self._lock:
            waiting, problem = list(self._pending), None
        for one in reversed(waiting):
            try:
                found = parse_redirect(redirected_url, one.state, issuer=self.issuer)
            except StateMismatch as error:
                problem = error
                continue
            break
        else:
            raise problem or StateMismatch("no consent was begun here", hint="Start with authorization_url.")
        if one.signed and signed is None:
            raise StateMismatch("the answer is not signed, though that was asked for (JARM)", hint="Start again; do not use this address.")
        if not found.proved:
            raise StateMismatch("a code alone is not enough here", hint="Paste the whole address, with its state.")
        if strict and not found.issuer:
            raise StateMismatch("the answer does not name the server that it comes from (RFC 9207)", hint="Do not use this address.")
        parameters = {
            "grant_type": "authorization_code",
            "code": found.code.reveal(),
            "redirect_uri": one.redirect_uri,
            "code_verifier": one.verifier.reveal(),
        }
        hide(found.code, one.verifier)
        with self._lock:
            self._pending = [other for other in self._pending if other is not one]  # whatever comes of it: a code is used once
            self._asked(parameters, None)

    @discreet
    def introspect(self, token: Secret | None = None) -> dict[str, Any]:
        """Ask the authorization server what it knows of a token (RFC 7662).

        Parameters
        ----------
        token : Secret, optional
            The token; by default the one in use.

        Raises
        ------
        ConfigurationError
            If the server does not offer that.
        CertificateRejected
            If the token in use is bound to another certificate (RFC 8705 §3.2).
        AuthorizationError, ServiceError
            If it does not answer.
        """
        endpoint = self._server.endpoint("introspection_endpoint")
        if endpoint is None:
            raise ConfigurationError("this authorization server does not offer introspection")
        found = self._server.post(endpoint, {"token": (token or self.token()).reveal(), "token_type_hint": "access_token"})
        try:
            answer = json.loads(found.content)
            active = answer["active"]
        except (ValueError, TypeError, KeyError):
            raise refusal(found.status_code, found.headers, found.content) from None
        bound = (answer.get("cnf") or {}).get("x5t#S256") if active else None
        if token is None and bound and bound != self.thumbprint:
            raise CertificateRejected("the token is bound to another certificate", hint="clear_token(), and get one with this certificate.")
        return dict(answer)

    # -- from one process to another --------------------------------------------------------------------------------------------------

    @discreet
    def sealed(self, key: Secret | str) -> str:
        """Return the session as a text that only who has the key can read or change: its settings, tokens, and consents that were begun.

        It is for going on in another process, for example between the two halves of a consent. Certificate and keys are in it as paths.
        Go on with one of the two: they hold the same refresh token, and many servers take that once.

        Parameters
        ----------
        key : Secret or str
            From ``cryptography.fernet.Fernet.generate_key().decode()``.

        Raises
        ------
        ConfigurationError
            If that is no such key.
        """
        with self._lock:
            content = {"given": self._given, "held": _plain(self._held), "pending": [_plain(one) for one in self._pending]}
        return seal(content, key)

    @classmethod
    @discreet
    def from_sealed(cls, text: str, key: Secret | str, **given: Any) -> Self:
        """Return the session that `sealed` made a text of.

        Parameters
        ----------
        text : str
            What `sealed` returned.
        key : Secret or str
            The key that it was sealed with.
        **given : Any
            Parameters of the class that are not in it (`passphrase`, `signing_passphrase`), or that differ here.

        Raises
        ------
        ConfigurationError
            If the key is another, the text was changed, or a file cannot be used.
        """
        content = unseal(text, key)
        made = cls(**{**content["given"], "timeout": tuple(content["given"]["timeout"]), **given})
        secret = ("access_token", "refresh_token", "state", "verifier")

        def whole(values: dict[str, Any]) -> dict[str, Any]:
            return {name: Secret(one) if name in secret and one is not None else one for name, one in values.items()}

        if content["held"]:
            reply = TokenReply(**whole(content["held"]["reply"]))
            hide(reply.access_token, reply.refresh_token)
            made._held = _Held(reply, content["held"]["expires_at"])
        made._pending = [_Pending(**whole(one)) for one in content["pending"]]
        return made


def _plain(value: Any) -> Any:
    """Return what JSON takes, secrets revealed; it is sealed at once."""
    if isinstance(value, Secret):
        return value.reveal()
    return {name: _plain(one) for name, one in vars(value).items()} if isinstance(value, TokenReply | _Held | _Pending) else value
