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
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Self, cast
from urllib.parse import urlencode, urlsplit

import requests

from smd_notebook.access.certificates import load_identity
from smd_notebook.access.conversation import Conversation, Guarded
from smd_notebook.access.custodian import origin_of
from smd_notebook.access.failures import PROBLEMS, network_error, read_whole
from smd_notebook.access.redact import guard_logs, hide
from smd_notebook.access.redirect import parse_redirect
from smd_notebook.access.replies import TokenReply, refusal, token_reply
from smd_notebook.access.transport import OriginAdapter, client_context
from smd_notebook.errors import (
    CertificateRejected,
    ConfigurationError,
    Expired,
    ServiceError,
    SmdError,
    StateMismatch,
    needs,
    warn,
)
from smd_notebook.espi.resources import Secret

__all__ = ["FapiSession"]

_LARGEST = 1 << 20  # bytes of metadata or of a token reply
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Endpoints that have aliases for clients with a certificate (RFC 8705 §5)
_ENDPOINTS = ("token_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint")


class _Identity(NamedTuple):
    certificate: Path
    key: Path | None
    key_passphrase: Secret | None


@dataclass(frozen=True)
class _Pending:
    """A consent that was begun: what comes back has to fit it."""

    state: Secret
    verifier: Secret
    redirect_uri: str


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
        leeway: float = 30.0,
        timeout: tuple[float, float] = (10.0, 60.0),
        total: float = 600.0,
        retries: int = 3,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        parts = urlsplit(issuer_url)
        if parts.scheme != "https" or parts.query or parts.fragment:
            raise ConfigurationError("an issuer's address begins with https:// and has no query")
        if client_auth not in ("tls_client_auth", "private_key_jwt"):
            raise ConfigurationError('client_auth is "tls_client_auth" or "private_key_jwt"')
        if client_auth == "private_key_jwt":
            needs('client_auth="private_key_jwt"', "jwt", "fapi")
        self.issuer, self.client_id, self.requested_scopes = issuer_url, client_id, requested_scopes
        self.origins = tuple(dict.fromkeys(origin_of(one) for one in origins))
        if any(not one.startswith("https:") for one in self.origins):
            raise ConfigurationError("origins begin with https://")
        self._identity = _Identity(Path(certificate), Path(private_key) if private_key else None, passphrase)
        self._auth, self._leeway, self._clock = client_auth, leeway, clock
        bare = client_context(ca_bundle=ca_bundle, total=total)
        self._tls = client_context(ca_bundle=ca_bundle, total=total, identity=self._identity)
        self._timeout = timeout
        self._public = Conversation(OriginAdapter((origin_of(issuer_url),), bare, timeout))
        self._lock = threading.RLock()
        self._metadata: dict[str, Any] | None = None
        self._oauth: Conversation | None = None
        self._held: _Held | None = None
        self._pending: list[_Pending] = []
        #: For requests without a token
        self.plain_session = Guarded(OriginAdapter(self.origins, self._tls, timeout), retries=retries, sleep=sleep)
        #: For requests with a token, which is got and renewed as needed
        self.session = Guarded(
            OriginAdapter(self.origins, self._tls, timeout), token=self.token, refused=self._refused, retries=retries, sleep=sleep
        )
        hide(passphrase)
        guard_logs()

    def close(self) -> None:
        """Close the connections that are kept open."""
        for one in (self.session, self.plain_session, self._public, self._oauth):
            if one is not None:
                one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FapiSession({self.issuer!r}, {self.client_id!r})"

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError("a session cannot be pickled or copied", hint="Make one where it is needed.")

    # -- the authorization server -----------------------------------------------------------------------------------------------------

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
        with self._lock:
            if self._metadata is None:
                self._metadata = self._discovered()
            return dict(self._metadata)

    def _discovered(self) -> dict[str, Any]:
        parts = urlsplit(self.issuer)
        tail = parts.path.rstrip("/")
        addresses = (
            f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            f"https://{parts.netloc}/.well-known/oauth-authorization-server{tail}",
        )
        found = self._call(self._public, "GET", addresses[0])
        if found.status_code != 200:
            found = self._call(self._public, "GET", addresses[1])
        if found.status_code != 200:
            raise refusal(found.status_code, found.headers, found.content)
        try:
            metadata = json.loads(found.content)
            issuer = metadata["issuer"]
        except (ValueError, TypeError, KeyError):
            raise ServiceError("the authorization server's metadata is not what RFC 8414 says", hint="Check issuer_url.") from None
        if issuer != self.issuer:
            hint = "Write issuer_url exactly as the server does, with or without a slash at its end; if it is another name, do not go on."
            raise ConfigurationError("the metadata is of another issuer than was asked for (RFC 8414 §3.3)", hint=hint)
        if not str(metadata.get("token_endpoint", "")).startswith("https://"):
            raise ConfigurationError("the authorization server's metadata names no token endpoint of https")
        if unknown := set(self.requested_scopes.split()) - set(metadata.get("scopes_supported") or self.requested_scopes.split()):
            warn(f"the authorization server does not list the scope {', '.join(sorted(unknown))}")
        return dict(metadata)

    def _endpoint(self, name: str) -> str | None:
        """Return an endpoint's address: of its alias for clients with a certificate, where there is one (RFC 8705 §5)."""
        metadata = self.metadata
        found = (metadata.get("mtls_endpoint_aliases") or {}).get(name) or metadata.get(name)
        if found is not None and not str(found).startswith("https://"):
            raise ConfigurationError(f"the authorization server's {name} is not of https")
        return str(found) if found else None

    def _post(self, endpoint: str, parameters: Mapping[str, str]) -> requests.Response:
        """Ask the authorization server, proving who asks; never tried again, as codes and refresh tokens may be used once only."""
        with self._lock:
            if self._oauth is None:
                places = tuple(dict.fromkeys(origin_of(one) for name in _ENDPOINTS if (one := self._endpoint(name))))
                self._oauth = Conversation(OriginAdapter(places, self._tls, self._timeout))
        proof = {"client_id": self.client_id}
        if self._auth == "private_key_jwt":
            proof |= {"client_assertion_type": _ASSERTION, "client_assertion": self._assertion()}
        body = urlencode({**parameters, **proof})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._call(self._oauth, "POST", endpoint, data=body, headers=headers)

    def _assertion(self) -> str:
        """Return a signed statement of who asks (RFC 7523 §2.2; FAPI 2.0 §5.3.3 wants the issuer as its audience)."""
        import jwt
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        _, key = load_identity(*self._identity)
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PS256"
        now = int(self._clock())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": self.issuer, "jti": str(uuid.uuid4()), "iat": now, "exp": now + 60}
        return jwt.encode(claims, cast("rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey", key), algorithm=algorithm)

    def _call(self, http: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
        """Return a whole reply, or raise what stands behind there being none."""
        found: requests.Response | SmdError
        try:
            reply = http.request(method, url, stream=True, **given)
            found = read_whole(reply, _LARGEST, again=False) or reply
        except PROBLEMS as error:
            found = network_error(error, again=method != "POST")
        if isinstance(found, SmdError):
            raise found
        return found

    # -- tokens -----------------------------------------------------------------------------------------------------------------------

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
                held = self._held = self._renewed(held)
            return held.reply.access_token

    def _renewed(self, held: _Held | None) -> _Held:
        if held is not None and held.reply.refresh_token is not None:
            return self._asked({"grant_type": "refresh_token", "refresh_token": held.reply.refresh_token.reveal()}, held)
        if held is not None and held.reply.kind == "access":
            raise Expired("the consent has run out, and came with no refresh token", hint="Begin again: authorization_url, exchange.")
        parameters = {"grant_type": "client_credentials"}
        if self.requested_scopes:
            parameters["scope"] = self.requested_scopes
        return self._asked(parameters, None)

    def _asked(self, parameters: Mapping[str, str], before: _Held | None) -> _Held:
        asked_at = self._clock()
        found = self._post(self._endpoint("token_endpoint") or "", parameters)  # metadata without one was refused
        reply = token_reply(found.status_code, found.headers, found.content, parameters["grant_type"])
        if reply.refresh_token is None and before is not None:
            reply = TokenReply(**{**vars(reply), "refresh_token": before.reply.refresh_token})
        hide(reply.access_token, reply.refresh_token)
        # where the reply names no lifetime, the token is used until it is refused
        return _Held(reply, asked_at + reply.expires_in if reply.expires_in is not None else float("inf"))

    def clear_token(self) -> None:
        """Forget the tokens; the next request gets new ones, or needs a new consent."""
        with self._lock:
            self._held = None

    def _refused(self, used: Secret) -> None:
        """Take note that a token was refused; renewed is only the one that is still in use."""
        with self._lock:
            if self._held is not None and self._held.reply.access_token == used:
                self._held = self._renewed(self._held)

    # -- a customer's consent ---------------------------------------------------------------------------------------------------------

    def authorization_url(self, redirect_uri: str) -> str:
        """Begin a consent: return the address to open in a browser (authorization code with PKCE, pushed where the server takes that).

        Parameters
        ----------
        redirect_uri : str
            Where the browser is sent back to, as registered.

        Raises
        ------
        ConfigurationError
            If the server has no authorization endpoint, or not the PKCE method S256.
        AuthorizationError, ServiceError
            If it refuses the request that was pushed to it (RFC 9126).
        """
        metadata = self.metadata
        address = metadata.get("authorization_endpoint")
        if not str(address).startswith("https://"):
            raise ConfigurationError("this authorization server has no authorization endpoint of https")
        if "S256" not in (metadata.get("code_challenge_methods_supported") or ["S256"]):
            raise ConfigurationError("this authorization server does not offer PKCE with S256 (RFC 7636)")
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
        if pushed := self._endpoint("pushed_authorization_request_endpoint"):
            parameters = {"client_id": self.client_id, "request_uri": self._pushed(pushed, parameters)}
        with self._lock:
            self._pending = [*self._pending[-4:], _Pending(state, verifier, redirect_uri)]
        return f"{address}{'&' if urlsplit(str(address)).query else '?'}{urlencode(parameters)}"

    def _pushed(self, endpoint: str, parameters: Mapping[str, str]) -> str:
        found = self._post(endpoint, parameters)
        try:
            return str(json.loads(found.content)["request_uri"])
        except (ValueError, TypeError, KeyError):
            raise refusal(found.status_code, found.headers, found.content) from None

    def exchange(self, redirected_url: str) -> None:
        """Finish a consent: exchange the code that the browser brought back for tokens.

        Parameters
        ----------
        redirected_url : str
            The whole address that the browser was sent to.

        Raises
        ------
        StateMismatch
            If it answers no consent that was begun here, or comes from another server (RFC 9207).
        Denied, AuthorizationError, ServiceError
            If there are no tokens.
        """
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
            self._held = self._asked(parameters, None)

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
        endpoint = self._endpoint("introspection_endpoint")
        if endpoint is None:
            raise ConfigurationError("this authorization server does not offer introspection")
        found = self._post(endpoint, {"token": (token or self.token()).reveal(), "token_type_hint": "access_token"})
        try:
            answer = json.loads(found.content)
            active = answer["active"]
        except (ValueError, TypeError, KeyError):
            raise refusal(found.status_code, found.headers, found.content) from None
        bound = (answer.get("cnf") or {}).get("x5t#S256") if active else None
        if token is None and bound and bound != self.thumbprint:
            raise CertificateRejected("the token is bound to another certificate", hint="clear_token(), and get one with this certificate.")
        return dict(answer)

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the client certificate, as tokens are bound to it (RFC 8705 §3.1)."""
        from cryptography.hazmat.primitives.serialization import Encoding

        chain, _ = load_identity(*self._identity)
        return base64.urlsafe_b64encode(hashlib.sha256(chain[0].public_bytes(Encoding.DER)).digest()).rstrip(b"=").decode()
