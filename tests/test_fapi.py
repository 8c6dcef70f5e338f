"""FapiSession against servers that do not behave; `test_fapi_provider` has one that does."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import smd_notebook as smd
from smd_notebook.access.fapi import FapiSession
from smd_notebook.errors import (
    AuthorizationError,
    BadRequest,
    CertificateRejected,
    ConfigurationError,
    Expired,
    Network,
    Revoked,
    ServiceError,
    SmdError,
    SmdWarning,
    StateMismatch,
    Unavailable,
)
from smd_notebook.espi.resources import Secret
from tests.wire import Answer, Request, Server, folder, reply

BACK = "https://app.example/callback"


class Issuer:
    """An authorization server and a resource server in one, whose answers a test may replace."""

    def __init__(self) -> None:
        self.server = Server(self.answer)
        self.other: dict[str, Callable[[Request], Answer]] = {}
        self.changed: dict[str, Any] = {}
        self.count = 0

    def answer(self, request: Request) -> Answer:
        path = request.path.partition("?")[0]
        if path in self.other:
            return self.other[path](request)
        if path == "/.well-known/openid-configuration":
            at = self.server.url
            found = {"issuer": at(), "token_endpoint": at("/token"), "authorization_endpoint": at("/authorize"), **self.changed}
            return reply(200, json.dumps({name: one for name, one in found.items() if one is not None}))
        if path == "/token":
            self.count += 1
            return reply(200, json.dumps({"access_token": f"CANARY-{self.count}", "token_type": "Bearer", "expires_in": 600}))
        if path == "/data":
            return reply(200, "{}") if request.headers.get("authorization", "").startswith("Bearer CANARY-") else reply(401)
        return reply(404)

    def session(self, **given: Any) -> FapiSession:
        files = {"certificate": folder() / "cert.pem", "private_key": folder() / "key.pem", "ca_bundle": folder() / "ca.pem"}
        own = {"issuer_url": self.server.url(), "client_id": "third-party", "origins": (self.server.url(),), "sleep": lambda _: None}
        return FapiSession(**{**files, **own, **given})

    def asked(self, path: str) -> list[Request]:
        return [one for one in self.server.requests if one.path.partition("?")[0] == path]


@pytest.fixture
def issuer() -> Any:
    one = Issuer()
    with one.server:
        yield one


def test_nothing_is_fetched_before_it_is_needed(issuer: Issuer) -> None:
    fapi = issuer.session()
    assert issuer.server.requests == []
    fapi.session.get(issuer.server.url("/data"))
    fapi.session.get(issuer.server.url("/data"))
    assert [one.path for one in issuer.server.requests] == ["/.well-known/openid-configuration", "/token", "/data", "/data"]
    assert [one.certificate for one in issuer.server.requests] == [False, True, True, True]  # the metadata is public
    ids = [one.headers["x-fapi-interaction-id"] for one in issuer.asked("/data")]
    assert len(set(ids)) == 2


def test_metadata_elsewhere_and_nowhere(issuer: Issuer) -> None:
    issuer.other["/.well-known/openid-configuration"] = lambda _: reply(404)
    issuer.other["/.well-known/oauth-authorization-server"] = lambda _: reply(
        200, json.dumps({"issuer": issuer.server.url(), "token_endpoint": issuer.server.url("/token")})
    )
    assert issuer.session().token().reveal() == "CANARY-1"
    issuer.other["/.well-known/oauth-authorization-server"] = lambda _: reply(503, "<html>down</html>")
    with pytest.raises(Unavailable):
        issuer.session().token()
    for body in ("[]", "<html>", '{"token_endpoint": "https://x.example"}'):
        issuer.other["/.well-known/oauth-authorization-server"] = lambda _, body=body: reply(200, body)  # type: ignore[misc]
        with pytest.raises(ServiceError, match="not what RFC 8414 says"):
            issuer.session().token()


@pytest.mark.parametrize("path", ["/token", "/data", "/elsewhere", "/with-a-certificate"])
def test_an_address_that_is_no_issuer(issuer: Issuer, path: str) -> None:
    """Whatever stands there: a refused client, a refused token, nothing, a refused certificate."""
    answers = {
        "/token": reply(401, '{"error": "invalid_client"}'),
        "/data": reply(401),
        "/elsewhere": reply(404),
        "/with-a-certificate": reply(400, "Invalid Certificate"),
    }
    for known in (f"{path}/.well-known/openid-configuration", f"/.well-known/oauth-authorization-server{path}"):
        issuer.other[known] = lambda _: answers[path]
    with pytest.raises(BadRequest, match=r"no metadata below issuer_url .*is this the issuer") as caught:
        issuer.session(issuer_url=issuer.server.url(path)).token()
    assert "issuer" in caught.value.hint


def test_a_file_that_is_not_there(issuer: Issuer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem is not there") as caught:
        issuer.session(certificate=tmp_path / "nowhere.pem")
    assert caught.value.hint.startswith("Check the paths that were given")  # a session takes none from the environment


@pytest.mark.parametrize("endpoint", [None, "http://localhost/token", ""])
def test_metadata_without_a_safe_token_endpoint(issuer: Issuer, endpoint: str | None) -> None:
    issuer.changed = {"token_endpoint": endpoint}
    with pytest.raises(ConfigurationError, match="no token endpoint of https"):
        issuer.session().token()


def test_aliases_for_clients_with_a_certificate(issuer: Issuer) -> None:
    issuer.changed = {
        "token_endpoint": "https://public.example/token",
        "mtls_endpoint_aliases": {"token_endpoint": issuer.server.url("/token")},
    }
    assert issuer.session().token().reveal() == "CANARY-1"
    issuer.changed["mtls_endpoint_aliases"] = {"token_endpoint": "http://localhost/token"}
    with pytest.raises(ConfigurationError, match="token_endpoint is not of https"):
        issuer.session().token()


def test_a_scope_that_is_not_offered_is_told(issuer: Issuer) -> None:
    issuer.changed = {"scopes_supported": ["usage"]}
    with pytest.warns(SmdWarning, match="does not list the scope more"):
        issuer.session(requested_scopes="usage more").token()


# -- what was measured of requests-oauthlib and its kin ----------------------------------------------------------------------------------


def test_trap_1_token_replies_of_other_shapes(issuer: Issuer) -> None:
    for body in ('{"client_access_token": "CANARY-x", "expires_in": 60}', "<r><access_token>CANARY-x</access_token></r>"):
        issuer.other["/token"] = lambda _, body=body: reply(200, body)  # type: ignore[misc]
        assert issuer.session().token().reveal() == "CANARY-x"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(400, '"Invalid Certificate"'), CertificateRejected),
        (reply(502, "<html>bad gateway</html>"), Unavailable),
        (reply(400, '{"error": "invalid_client"}'), AuthorizationError),
        (reply(200, ""), ServiceError),
        (reply(200, '{"access_token": "a b"}'), ServiceError),
        (reply(200, '{"access_token": "CANARY-x", "token_type": "DPoP"}'), ServiceError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", None),
    ],
)
def test_trap_2_what_is_no_token_is_our_error(issuer: Issuer, answer: bytes, error: type[SmdError] | None) -> None:
    issuer.other["/token"] = lambda _: answer if error else iter([answer])
    with pytest.raises(error or Network):
        issuer.session().token()
    assert len(issuer.asked("/token")) == 1  # never tried again: a code or refresh token may have been used


def test_traps_3_4_5_what_was_granted_and_sent(issuer: Issuer) -> None:
    """Another scope than was asked for is no error, and a refresh sends no scope, and nothing of the request that needed it."""
    now = 0.0
    issuer.other["/token"] = lambda request: reply(
        200, json.dumps({"access_token": "CANARY-x", "refresh_token": "CANARY-r", "scope": "less", "expires_in": 600})
    )
    fapi = issuer.session(requested_scopes="usage", clock=lambda: now)
    fapi.session.get(issuer.server.url("/data"), params={"published-min": 1}, timeout=5)
    now = 571.0
    fapi.session.get(issuer.server.url("/data"), params={"published-min": 1}, stream=True)
    bodies = [parse_qs(one.body) for one in issuer.asked("/token")]
    assert bodies[0] == {"grant_type": ["client_credentials"], "scope": ["usage"], "client_id": ["third-party"]}
    assert bodies[1] == {"grant_type": ["refresh_token"], "refresh_token": ["CANARY-r"], "client_id": ["third-party"]}


def test_trap_6_many_threads_refresh_once_and_keep_the_rotated_token(issuer: Issuer) -> None:
    now, good = 0.0, "CANARY-r0"
    lock = threading.Lock()

    def rotating(request: Request) -> bytes:
        nonlocal good
        with lock:
            shown = parse_qs(request.body).get("refresh_token", [good])[0]
            if shown != good:
                return reply(400, '{"error": "invalid_grant"}')
            good += "x"
            return reply(200, json.dumps({"access_token": f"CANARY-{len(good)}", "refresh_token": good, "expires_in": 600}))

    issuer.other["/token"] = rotating
    fapi = issuer.session(clock=lambda: now)
    fapi.token()
    statuses: list[int] = []
    for round_ in range(1, 6):
        now = round_ * 600.0
        threads = [
            threading.Thread(target=lambda: statuses.append(fapi.session.get(issuer.server.url("/data")).status_code)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 8 * round_
        assert len(issuer.asked("/token")) == round_ + 1
    good = "revoked"
    now = 1e6
    with pytest.raises(Revoked):
        fapi.token()


def test_an_interrupt_loses_no_rotated_token(issuer: Issuer) -> None:
    good = "CANARY-r0"

    def rotating(request: Request) -> bytes:
        nonlocal good
        if good == "CANARY-r0":
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.2)
        elif parse_qs(request.body).get("refresh_token") != [good]:
            return reply(400, '{"error": "invalid_grant"}')
        good += "x"
        return reply(200, json.dumps({"access_token": f"CANARY-{good}", "refresh_token": good, "expires_in": 600}))

    issuer.other["/token"] = rotating
    now = 0.0
    fapi = issuer.session(clock=lambda: now)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
    try:
        with pytest.raises(KeyboardInterrupt):
            fapi.token()
    finally:
        signal.signal(signal.SIGINT, before)
    assert fapi.token() == Secret("CANARY-CANARY-r0x")
    now = 600.0
    assert fapi.token() == Secret("CANARY-CANARY-r0xx")


def test_trap_7_codes_by_either_name(issuer: Issuer) -> None:
    fapi = issuer.session()
    for name in ("code", "authorization_code"):
        state = parse_qs(fapi.authorization_url(BACK).partition("?")[2])["state"][0]
        fapi.exchange(f"{BACK}?{name}=CANARY-code&state={state}")
    sent = parse_qs(issuer.asked("/token")[-1].body)
    assert sent["code"] == ["CANARY-code"]
    assert len(sent["code_verifier"][0]) >= 43  # RFC 7636 §4.1
    fapi.authorization_url(BACK)
    with pytest.raises(StateMismatch, match="alone"):
        fapi.exchange("CANARY-code")
    issuer.changed = {"authorization_response_iss_parameter_supported": True}
    fapi = issuer.session()
    state = parse_qs(fapi.authorization_url(BACK).partition("?")[2])["state"][0]
    with pytest.raises(StateMismatch, match="RFC 9207"):
        fapi.exchange(f"{BACK}?code=CANARY-code&state={state}")


def test_trap_8_no_secret_in_logs_errors_and_reprs(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fapi = issuer.session()
    got = fapi.session.get(issuer.server.url("/data"), params={"account": "CANARY-account"})
    issuer.other["/token"] = lambda _: reply(400, '{"error": "x", "error_description": "CANARY-9 is wrong"}')
    fapi.clear_token()
    texts = [repr(fapi), repr(vars(got.request)), repr(got.headers)]
    with pytest.raises(ServiceError) as raised:
        fapi.token()
    texts += ["".join(traceback.format_exception(raised.value)), *(r.getMessage() for r in caplog.records if r.name.startswith("smd_"))]
    assert "CANARY-1" not in caplog.text
    assert [text for text in texts if "CANARY" in text.replace("account=CANARY-account", "")] == []
    assert any(record.name.startswith("smd_") and "GET" in record.getMessage() for record in caplog.records)
    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        pickle.dumps(fapi)


def test_the_log_has_a_line_for_each_request(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    """In place of a patch of http.client: with a time for whoever formats it, without query, token and body."""
    caplog.set_level(logging.INFO, logger="smd_notebook.access")
    fapi = issuer.session()
    got = fapi.session.get(issuer.server.url("/data"), params={"account": "CANARY-account"})
    at = issuer.server.url()
    said = [record.getMessage().partition(" in ")[0] for record in caplog.records]
    assert said == [f"GET {at}/.well-known/openid-configuration 200", f"POST {at}/token 200", f"GET {at}/data 200"]
    assert got.request.headers["x-fapi-interaction-id"] in caplog.text  # the server did not say it back
    assert "CANARY" not in caplog.text
    assert all(record.created > 1.7e9 for record in caplog.records)


def test_the_log_holds_no_commands_of_a_servers(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="smd_notebook.access")
    issuer.other["/data"] = lambda _: reply(200, "x", x_fapi_interaction_id="\x1b[2J")
    got = issuer.session().session.get(issuer.server.url("/data"))
    assert "\x1b" in got.headers["x-fapi-interaction-id"]
    assert "\x1b" not in caplog.text


def test_a_client_that_is_not_known(issuer: Issuer) -> None:
    issuer.other["/token"] = lambda _: reply(401, '{"error": "invalid_client"}')
    with pytest.raises(AuthorizationError, match="does not know this client by its certificate") as raised:
        issuer.session().token()
    assert "secret" not in raised.value.hint  # there is none
    with pytest.raises(AuthorizationError, match="does not know this client by its signature"):
        issuer.session(client_auth="private_key_jwt").token()


def test_trap_9_the_environment_changes_nothing(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder() / "key.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert issuer.session().session.get(issuer.server.url("/data")).status_code == 200
    with pytest.raises(Network, match="not trusted"):
        issuer.session(ca_bundle=None).token()


# -- what FAPISession has --------------------------------------------------------------------------------------------------------------


def test_tokens_for_somebody_else_by_a_signature(issuer: Issuer) -> None:
    """RFC 7523 §2.1, as JWTBearerAuthMethod does it: iss, sub, aud, exp, iat and jti, signed by a key of its own."""
    now = 1.75e9
    fapi = issuer.session(requested_scopes="usage", subject="somebody@lab.example", signing_key=folder() / "key.pem", clock=lambda: now)
    fapi.token()
    now += 600.0
    fapi.token()  # a consent would have run out: here another statement is made
    sent = [{name: value for name, (value,) in parse_qs(one.body).items()} for one in issuer.asked("/token")]
    public = load_pem_private_key((folder() / "key.pem").read_bytes(), None).public_key()
    lenient = {"verify_exp": False, "verify_iat": False}
    claims = [jwt.decode(one.pop("assertion"), public, ["ES256"], audience=issuer.server.url("/token"), options=lenient) for one in sent]
    assert sent == [{"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "scope": "usage", "client_id": "third-party"}] * 2
    assert claims[0].pop("jti") != claims[1].pop("jti")
    given = {"iss": "third-party", "sub": "somebody@lab.example", "aud": issuer.server.url("/token"), "iat": 1750000000, "exp": 1750000060}
    assert claims[0] == given


def test_a_sealed_session_is_for_the_key_alone(issuer: Issuer) -> None:
    key, other = (Fernet.generate_key().decode() for _ in range(2))
    fapi = issuer.session(requested_scopes="usage", retries=1)
    fapi.token()
    text = fapi.sealed(key)
    assert "CANARY" not in text + str(base64.urlsafe_b64decode(text))
    for wrong, with_key in ((text, other), (text[:-5] + "AAAA=", key), ("", key)):
        with pytest.raises(ConfigurationError, match="nothing that was sealed with this key"):
            FapiSession.from_sealed(wrong, with_key)
    with pytest.raises(ConfigurationError, match="no key to seal with"):
        fapi.sealed("hunter2")
    again = FapiSession.from_sealed(text, key)
    assert again.session.get(issuer.server.url("/data")).status_code == 200
    assert len(issuer.asked("/token")) == 1  # the token came along
    assert again._given == fapi._given


def test_parameters_of_ones_own(issuer: Issuer) -> None:
    fapi = issuer.session()
    assert parse_qs(fapi.authorization_url(BACK, prompt="consent").partition("?")[2])["prompt"] == ["consent"]
    for more in ({"state": "x"}, {"code_challenge_method": "plain"}, {"request_uri": "https://x.example"}):
        with pytest.raises(ConfigurationError, match="cannot be set by hand"):
            fapi.authorization_url(BACK, **more)  # type: ignore[arg-type]
    for mode in ("form_post.jwt", "query"):
        with pytest.raises(ConfigurationError, match="response_mode is not one of"):
            fapi.authorization_url(BACK, response_mode=mode)
    issuer.changed = {"response_modes_supported": ["query"]}
    with pytest.raises(ConfigurationError, match="response_mode is not one of"):
        issuer.session().authorization_url(BACK, response_mode="jwt")


def test_a_signed_answer_needs_keys(issuer: Issuer) -> None:
    """Keys that change are fetched anew, once; servers without any are told."""
    private, changed = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def answer(fapi: FapiSession, kid: str, by: ec.EllipticCurvePrivateKey) -> str:
        state = parse_qs(fapi.authorization_url(BACK, response_mode="fragment.jwt").partition("?")[2])["state"][0]
        claims = {"iss": issuer.server.url(), "aud": "third-party", "exp": int(time.time()) + 60, "code": "CANARY-code", "state": state}
        return f"{BACK}#response={jwt.encode(claims, by, 'ES256', {'kid': kid})}"

    def known(*pairs: tuple[str, ec.EllipticCurvePrivateKey]) -> Callable[[Request], Answer]:
        keys = [{**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(one.public_key())), "kid": kid} for kid, one in pairs]
        return lambda _: reply(200, json.dumps({"keys": keys}))

    fapi = issuer.session()
    with pytest.raises(ConfigurationError, match="names no keys"):
        fapi.exchange(answer(fapi, "a", private))
    issuer.changed = {"jwks_uri": issuer.server.url("/keys")}
    issuer.other["/keys"] = known(("a", private))
    fapi = issuer.session()
    fapi.exchange(answer(fapi, "a", private))
    issuer.other["/keys"] = known(("a", private), ("b", changed))
    fapi.exchange(answer(fapi, "b", changed))
    assert len(issuer.asked("/keys")) == 2
    with pytest.raises(StateMismatch, match="InvalidKeyError"):
        fapi.exchange(answer(fapi, "c", private))
    with pytest.raises(StateMismatch, match="InvalidSignatureError"):
        fapi.exchange(answer(fapi, "a", changed))
    assert not any(one.certificate for one in issuer.asked("/keys"))
    issuer.other["/keys"] = lambda _: reply(200, "[]")
    fapi = issuer.session()
    with pytest.raises(ServiceError):
        fapi.exchange(answer(fapi, "a", private))


# -- resources ---------------------------------------------------------------------------------------------------------------------------


def test_what_passes_by_itself_is_tried_again(issuer: Issuer) -> None:
    answers = [reply(429, Retry_After="7"), reply(503), reply(200, "{}")]
    pauses: list[float] = []
    issuer.other["/data"] = lambda _: answers.pop(0)
    assert issuer.session(sleep=pauses.append).session.get(issuer.server.url("/data")).status_code == 200
    assert 7 <= pauses[0] <= 8
    assert 2 <= pauses[1] <= 3
    answers = [reply(503), reply(200)]
    assert issuer.session().session.post(issuer.server.url("/data"), data=b"x").status_code == 503  # it may have been done
    answers = [reply(503, Retry_After="86400")]
    assert issuer.session().session.get(issuer.server.url("/data")).status_code == 503


def test_a_refused_token_is_renewed_once(issuer: Issuer) -> None:
    issuer.other["/data"] = lambda _: reply(401)
    assert issuer.session().session.get(issuer.server.url("/data")).status_code == 401
    assert (len(issuer.asked("/token")), len(issuer.asked("/data"))) == (2, 2)
    consent = issuer.session()
    state = parse_qs(consent.authorization_url(BACK).partition("?")[2])["state"][0]
    consent.exchange(f"{BACK}?code=CANARY-code&state={state}")
    with pytest.raises(Expired, match="no refresh token"):  # a customer's is not replaced by the client's own
        consent.session.get(issuer.server.url("/data"))


def test_a_redirect_leads_nowhere_else(issuer: Issuer) -> None:
    with Server(lambda _: reply(200, "{}")) as foreign:
        issuer.other["/data"] = lambda _: reply(302, Location=foreign.url("/data"))
        fapi = issuer.session(origins=(issuer.server.url(), foreign.url()))
        assert fapi.session.get(issuer.server.url("/data")).status_code == 302
        assert foreign.requests == []
    issuer.other["/data"] = lambda _: reply(302, Location="/data2")
    issuer.other["/data2"] = lambda request: reply(200, str("authorization" in request.headers))
    assert issuer.session().session.get(issuer.server.url("/data")).text == "True"


def test_a_reply_keeps_no_token_however_it_was_reached(issuer: Issuer) -> None:
    issuer.other["/data"] = lambda _: reply(302, Location="/data2", Set_Cookie="session=CANARY-cookie")
    issuer.other["/data2"] = lambda _: reply(200, "{}")
    fapi = issuer.session()
    got = fapi.session.get(issuer.server.url("/data"))
    assert [one.status_code for one in (*got.history, got)] == [302, 200]
    assert not any("Authorization" in one.request.headers for one in (*got.history, got))
    assert not any("cookie" in one.headers for one in issuer.server.requests)
    assert list(fapi.session.cookies) == []


@pytest.mark.parametrize("target", ["https://[::1", "javascript:alert(1)", "https://a@b/", "ftp://localhost/data", "http://\u00e4/"])
def test_a_redirect_to_no_address_is_the_reply(issuer: Issuer, target: str) -> None:
    issuer.other["/data"] = lambda _: reply(302, Location=target)
    got = issuer.session().session.get(issuer.server.url("/data"))
    assert got.status_code == 302
    assert "Authorization" not in got.request.headers


def test_redirects_without_end(issuer: Issuer) -> None:
    issuer.other["/data"] = lambda _: reply(302, Location="//")
    with pytest.raises(Network):
        issuer.session().session.get(issuer.server.url("/data"))
    assert len(issuer.asked("/data")) == 1 + 3


def test_what_cannot_be(issuer: Issuer) -> None:
    for given in ({"issuer_url": "http://as.example"}, {"issuer_url": "https://as.example?x=1"}, {"origins": ("http://api.example",)}):
        with pytest.raises(ConfigurationError, match="https"):
            issuer.session(**given)
    with pytest.raises(ConfigurationError, match="client_auth"):
        issuer.session(client_auth="none")
    with pytest.raises(ConfigurationError, match="does not offer introspection"):
        issuer.session().introspect()
    issuer.changed = {"code_challenge_methods_supported": ["plain"]}
    with pytest.raises(ConfigurationError, match="S256"):
        issuer.session().authorization_url(BACK)
    issuer.changed = {"authorization_endpoint": None}
    with pytest.raises(ConfigurationError, match="no authorization endpoint"):
        issuer.session().authorization_url(BACK)
    with pytest.raises(StateMismatch, match="no consent was begun"):
        issuer.session().exchange(f"{BACK}?code=CANARY-code&state=x")


# -- the practice utility as a FAPI provider -----------------------------------------------------------------------------------------------


def test_the_practice_utility_as_a_fapi_provider() -> None:
    with smd.Sandbox(households=["apartment"], variants=["fapi"]) as utility:
        about, origin = utility.describe(), utility.custodian.origins[0]
        common = {
            "issuer_url": about["issuer"],
            "client_id": about["client_id"],
            "requested_scopes": "usage",
            "origins": (origin,),
            "ca_bundle": about["ca"],
        }
        fapi = FapiSession(certificate=about["certificate"], private_key=about["key"], **common)
        reply = fapi.session.get(about["resource_endpoint"] + "/ReadServiceStatus")
        assert (reply.status_code, b"<currentStatus>1<" in reply.content) == (200, True)
        assert reply.headers["x-fapi-interaction-id"] == reply.request.headers["x-fapi-interaction-id"]
        known = fapi.introspect()
        assert (known["active"], known["cnf"]) == (True, {"x5t#S256": fapi.thumbprint})
        assert fapi.introspect(Secret("another")) == {"active": False}
        utility.clock.advance(3601)
        assert fapi.session.get(about["resource_endpoint"] + "/ReadServiceStatus").status_code == 200  # renewed when it was refused
        other = FapiSession(certificate=about["inbox_certificate"], private_key=about["inbox_key"], **common)
        with pytest.raises(AuthorizationError, match="does not know this client"):
            other.token()
        shown = {"Authorization": f"Bearer {fapi.token().reveal()}"}
        assert other.plain_session.get(about["resource_endpoint"] + "/ReadServiceStatus", headers=shown).status_code == 401
        with pytest.raises(AuthorizationError, match=r"with the variant fapi use smd\.FapiSession"):
            smd.Client(utility.custodian, utility.credentials).client_token()
        fapi.close()
        other.close()


@pytest.mark.parametrize("more", ["", "&miss=1", "&x=iss%3D", "&note=iss=1"])
def test_the_answer_of_a_server_that_names_itself_has_to(issuer: Issuer, more: str) -> None:
    issuer.changed = {"authorization_response_iss_parameter_supported": True}
    fapi = issuer.session()
    state = parse_qs(fapi.authorization_url(BACK).partition("?")[2])["state"][0]
    with pytest.raises(StateMismatch, match="RFC 9207"):
        fapi.exchange(f"{BACK}?code=CANARY-code&state={state}{more}")
    assert issuer.asked("/token") == []
    fapi.exchange(f"code=CANARY-code&state={state}&iss={issuer.server.url()}")  # the query alone, as somebody may paste it
    assert len(issuer.asked("/token")) == 1
