"""An authorization server that speaks FAPI: what it says of itself, how it is asked, and what it signs.

Endpoints are read from the issuer's metadata (OpenID Connect Discovery, RFC 8414); a client proves itself by its certificate (RFC 8705) or
by a signature (RFC 7523) instead of a secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from smd_notebook.access.certificates import load_identity, load_key
from smd_notebook.access.conversation import Conversation
from smd_notebook.access.custodian import origin_of
from smd_notebook.access.failures import PROBLEMS, network_error, read_whole
from smd_notebook.access.redact import redact
from smd_notebook.access.replies import ids_of, refusal
from smd_notebook.access.transport import OriginAdapter, client_context
from smd_notebook.errors import AuthorizationError, BadRequest, ConfigurationError, ServiceError, SmdError, StateMismatch, needs, warn
from smd_notebook.espi.resources import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["Identity", "Issuer", "signed_answer"]

_log = logging.getLogger(__name__)
_LARGEST = 1 << 20  # bytes of metadata, keys or a token reply
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Endpoints that have aliases for clients with a certificate (RFC 8705 §5)
_ENDPOINTS = ("token_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint")
#: What FAPI lets a server sign with (FAPI 2.0 §5.4.1)
_ALGORITHMS = ["PS256", "ES256", "EdDSA"]
_SKEW = 60.0  # s; how far two clocks may be apart
_MOST = 16_384  # characters of an address


@dataclass(frozen=True)
class Identity:
    """Certificate, key, and the key's passphrase."""

    certificate: Path
    key: Path | None = None
    key_passphrase: Secret | None = None


