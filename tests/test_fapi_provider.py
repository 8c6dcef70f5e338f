"""FapiSession against an authorization server by other hands: oidc-provider from npm, on loopback.

It checks by itself, to the RFCs: the client's certificate (8705 §2), that tokens are bound to it (§3), signed assertions (7523), pushed
requests (9126), PKCE (7636), codes used once, introspection (7662); it answers with `iss` (9207), and signs answers (JARM) on request.
``npm ci --prefix tests/fapi`` installs it.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import trustme
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from smd_notebook.access.fapi import FapiSession
from smd_notebook.errors import AuthorizationError, CertificateRejected, ConfigurationError, Denied, Expired, StateMismatch
from smd_notebook.espi.resources import Secret

HOME = Path(__file__).parent / "fapi"
BACK = "https://app.example/callback"
pytestmark = pytest.mark.skipif(
    not (HOME / "node_modules").is_dir() or shutil.which("node") is None, reason="no oidc-provider: npm ci --prefix tests/fapi"
)


@dataclass
class Provider:
    issuer: str
    folder: Path

    def session(self, client_id: str = "bound", who: str = "client.example", **given: Any) -> FapiSession:
        files = {"certificate": self.folder / f"{who}.pem", "private_key": self.folder / f"{who}.key", "ca_bundle": self.folder / "ca.pem"}
        given = {"issuer_url": self.issuer, "requested_scopes": "usage", "origins": (self.issuer,), **files, **given}
        return FapiSession(client_id=client_id, **given)

    def consent(self, address: str, *, agree: bool = True) -> str:
        """Be the customer's browser; return where it is sent back to."""
        deny = self.folder / "deny"
        deny.unlink(missing_ok=True)
        if not agree:
            deny.touch()
        with requests.Session() as browser:
            browser.trust_env = False
            while not address.startswith(BACK):
                reply = browser.get(address, verify=str(self.folder / "ca.pem"), allow_redirects=False, timeout=60)
                assert reply.is_redirect, reply.text
                address = requests.compat.urljoin(address, reply.headers["Location"])  # type: ignore[attr-defined]
        return address


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("localhost", "client.example", "other.example"):
        issued = authority.issue_cert(name, key_type=trustme.KeyType.RSA)
        (folder / f"{name}.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        (folder / f"{name}.key").write_bytes(issued.private_key_pem.bytes())
        (folder / f"{name}.key").chmod(0o600)
    public = load_pem_private_key((folder / "client.example.key").read_bytes(), None).public_key()
    grants = {
        "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
        "redirect_uris": [BACK],
        "response_types": ["code"],
    }
    common = {
        **grants,
        "tls_client_certificate_bound_access_tokens": True,
        "scope": "openid usage",
        "authorization_signed_response_alg": "PS256",
    }
    by_certificate = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "client.example"}
    by_signature = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public)), "use": "sig"}]},  # type: ignore[arg-type]
    }
    clients = [{"client_id": "bound", **by_certificate, **common}, {"client_id": "signing", **by_signature, **common}]
    files = {"key": str(folder / "localhost.key"), "certificate": str(folder / "localhost.pem"), "ca": str(folder / "ca.pem")}
    (folder / "config.json").write_text(json.dumps({**files, "clients": clients}))
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(["node", str(HOME / "server.mjs"), str(folder)], stdout=log, stderr=log)
    try:
        for _ in range(6000):
            if (folder / "issuer.json").exists() and (folder / "issuer.json").stat().st_size:
                break
            assert process.poll() is None, (folder / "log.txt").read_text()
            time.sleep(0.05)
        yield Provider(json.loads((folder / "issuer.json").read_text())["issuer"], folder)
    finally:
        process.terminate()
        process.wait(300)


@pytest.mark.parametrize("client_id", ["bound", "signing"])
def test_a_token_of_ones_own(provider: Provider, client_id: str) -> None:
    auth: Any = "private_key_jwt" if client_id == "signing" else "tls_client_auth"
    fapi = provider.session(client_id, client_auth=auth)
    reply = fapi.session.get(f"{provider.issuer}/resource")
    assert (reply.status_code, reply.json()) == (200, {"kWh": 12.5, "client": client_id})
    assert reply.headers["x-fapi-interaction-id"]
    known = fapi.introspect()
    assert known["active"]
    assert known["cnf"] == {"x5t#S256": fapi.thumbprint}
    assert known["scope"] == "usage"


def test_another_certificate_and_none_are_refused(provider: Provider) -> None:
    stranger = provider.session(who="other.example")
    with pytest.raises(AuthorizationError, match="does not know this client"):
        stranger.token()
    fapi = provider.session()
    shown = {"Authorization": f"Bearer {fapi.token().reveal()}"}  # a token that was stolen, without the certificate
    assert stranger.plain_session.get(f"{provider.issuer}/resource", headers=shown).status_code == 401
    bare = requests.get(f"{provider.issuer}/resource", headers=shown, verify=str(provider.folder / "ca.pem"), timeout=60)
    assert bare.status_code == 401
    thief = provider.session()
    thief._held, thief._server.identity = fapi._held, stranger._server.identity
    with pytest.raises(CertificateRejected, match="another certificate"):
        thief.introspect()


def test_a_customers_consent(provider: Provider) -> None:
    now = time.time()
    fapi = provider.session(clock=lambda: now)
    address = fapi.authorization_url(BACK)
    assert "request_uri=" in address
    assert "usage" not in address  # what is asked for was pushed, and is not in the browser's address
    back = provider.consent(address)
    fapi.exchange(back)
    first = fapi.token()
    assert fapi.session.get(f"{provider.issuer}/resource").json()["client"] == "bound"
    assert fapi.introspect()["sub"] == "customer"
    now += 3600 - 29  # within the leeway
    second = fapi.token()
    assert second != first
    assert fapi.introspect()["sub"] == "customer"  # renewed for the same customer, by the refresh token
    with pytest.raises(StateMismatch, match=r"no consent was begun|does not answer"):
        fapi.exchange(back)  # a second time


def test_a_code_that_was_used_is_refused(provider: Provider) -> None:
    fapi = provider.session()
    back = provider.consent(fapi.authorization_url(BACK))
    (pending,) = fapi._pending
    fapi.exchange(back)
    fapi._pending.append(pending)
    with pytest.raises(Expired, match="used before"):
        fapi.exchange(back)


def test_a_customer_who_declines(provider: Provider) -> None:
    fapi = provider.session()
    back = provider.consent(fapi.authorization_url(BACK), agree=False)
    with pytest.raises(Denied):
        fapi.exchange(back)


@pytest.mark.parametrize("change", [("state=", "state=x"), ("iss=", "iss=https%3A%2F%2Fevil.example%2F&x="), ("iss=", "x=")])
def test_an_answer_from_elsewhere(provider: Provider, change: tuple[str, str]) -> None:
    fapi = provider.session()
    back = provider.consent(fapi.authorization_url(BACK))
    assert change[0] in back
    with pytest.raises(StateMismatch):
        fapi.exchange(back.replace(*change))
    fapi.exchange(back)  # the real one is still good


@pytest.mark.parametrize(("mode", "place"), [("jwt", "?response="), ("query.jwt", "?response="), ("fragment.jwt", "#response=")])
def test_a_signed_answer(provider: Provider, mode: str, place: str) -> None:
    fapi = provider.session()
    back = provider.consent(fapi.authorization_url(BACK, response_mode=mode, prompt="consent"))
    assert place in back
    assert "state=" not in back
    fapi.exchange(back)
    assert fapi.introspect()["sub"] == "customer"


def test_a_signed_answer_is_no_other(provider: Provider) -> None:
    fapi, plain = provider.session(), provider.session("signing", client_auth="private_key_jwt")
    back = provider.consent(fapi.authorization_url(BACK, response_mode="jwt"))
    head, body, signature = back.partition("response=")[2].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    by_another = jwt.encode(claims, (provider.folder / "other.example.key").read_bytes(), "PS256")
    for wrong in (f"{head}.{body}.{signature[:-8]}AAAAAAAA", f"{head}.{body}.", jwt.encode(claims, "k" * 32, "HS256"), by_another, "x.y.z"):
        with pytest.raises(StateMismatch, match="not one that this authorization server signed"):
            fapi.exchange(f"{BACK}?response={wrong}")
    with pytest.raises(StateMismatch, match="not signed"):  # what is in it, without the signature
        fapi.exchange(f"{BACK}?code={claims['code']}&state={claims['state']}&iss={claims['iss']}")
    with pytest.raises(StateMismatch, match="InvalidAudienceError"):
        plain.exchange(back)
    fapi._server._clock = lambda: time.time() + 3600
    with pytest.raises(StateMismatch, match="has ended"):
        fapi.exchange(back)
    fapi._server._clock = time.time
    fapi.exchange(back)  # the real one is still good
    declined = provider.consent(fapi.authorization_url(BACK, response_mode="jwt"), agree=False)
    with pytest.raises(Denied):
        fapi.exchange(declined)


def test_a_consent_that_ends_in_another_process(provider: Provider) -> None:
    key = Fernet.generate_key().decode()
    fapi = provider.session()
    address = fapi.authorization_url(BACK, response_mode="jwt")
    text = fapi.sealed(key)
    again = FapiSession.from_sealed(text, key)
    again.exchange(provider.consent(address))
    once_more = FapiSession.from_sealed(again.sealed(Secret(key)), Secret(key))
    assert once_more.token() == again.token()
    assert once_more.session.get(f"{provider.issuer}/resource").json()["client"] == "bound"


def test_many_threads_ask_once(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fapi = provider.session()
    found: list[Secret] = []
    threads = [threading.Thread(target=lambda: found.append(fapi.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert sum("POST /token " in record.getMessage() for record in caplog.records) == 1
    assert found[0].reveal() not in caplog.text


def test_a_token_that_was_revoked_is_renewed_once(provider: Provider) -> None:
    fapi = provider.session()
    fapi.token()
    assert fapi._held is not None
    spoilt = Secret("gone" + fapi.token().reveal())
    fapi._held = type(fapi._held)(type(fapi._held.reply)(**{**vars(fapi._held.reply), "access_token": spoilt}), fapi._held.expires_at)
    assert fapi.session.get(f"{provider.issuer}/resource").status_code == 200
    assert fapi.token() != spoilt


def test_an_issuer_is_who_it_says(provider: Provider) -> None:
    for wrong in (provider.issuer + "/", provider.issuer.upper().replace("HTTPS", "https")):
        with pytest.raises(ConfigurationError, match="another issuer"):
            _ = provider.session(issuer_url=wrong).metadata


def test_nothing_goes_to_other_origins(provider: Provider) -> None:
    fapi = provider.session(origins=("https://resource.example",))
    for session in (fapi.session, fapi.plain_session):
        with pytest.raises(ConfigurationError, match="gets neither certificate nor token"):
            session.get(f"{provider.issuer}/resource")