class Issuer:
    """One authorization server, seen by one client.

    Parameters
    ----------
    url : str
        Its issuer identifier.
    client_id : str
        As registered there.
    identity : Identity
        What the client shows in TLS.
    scopes : str
        What will be asked for; scopes that the server does not list are told.
    signing : tuple of (Path, Secret or None), optional
        The key that signs, and its passphrase, where that is not the certificate's.
    client_auth : {"tls_client_auth", "private_key_jwt"}
        How the client proves itself.
    ca_bundle : str or Path, optional
        PEM file of the authorities that the server's certificate may come from.
    timeout : tuple of (float, float)
        How long to wait for a connection, and for each part of a reply [s].
    total : float
        How long a whole reply may take [s].
    clock : callable
        What time it is [s since 1970].

    Raises
    ------
    ConfigurationError
        If an address or a file cannot be used.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        identity: Identity,
        *,
        scopes: str,
        signing: tuple[Path, Secret | None] | None,
        client_auth: Literal["tls_client_auth", "private_key_jwt"],
        ca_bundle: str | Path | None,
        timeout: tuple[float, float],
        total: float,
        clock: Callable[[], float],
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.query or parts.fragment:
            raise ConfigurationError("an issuer's address begins with https:// and has no query")
        if client_auth not in ("tls_client_auth", "private_key_jwt"):
            raise ConfigurationError('client_auth is "tls_client_auth" or "private_key_jwt"')
        if client_auth == "private_key_jwt":
            needs('client_auth="private_key_jwt"', "jwt", "fapi")
        self.url, self.client_id, self.identity = url, client_id, identity
        self._scopes, self._signing, self._auth = scopes, signing, client_auth
        self._timeout, self._clock = timeout, clock
        self._bare = client_context(ca_bundle=ca_bundle, total=total)
        #: TLS with the client's certificate
        self.tls = client_context(ca_bundle=ca_bundle, total=total, identity=identity)
        self._lock = threading.RLock()
        self._metadata: dict[str, Any] | None = None
        self._oauth: Conversation | None = None
        self._keys: list[dict[str, Any]] = []

    def close(self) -> None:
        """Close the connections that are kept open."""
        if self._oauth is not None:
            self._oauth.close()

    # -- what it says of itself -------------------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> dict[str, Any]:
        """What the server says of itself, fetched once; it raises what `FapiSession.metadata` does."""
        with self._lock:
            if self._metadata is None:
                self._metadata = self._discovered()
            return dict(self._metadata)

    def _discovered(self) -> dict[str, Any]:
        parts = urlsplit(self.url)
        tail = parts.path.rstrip("/")
        addresses = (
            f"{self.url.rstrip('/')}/.well-known/openid-configuration",
            f"https://{parts.netloc}/.well-known/oauth-authorization-server{tail}",
        )
        found = self._public(addresses[0])
        if found.status_code != 200:
            found = self._public(addresses[1])
        if found.status_code != 200:
            problem = refusal(found.status_code, found.headers, found.content)
            if problem.retryable:
                raise problem
            hint = "Its documentation names the issuer; an address of tokens or data is none, nor is a server that does not speak FAPI."
            text = f"there is no metadata below issuer_url (HTTP {found.status_code}): is this the issuer?"
            raise BadRequest(text, hint=hint, status_code=found.status_code, ids=problem.ids)
        try:
            metadata = json.loads(found.content)
            issuer = metadata["issuer"]
        except (ValueError, TypeError, KeyError):
            raise ServiceError("the authorization server's metadata is not what RFC 8414 says", hint="Check issuer_url.") from None
        if issuer != self.url:
            hint = "Write issuer_url exactly as the server does, with or without a slash at its end; if it is another name, do not go on."
            raise ConfigurationError("the metadata is of another issuer than was asked for (RFC 8414 §3.3)", hint=hint)
        if not str(metadata.get("token_endpoint", "")).startswith("https://"):
            raise ConfigurationError("the authorization server's metadata names no token endpoint of https")
        if unknown := set(self._scopes.split()) - set(metadata.get("scopes_supported") or self._scopes.split()):
            warn(f"the authorization server does not list the scope {', '.join(sorted(unknown))}")
        return dict(metadata)

    def endpoint(self, name: str) -> str | None:
        """Return an endpoint's address: of its alias for clients with a certificate, where there is one (RFC 8705 §5).

        Parameters
        ----------
        name : str
            Such as ``"token_endpoint"``.

        Raises
        ------
        ConfigurationError
            If it is not of https.
        """
        metadata = self.metadata
        found = (metadata.get("mtls_endpoint_aliases") or {}).get(name) or metadata.get(name)
        if found is not None and not str(found).startswith("https://"):
            raise ConfigurationError(f"the authorization server's {name} is not of https")
        return str(found) if found else None

    # -- asking it --------------------------------------------------------------------------------------------------------------------

    def post(self, endpoint: str, parameters: Mapping[str, str]) -> requests.Response:
        """Ask it, proving who asks; never tried again, as codes and refresh tokens may be used once only.

        Parameters
        ----------
        endpoint : str
            An address that `endpoint` returned.
        parameters : mapping of str to str
            Those of the request; what proves the client is added.

        Raises
        ------
        AuthorizationError
            If the server does not know who asks.
        ServiceError
            If no whole reply came.
        """
        with self._lock:
            if self._oauth is None:
                places = tuple(dict.fromkeys(origin_of(one) for name in _ENDPOINTS if (one := self.endpoint(name))))
                self._oauth = Conversation(OriginAdapter(places, self.tls, self._timeout))
        proof = {"client_id": self.client_id}
        if self._auth == "private_key_jwt":
            # FAPI 2.0 §5.3.3 wants the issuer as its audience
            proof |= {"client_assertion_type": _ASSERTION, "client_assertion": self.assertion(self.client_id, self.url)}
        body = urlencode({**parameters, **proof})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        found = _call(self._oauth, "POST", endpoint, data=body, headers=headers)
        if problem := self._stranger(found):
            raise problem
        return found

    def _stranger(self, reply: requests.Response) -> AuthorizationError | None:
        """Return the error where a reply says that the server does not know the client (RFC 6749 §5.2)."""
        try:
            known = json.loads(reply.content).get("error") != "invalid_client"
        except (ValueError, AttributeError):
            return None
        if known or reply.status_code not in (400, 401):
            return None
        shown = "certificate" if self._auth == "tls_client_auth" else "signature"
        hint = f"Compare client_id and {shown} with what is registered there, and whether client_auth={self._auth!r} is."
        text = f"the authorization server does not know this client by its {shown} (HTTP {reply.status_code})"
        return AuthorizationError(text, hint=hint, status_code=reply.status_code, ids=ids_of(reply.headers))

    def assertion(self, subject: str, audience: str) -> str:
        """Return a signed statement of who asks, good for a minute (RFC 7523 §3; PS256 or ES256, after the key).

        Parameters
        ----------
        subject : str
            The client itself, or whom it acts for.
        audience : str
            Who is to believe it.

        Raises
        ------
        ConfigurationError
            If the key cannot be read.
        """
        import jwt
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        key = load_key(*self._signing) if self._signing else self._own()[1]
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PS256"
        now = int(self._clock())
        claims = {"iss": self.client_id, "sub": subject, "aud": audience, "jti": str(uuid.uuid4()), "iat": now, "exp": now + 60}
        return jwt.encode(claims, cast("rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey", key), algorithm=algorithm)

    def _public(self, address: str) -> requests.Response:
        """Return what anybody may read, asked for without a certificate."""
        with Conversation(OriginAdapter((origin_of(address),), self._bare, self._timeout)) as http:
            return _call(http, "GET", address)

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the client certificate, as tokens are bound to it (RFC 8705 §3.1)."""
        from cryptography.hazmat.primitives.serialization import Encoding

        chain, _ = self._own()
        return base64.urlsafe_b64encode(hashlib.sha256(chain[0].public_bytes(Encoding.DER)).digest()).rstrip(b"=").decode()

    def _own(self) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
        return load_identity(self.identity.certificate, self.identity.key, self.identity.key_passphrase)

    # -- what it signs ----------------------------------------------------------------------------------------------------------------

    def read_answer(self, answer: str) -> str:
        """Return the parameters of a signed answer as a query (JARM, JWT Secured Authorization Response Mode for OAuth 2.0, §2.4).

        Parameters
        ----------
        answer : str
            The JSON web token that stood as ``response`` in the redirected address.

        Raises
        ------
        StateMismatch
            If this server did not sign it, or not for this client, or it has ended.
        ConfigurationError
            If the extra ``fapi`` is not installed.
        ServiceError
            If the server's keys cannot be had.
        """
        needs("A signed answer (response_mode)", "jwt", "fapi")
        import jwt

        elsewhere = "Start again with authorization_url; do not use this address."
        try:
            key = self._key_for(jwt.get_unverified_header(answer))
            claims = jwt.decode(
                answer,
                key,
                algorithms=_ALGORITHMS,
                audience=self.client_id,
                issuer=self.url,
                options={"require": ["exp", "iss", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},  # by our clock
            )
            late = self._clock() > float(claims["exp"]) + _SKEW
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            what = f"the answer is not one that this authorization server signed for this client ({type(error).__name__})"
            raise StateMismatch(what, hint=elsewhere) from None
        if late:
            raise StateMismatch("the signed answer has ended", hint=elsewhere)
        return "?" + urlencode({name: one for name, one in claims.items() if isinstance(one, str)})

    def _key_for(self, header: Mapping[str, Any]) -> Any:
        """Return the server's key that a header names; its keys are fetched anew where they do not have it."""
        import jwt

        if header.get("alg") not in _ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        kind = {"PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}[header["alg"]]
        for fresh in (False, True):
            if fresh or not self._keys:
                self._keys = self._fetched_keys()
            fit = [one for one in self._keys if one.get("kty") == kind and one.get("use") in (None, "sig")]
            fit = [one for one in fit if one.get("kid") == header["kid"]] if "kid" in header else fit
            if len(fit) == 1:
                return jwt.PyJWK.from_dict(fit[0], algorithm=header["alg"]).key
        raise jwt.InvalidKeyError

    def _fetched_keys(self) -> list[dict[str, Any]]:
        address = str(self.metadata.get("jwks_uri", ""))
        if not address.startswith("https://"):
            raise ConfigurationError("the authorization server's metadata names no keys (jwks_uri of https)")
        found = self._public(address)
        try:
            return [dict(one) for one in json.loads(found.content)["keys"]]
        except (ValueError, TypeError, KeyError):
            raise refusal(found.status_code, found.headers, found.content) from None


def signed_answer(address: str) -> str | None:
    """Return the signed answer in a redirected address, in its query or its fragment; None where there is none.

    Parameters
    ----------
    address : str
        Where the browser ended.

    Examples
    --------
    >>> signed_answer("https://app.example/callback#response=abc.def.ghi")
    'abc.def.ghi'
    """
    try:
        parts = urlsplit(address.strip()[:_MOST])
        found = [one for text in (parts.query, parts.fragment) for one in parse_qs(text, max_num_fields=64).get("response", [])]
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None


def _call(http: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
    """Return a whole reply, or raise what stands behind there being none; the log has a line of it, with neither query nor body."""
    found: requests.Response | SmdError
    begun = time.monotonic()
    try:
        reply = http.request(method, url, stream=True, **given)
        found = read_whole(reply, _LARGEST, again=False) or reply
    except PROBLEMS as error:
        found = network_error(error, again=method != "POST")
    where, seconds = redact(url.partition("?")[0]), time.monotonic() - begun
    if isinstance(found, SmdError):
        _log.info("%s %s: %s after %.3f s", method, where, type(found).__name__, seconds)
        raise found
    _log.info("%s %s %d in %.3f s", method, where, found.status_code, seconds)
    return found
