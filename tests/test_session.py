"""Requests to one custodian, over real TLS on loopback: who receives what, what replies mean, and that nothing hangs or leaks."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from smd_notebook.access import transport
from smd_notebook.access.failures import chunks
from smd_notebook.access.replies import is_page, token_reply
from smd_notebook.access.session import Session
from smd_notebook.errors import (
    AuthorizationError,
    BadRequest,
    CertificateRejected,
    ConfigurationError,
    Denied,
    Expired,
    Network,
    RateLimited,
    Revoked,
    ServiceError,
    SmdError,
    Unavailable,
)
from smd_notebook.espi.resources import Secret
from tests.wire import BEARER, CODE, REFRESH, SECRET, Answer, Request, Server, credentials, custodian_at, folder, reply, shown_by

CODE_GRANT = {"grant_type": "authorization_code", "code": Secret(CODE), "redirect_uri": "https://me.example/cb"}
REFRESH_GRANT = {"grant_type": "refresh_token", "refresh_token": Secret(REFRESH)}
CLIENT_GRANT = {"grant_type": "client_credentials"}
TOKENS = {"access_token": BEARER, "refresh_token": REFRESH, "expires_in": 3600, "token_type": "Bearer", "scope": "FB=1_3"}


class Pauses(list[float]):
    """A sleep that takes no time."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


SETTINGS = ("client_auth", "token_parameters", "tls_maximum", "mutual_tls", "ca_bundle")


@contextmanager
def talk(answer: Callable[[Request], Answer] | Answer, *, name: str = "localhost", **given: Any) -> Iterator[tuple[Session, Server]]:
    """Open a session with a server that answers so."""
    settings = {key: given.pop(key) for key in SETTINGS if key in given}
    mine = given.pop("credentials", credentials())
    with Server(answer if callable(answer) else lambda request: answer, name=name) as server:  # noqa: SIM117 - the port is known now
        with Session(custodian_at(server, **settings), mine, **{"sleep": Pauses(), **given}) as session:
            yield session, server


def sequence(*answers: Answer) -> Callable[[Request], Answer]:
    waiting = list(answers)
    return lambda request: waiting.pop(0)


# -- what goes out -----------------------------------------------------------------------------------------------------------------------


def test_a_resource_is_asked_for_with_certificate_and_token() -> None:
    with talk(reply(200, "<feed/>", X_Transaction_Id="abc-1")) as (session, server):
        got = session.get("Subscription/5/UsagePoint", token=BEARER, params={"published-min": 1})
        assert (got.status_code, got.content) == (200, b"<feed/>")
        assert session.get(server.url("/espi/1_1/resource/Batch/Bulk/1?correlationID=e0"), token=Secret(BEARER)).content == b"<feed/>"
        first, second = server.requests
    assert (first.method, first.path) == ("GET", "/espi/1_1/resource/Subscription/5/UsagePoint?published-min=1")
    assert second.path == "/espi/1_1/resource/Batch/Bulk/1?correlationID=e0"
    assert first.certificate
    assert first.headers["authorization"] == f"Bearer {BEARER}"
    assert first.headers["user-agent"].startswith("smd_notebook/")
    assert server.connections == 1
    assert BEARER not in str(got.request.headers) + repr(got)


@pytest.mark.parametrize("where", ["body", "query"])
@pytest.mark.parametrize("how", ["basic", "post"])
def test_a_token_request_goes_as_the_custodian_wants_it(where: str, how: str) -> None:
    with talk(reply(200, json.dumps(TOKENS)), token_parameters=where, client_auth=how) as (session, server):
        for grant in (CODE_GRANT, REFRESH_GRANT, CLIENT_GRANT):
            session.token_request(grant)
    for grant, request in zip((CODE_GRANT, REFRESH_GRANT, CLIENT_GRANT), server.requests, strict=True):
        sent = {name: value.reveal() if isinstance(value, Secret) else value for name, value in grant.items()}
        if how == "post":
            sent |= {"client_id": "third-party", "client_secret": SECRET}
            assert "authorization" not in request.headers
        else:
            assert request.headers["authorization"] == "Basic " + base64.b64encode(f"third-party:{SECRET}".encode()).decode()
        query, body = parse_qs(urlsplit(request.path).query), parse_qs(request.body)
        wanted = {name: [value] for name, value in sent.items()}
        assert (query, body) == ((wanted, {}) if where == "query" else ({}, wanted))
        assert (request.method, urlsplit(request.path).path, request.certificate) == ("POST", "/oauth/token", True)


def test_a_token_request_has_a_connection_of_its_own() -> None:
    with talk(reply(200, json.dumps(TOKENS))) as (session, server):
        for _ in range(3):
            session.token_request(REFRESH_GRANT)
    assert server.connections == 3


def test_a_secret_beyond_latin_letters() -> None:
    with talk(reply(200, json.dumps(TOKENS)), credentials=credentials(client_secret=Secret("pässwört→"))) as (session, server):
        session.token_request(CLIENT_GRANT)
    assert base64.b64decode(server.requests[0].headers["authorization"].split()[1]).decode() == "third-party:pässwört→"


def test_the_gate_is_asked_before_every_request() -> None:
    class Gate:
        passed = 0

        def acquire(self) -> None:
            self.passed += 1

    gate = Gate()
    answer = sequence(reply(503), reply(302, Location="/espi/1_1/resource/b"), reply(), reply(200, json.dumps(TOKENS)), reply(204))
    with talk(answer, gate=gate) as (session, server):
        session.get("a", token=BEARER)
        session.token_request(CLIENT_GRANT)
        session.delete("Authorization/1", token=BEARER)
        assert gate.passed == len(server.requests) == 5


# -- who receives what -------------------------------------------------------------------------------------------------------------------


def test_another_origin_gets_nothing() -> None:
    with Server(lambda request: reply(), mutual=True) as other, talk(reply()) as (session, _server):
        for url in (
            other.url("/x"),
            session.custodian.resource_endpoint.replace("https:", "http:"),
            session.custodian.resource_endpoint.replace("localhost", "127.0.0.1"),
            session.custodian.resource_endpoint.replace("localhost", "localhost@127.0.0.1"),
            f"https://localhost:{_server.port}.evil.example/x",
            "https://evil.example\\@localhost/x",
        ):
            with pytest.raises(ConfigurationError):
                session.get(url, token=BEARER)
            with pytest.raises(ConfigurationError):
                session.delete(url, token=BEARER)
        assert other.connections == _server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_no_other_origin(status: int) -> None:
    with Server(lambda request: reply()) as other:
        for target in (other.url("/x"), f"//127.0.0.1:{other.port}/x", "http://localhost/x", "https://[", "file:///etc/passwd"):
            with talk(reply(status, Location=target)) as (session, server):
                with pytest.raises(Unavailable, match="another address"):
                    session.get("a", token=BEARER)
                with pytest.raises(SmdError):
                    session.token_request(REFRESH_GRANT)
                with pytest.raises(Unavailable):
                    session.delete("a", token=BEARER)
                assert [one.method for one in server.requests] == ["GET", "POST", "DELETE"]
        assert other.connections == 0


def test_a_redirect_within_the_origin_is_followed_but_not_for_ever() -> None:
    with talk(sequence(reply(302, Location="b?x=1"), reply(200, "here"))) as (session, server):
        assert session.get("a", token=BEARER).content == b"here"
        assert [one.path for one in server.requests] == ["/espi/1_1/resource/a", "/espi/1_1/resource/b?x=1"]
        assert server.requests[1].headers["authorization"] == f"Bearer {BEARER}"
    with talk(reply(302, Location="a")) as (session, server):
        with pytest.raises(Unavailable):
            session.get("a", token=BEARER)
        assert len(server.requests) == 4
    with talk(reply(307, Location="/oauth/token")) as (session, server):
        with pytest.raises(Unavailable):
            session.token_request(REFRESH_GRANT)
        assert len(server.requests) == 1


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    stranger = trustme.CA()
    stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    (tmp_path / "netrc").write_text("machine localhost login eve password NETRC\n")
    (tmp_path / "netrc").chmod(0o600)
    with Server(lambda request: reply(), tls=False) as proxy:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "other.pem"))
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        monkeypatch.setenv("OAUTHLIB_STRICT_TOKEN_TYPE", "1")
        with talk(lambda request: reply(200, json.dumps(TOKENS))) as (session, server):
            assert session.get("a", token=BEARER).status_code == 200
            assert session.token_request(CLIENT_GRANT).access_token == Secret(BEARER)
            assert [one.headers["authorization"].split()[0] for one in server.requests] == ["Bearer", "Basic"]
            assert "NETRC" not in str([one.headers for one in server.requests])
        with talk(reply(), client_auth="post") as (session, server):
            with pytest.raises(ServiceError):
                session.token_request(CLIENT_GRANT)
            assert "authorization" not in server.requests[0].headers
        assert proxy.connections == 0
    assert not (tmp_path / "keys").exists()


def test_an_environment_that_trusts_a_stranger_makes_nobody_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's authority is only in the environment, not in the custodian's settings."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(folder() / "ca.pem"))
    with talk(reply(), ca_bundle=None) as (session, server):
        with pytest.raises(Network, match="not trusted"):
            session.get("a", token=BEARER)
        with pytest.raises(Network, match="not trusted") as caught:
            session.token_request(REFRESH_GRANT)
        assert server.requests == []
    assert not caught.value.retryable


def test_a_custodians_own_authorities_are_the_only_ones(tmp_path: Any) -> None:
    """Those that requests prefers are not added to them."""
    with talk(reply()) as (session, _):
        session.get("a", token=BEARER)
        assert len(session._context.get_ca_certs()) == 1


def test_a_server_of_another_name_is_not_trusted() -> None:
    with talk(reply(), name="elsewhere.example") as (session, server), pytest.raises(Network, match="not trusted"):
        session.get("a", token=BEARER)
    assert server.requests == []


def test_a_proxy_that_is_asked_for_sees_neither_certificate_nor_token() -> None:
    seen = bytearray()

    def pump(source: socket.socket, sink: socket.socket, keep: bool) -> None:
        try:
            while data := source.recv(65536):
                if keep:
                    seen.extend(data)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def serve(listener: socket.socket, port: int) -> None:
        one, _ = listener.accept()
        while b"\r\n\r\n" not in seen:
            seen.extend(one.recv(65536))
        other = socket.create_connection(("127.0.0.1", port))
        one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=pump, args=(other, one, False), daemon=True).start()
        pump(one, other, True)

    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Server(lambda request: reply(200, "x")) as server:
        threading.Thread(target=serve, args=(listener, server.port), daemon=True).start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Session(custodian_at(server), credentials(), proxy=proxy) as session:
            assert session.get("a", token=BEARER).content == b"x"
        assert server.requests[0].certificate
    assert bytes(seen).startswith(f"CONNECT localhost:{server.port}".encode())
    for secret in (BEARER, "third-party.example", base64.b64encode(SECRET.encode()).decode(), "resource/a"):
        assert secret.encode() not in seen


def test_a_certificate_goes_only_to_who_wants_it() -> None:
    with talk(reply(), mutual_tls=False) as (session, server):
        session.get("a", token=BEARER)
    assert not server.requests[0].certificate
    with Server(lambda request: reply()) as server, pytest.raises(ConfigurationError, match="wants a client certificate"):
        Session(custodian_at(server), credentials(certificate=None, key=None))


def test_a_binder_shows_a_certificate_to_its_own_practice_utility_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from smd_notebook.access.custodians import PGE

    monkeypatch.setenv("BINDER_LAUNCH_HOST", "https://mybinder.example")
    with talk(reply()) as (session, _):
        session.get("a", token=BEARER)
    with pytest.raises(ConfigurationError, match="public machine"):
        Session(PGE, credentials())


def test_cookies_are_not_kept() -> None:
    with talk(reply(200, "x", Set_Cookie="session=1; Path=/")) as (session, server):
        session.get("a", token=BEARER)
        session.get("a", token=BEARER)
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_newest_tls_version_may_be_bounded(version: str) -> None:
    with talk(reply(), tls_maximum=version) as (session, _):
        assert session.get("a", token=BEARER).status_code == 200
        assert session._context.maximum_version.name == "TLSv" + version.replace(".", "_")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_of_an_unknown_authority_is_rejected(tmp_path: Any, version: str) -> None:
    stranger = trustme.CA().issue_cert("third-party.example")
    stranger.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    (tmp_path / "both.pem").chmod(0o600)
    mine = credentials(certificate=tmp_path / "both.pem", key=None)
    with talk(reply(), credentials=mine, tls_maximum=version) as (session, server):
        with pytest.raises(CertificateRejected):
            session.get("a", token=BEARER)
        with pytest.raises(CertificateRejected):
            session.token_request(REFRESH_GRANT)
        assert server.requests == []


# -- replies of the token endpoint -------------------------------------------------------------------------------------------------------

XML = (
    '<?xml version="1.0"?><ns1:token xmlns:ns1="https://api.pge.com/datacustodian/oauth/v2/token">{}'
    "<ns1:expires_in>3600</ns1:expires_in><ns1:scope>5+6+7</ns1:scope><ns1:token_type>Bearer</ns1:token_type></ns1:token>"
)


def test_tokens_of_a_code() -> None:
    body = TOKENS | {
        "resourceURI": "https://x.example/Batch/Subscription/38475",
        "authorizationURI": "https://x.example/Authorization/38475",
    }
    with talk(reply(200, json.dumps(body), X_Tracking_Id="t-1", Set_Cookie="x")) as (session, _):
        got = session.token_request(CODE_GRANT)
    assert (got.kind, got.access_token, got.refresh_token, got.expires_in, got.scope) == (
        "access",
        Secret(BEARER),
        Secret(REFRESH),
        3600,
        "FB=1_3",
    )
    assert (got.resource_uri, got.authorization_uri) == (body["resourceURI"], body["authorizationURI"])
    assert got.ids == {"x-tracking-id": "t-1"}
    assert BEARER not in repr(got)
    with pytest.raises(ConfigurationError):
        pickle.dumps(got)


@pytest.mark.parametrize("kind", ["application/json", "application/xml", "text/plain", "text/html"])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"client_access_token": BEARER, "expires_in": "3600", "scope": "5+6+7", "token_type": "Bearer"}),
        json.dumps({"access_token": BEARER, "expires_in": 3600, "scope": "5+6+7", "token_type": "bearer"}),
        json.dumps({"access_token": "other", "client_access_token": BEARER, "expires_in": 3600.0, "scope": "5+6+7"}),
        XML.format(f"<ns1:client_access_token>{BEARER}</ns1:client_access_token>"),
        XML.format(f"<ns1:access_token>{BEARER}</ns1:access_token>"),
    ],
)
def test_the_clients_own_token_in_every_shape(body: str, kind: str) -> None:
    with talk(reply(200, body, Content_Type=kind)) as (session, _):
        got = session.token_request(CLIENT_GRANT)
    assert (got.kind, got.access_token, got.expires_in, got.scope, got.refresh_token) == ("client", Secret(BEARER), 3600, "5+6+7", None)


@pytest.mark.parametrize("scope", ["FB=4_15", "", None, 38475])
def test_a_scope_that_was_not_asked_for_is_no_error(scope: Any) -> None:
    with talk(reply(200, json.dumps(TOKENS | {"scope": scope}))) as (session, _):
        assert session.token_request(CODE_GRANT | {"scope": "FB=1_3_4_5"}).scope == (scope if isinstance(scope, str) else "")


@pytest.mark.parametrize("life", [None, "soon", -1, True, "NaN", 1e400, 10**30, []])
def test_a_lifetime_that_makes_no_sense_is_none(life: Any) -> None:
    with talk(reply(200, json.dumps(TOKENS | {"expires_in": life}))) as (session, _):
        assert session.token_request(CODE_GRANT).expires_in is None


@pytest.mark.parametrize(
    ("grant", "status", "body", "cls", "says"),
    [
        (CODE_GRANT, 400, '"Invalid Certificate"', CertificateRejected, "client certificate"),
        (CODE_GRANT, 400, "Invalid Certificate", CertificateRejected, "client certificate"),
        (CLIENT_GRANT, 400, '{"error": "invalid_request", "error_description": "Missing grant_type"}', BadRequest, '"Missing grant_type"'),
        (CLIENT_GRANT, 400, '{"error": "invalid_request", "error_description": "client_id is empty"}', BadRequest, "client_id is empty"),
        (CLIENT_GRANT, 405, '{"error": "invalid_request", "error_description": "GET not permitted"}', BadRequest, "GET not permitted"),
        (CLIENT_GRANT, 400, "client credentials doesn't match", AuthorizationError, "does not know this client"),
        (CLIENT_GRANT, 401, "", AuthorizationError, "does not know this client"),
        (CLIENT_GRANT, 403, "", AuthorizationError, "does not know this client"),
        (CLIENT_GRANT, 401, '{"error": "invalid_client"}', AuthorizationError, "does not know this client"),
        (CLIENT_GRANT, 400, '{"error": "unauthorized_client"}', AuthorizationError, "does not allow this client"),
        (CLIENT_GRANT, 400, '{"error": "unsupported_grant_type"}', BadRequest, "way to a token"),
        (REFRESH_GRANT, 400, '{"error": "invalid_scope"}', Denied, "scope"),
        (CODE_GRANT, 400, '{"error": "invalid_grant"}', Expired, "authorization code"),
        (REFRESH_GRANT, 400, '{"error": "invalid_grant"}', Revoked, "refresh token"),
        (REFRESH_GRANT, 400, "<e:error xmlns:e='x'><error>invalid_grant</error></e:error>", Revoked, "refresh token"),
        (REFRESH_GRANT, 200, '{"error": "invalid_grant"}', Revoked, "refresh token"),
        (CODE_GRANT, 400, "{}", BadRequest, "does not accept the request"),
        (CODE_GRANT, 404, "No listener for endpoint: /x", BadRequest, "nothing under this address"),
        (CODE_GRANT, 429, "", RateLimited, "no more requests"),
        (CODE_GRANT, 429, '{"error": "invalid_request"}', RateLimited, "no more requests"),
        (CODE_GRANT, 500, "", Unavailable, "not available"),
        (CODE_GRANT, 502, "<html><body>Bad Gateway</body></html>", Unavailable, "web page"),
        (CODE_GRANT, 503, '{"error": "invalid_grant"}', Unavailable, "not available"),
        (CODE_GRANT, 500, '{"error": "server_error", "error_description": "certificate"}', Unavailable, "not available"),
        (CODE_GRANT, 200, "<!DOCTYPE html><html>Log in</html>", Unavailable, "web page"),
        (CODE_GRANT, 200, "", ServiceError, "not what was asked"),
        (CODE_GRANT, 200, "[]", ServiceError, "not what was asked"),
        (CODE_GRANT, 200, "null", ServiceError, "not what was asked"),
        (CODE_GRANT, 200, "[" * 5000, ServiceError, "not what was asked"),
        (CODE_GRANT, 200, "{}", ServiceError, "holds no token"),
        (CODE_GRANT, 200, '{"client_access_token": "x"}', ServiceError, "holds no token"),
        (CODE_GRANT, 200, '{"access_token": ""}', ServiceError, "holds no token"),
        (CODE_GRANT, 200, '{"access_token": 5}', ServiceError, "token in the utility's reply is none"),
        (CODE_GRANT, 200, '{"access_token": "a\\r\\nX: y"}', ServiceError, "token in the utility's reply is none"),
        (CODE_GRANT, 200, '{"access_token": "x", "refresh_token": ["y"]}', ServiceError, "token in the utility's reply is none"),
        (CODE_GRANT, 200, '{"access_token": "x", "token_type": "mac"}', ServiceError, "type that is not known"),
        (CODE_GRANT, 202, "", ServiceError, "not what was asked"),
        (CODE_GRANT, 400, "\x00\x01\x02", BadRequest, "does not accept"),
        (CODE_GRANT, 401, '{"Message": "Authorization has been denied for this request."}', AuthorizationError, "has been denied for"),
    ],
)
def test_what_a_token_endpoint_refuses(grant: Any, status: int, body: str, cls: type[SmdError], says: str) -> None:
    with talk(reply(status, body, X_Transaction_Id="id-7", X_Tracking_Id="<b>")) as (session, server):
        with pytest.raises(cls, match=says) as caught:
            session.token_request(grant)
        assert len(server.requests) == 1
    error = caught.value
    assert type(error) is cls
    assert error.status_code == status
    assert error.ids == {"x-transaction-id": "id-7"}  # type: ignore[attr-defined]
    assert "x-transaction-id id-7" in str(error)
    assert pickle.loads(pickle.dumps(error)).args == error.args
    assert error.__cause__ is error.__context__ is None


@pytest.mark.parametrize("said", [f"code {CODE} is used", "account 1234567890", "1 Main Street", "x" * 200, "a" * 30, "<script>", "a\nb"])
def test_a_server_that_says_more_than_words_is_not_quoted(said: str) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": said})
    with talk(reply(400, body)) as (session, _), pytest.raises(Expired) as caught:
        session.token_request(CODE_GRANT)
    assert said not in str(caught.value)


# -- replies of resources ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_is_a_reply(status: int) -> None:
    with talk(reply(status)) as (session, server):
        assert session.get("a", token=BEARER).status_code == status
        assert session.get("a", token=BEARER, stream=True).status_code == status
        assert session.delete("a", token=BEARER).status_code == status
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "body", "cls", "says"),
    [
        (400, '"Invalid Certificate"', CertificateRejected, "certificate"),
        (401, "", Expired, "not valid any more"),
        (401, '{"error": "invalid_token"}', Expired, "not valid any more"),
        (403, "", Denied, "does not open"),
        (403, '{"error": "insufficient_scope"}', Denied, "does not cover"),
        (404, "No listener for endpoint: /path", BadRequest, "nothing under"),
        (405, "", BadRequest, "does not accept"),
        (400, "", BadRequest, "does not accept"),
        (500, "<html>", Unavailable, "web page"),
        (501, "", Unavailable, "not available"),
        (206, "<feed>", ServiceError, "not what was asked"),
        (200, "\n<!-- x --><!DOCTYPE html><html/>", Unavailable, "web page"),
        (304, "", Unavailable, "another address"),
    ],
)
def test_what_a_resource_refuses(status: int, body: str, cls: type[SmdError], says: str) -> None:
    with talk(reply(status, body)) as (session, server):
        for stream in (False, True):
            if not (stream and status == 200):
                with pytest.raises(cls, match=says) as caught:
                    session.get("a", token=BEARER, stream=stream)
                assert type(caught.value) is cls
                assert caught.value.status_code == status
        assert len(server.requests) == 2 - (status == 200), "nothing of this passes by itself"


def test_a_web_page_is_no_stream() -> None:
    with talk(reply(200, "<html>", Content_Type="text/html")) as (session, _), pytest.raises(Unavailable, match="web page"):
        session.get("a", token=BEARER, stream=True)


# -- trying again ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_by_itself_is_tried_again(status: int) -> None:
    pauses = Pauses()
    with talk(sequence(reply(status), reply(status), reply(200, "x")), sleep=pauses) as (session, _):
        assert session.get("a", token=BEARER).content == b"x"
    assert 1 <= pauses[0] <= 2 <= pauses[1] <= 3
    with talk(reply(status)) as (session, server):
        with pytest.raises((RateLimited, Unavailable)) as caught:
            session.get("a", token=BEARER)
        assert len(server.requests) == 4
        assert caught.value.retryable
        with pytest.raises(SmdError):
            session.get("a", token=BEARER, retries=0)
        with pytest.raises(SmdError):
            session.delete("a", token=BEARER)
        with pytest.raises(SmdError):
            session.token_request(REFRESH_GRANT)
        assert [one.method for one in server.requests] == ["GET"] * 5 + ["DELETE", "POST"]


def test_retry_after_is_heeded() -> None:
    pauses, begun = Pauses(), time.monotonic()
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    past = "Sun, 06 Nov 1994 08:49:37 GMT"
    answer = sequence(reply(429, Retry_After="7"), reply(503, Retry_After=later), reply(503, Retry_After=past), reply())
    with talk(answer, sleep=pauses) as (session, _):
        session.get("a", token=BEARER)
    assert 7 <= pauses[0] <= 8
    assert 58 - (time.monotonic() - begun) < pauses[1] <= 61
    assert 0 <= pauses[2] <= 1


@pytest.mark.parametrize("text", ["soon", "-5", "1e3", "", "9" * 400, "Sun, 99 Nov 1994", "٣"])
def test_a_retry_after_that_makes_no_sense(text: str) -> None:
    answer = reply(429).replace(b"Text\r\n", b"Text\r\nRetry-After: " + text.encode() + b"\r\n")
    with talk(answer) as (session, _), pytest.raises(RateLimited) as caught:
        session.get("a", token=BEARER, retries=1)
    assert caught.value.retry_after is None


def test_a_long_retry_after_is_the_callers_to_take() -> None:
    with talk(reply(429, Retry_After="3600")) as (session, server):
        with pytest.raises(RateLimited) as caught:
            session.get("a", token=BEARER)
        assert len(server.requests) == 1
    assert (caught.value.retry_after, caught.value.retryable) == (3600, True)


# -- connections that break --------------------------------------------------------------------------------------------------------------


def cut(*pieces: bytes) -> Callable[[Request], Answer]:
    """Send some pieces and drop the connection."""
    return lambda request: iter(pieces)


CUTS = {
    "nothing": (),
    "half a status line": (b"HTTP/1.1 2",),
    "half the headers": (b"HTTP/1.1 200 OK\r\nContent-Len",),
    "no body": (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<fe",),
    "no chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",),
    "half a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<fe",),
    "no last chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<feed\r\n",),
    "no length and no proper end": (b"HTTP/1.1 200 OK\r\n\r\n<feed>",),
    "an old server without a proper end": (b"HTTP/1.0 200 OK\r\n\r\n<feed>",),
    "half of what is compressed": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 99\r\n\r\n",
        zlib.compress(b"<feed/>" * 100)[:9],
    ),
    "what is not compressed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n<feed>",),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n",),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_reply_that_is_cut_is_an_error_and_no_part_of_it_a_result(name: str) -> None:
    with talk(cut(*CUTS[name])) as (session, server):
        with pytest.raises(Network, match="connection broke"):
            session.get("a", token=BEARER)
        assert 2 <= len(server.requests) <= 4, "a connection that the server dropped in between counts as a try"
        with pytest.raises(Network) as caught:
            session.token_request(REFRESH_GRANT)
        assert not caught.value.retryable, "it may have arrived"
        assert [one.method for one in server.requests].count("POST") == 1
        with pytest.raises(Network):
            b"".join(chunks(session.get("a", token=BEARER, stream=True, retries=0)))


def test_a_connection_that_was_lost_is_tried_again() -> None:
    with talk(sequence(iter(()), iter(CUTS["half a body"]), reply(200, "<feed/>"))) as (session, _):
        assert session.get("a", token=BEARER).content == b"<feed/>"


@pytest.mark.parametrize(
    "whole",
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<feed\r\n2\r\n/>\r\n0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n", b"<fe", b"ed/>"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(zlib.compress(b"<feed/>")),
            zlib.compress(b"<feed/>"),
        ),
    ],
)
def test_bodies_that_are_whole(whole: tuple[bytes, ...]) -> None:
    with talk(cut(*whole)) as (session, _):
        assert session.get("a", token=BEARER).content == b"<feed/>"
        assert b"".join(chunks(session.get("a", token=BEARER, stream=True), 2)) == b"<feed/>"


def test_nobody_there() -> None:
    with Server(lambda request: reply()) as server:
        custodian = custodian_at(server)
    with Session(custodian, credentials(), sleep=Pauses()) as session:
        with pytest.raises(Network, match="no connection") as caught:
            session.get("a", token=BEARER)
        with pytest.raises(Network, match="no connection") as again:
            session.token_request(REFRESH_GRANT)
    assert caught.value.retryable
    assert again.value.retryable, "it was never sent"


def forever(start: bytes, piece: bytes, pause: float) -> Callable[[Request], Answer]:
    """Send a start and then a piece again and again; it ends at last, so that a client that waits fails and does not hang."""

    def pieces() -> Iterator[bytes]:
        yield start
        for _ in range(int(15 / pause)):
            time.sleep(pause)
            yield piece

    return lambda request: pieces()


DRIBBLES = {
    "a status line": forever(b"HTTP/1.1 200", b" ", 0.02),
    "headers": forever(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n", 0.15),
    "a body": forever(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"<", 0.02),
    "chunks": forever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n<\r\n", 0.02),
    "a body without end": forever(b"HTTP/1.1 200 OK\r\n\r\n", b"<", 0.02),
    "nothing": forever(b"", b"", 0.5),
}


@pytest.mark.parametrize("name", DRIBBLES)
def test_a_server_that_never_ends_does_not_hang_anybody(name: str) -> None:
    with talk(DRIBBLES[name], total=0.6, timeout=(300, 0.4)) as (session, server):
        with pytest.raises(Network, match="took too long"):
            session.get("a", token=BEARER)
        with pytest.raises(Network, match="took too long") as caught:
            session.token_request(REFRESH_GRANT)
        assert not caught.value.retryable
        with pytest.raises(Network, match="took too long"):
            list(chunks(session.get("a", token=BEARER, stream=True)))
        server.arrived(3)
        assert len(server.requests) == 3


def test_a_kept_connection_begins_its_time_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = 0.0
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    with talk(reply(200, "x"), total=1000) as (session, server):
        for _ in range(4):
            assert session.get("a", token=BEARER, retries=0).content == b"x"
            ahead += 400
        assert server.connections == 1


def test_a_handshake_that_never_ends_does_not_hang_anybody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Server(lambda request: reply()) as server:
            custodian = custodian_at(server)
        port = listener.getsockname()[1]
        silent = custodian_at(server, token_endpoint=f"https://localhost:{port}/t", resource_endpoint=f"https://localhost:{port}/r")
        assert custodian.local
        with Session(silent, credentials(), timeout=(0.3, 0.3)) as session, pytest.raises(Network):
            session.get("a", token=BEARER, retries=0)


def test_a_reply_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smd_notebook.access.session._MOST", 1 << 20)
    huge = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n"
    bomb = zlib.compress(b" " * (2 << 20))
    with talk(huge % len(bomb) + bomb) as (session, _):
        for ask in (lambda: session.token_request(CLIENT_GRANT), lambda: session.get("a", token=BEARER)):
            with pytest.raises(ServiceError, match="larger than is safe"):
                ask()


@pytest.mark.prove
def test_a_batch_of_200_megabytes_is_data() -> None:
    """As Con Edison cuts them; one that is all spaces is short on the way."""
    long = zlib.compress(b"<feed/>" + b" " * 200_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n"
    with talk(head % len(long) + long) as (session, _):
        assert len(session.get("a", token=BEARER).content) == 200_000_007


def test_threads_share_a_session() -> None:
    with talk(lambda request: reply(200, request.path + request.headers["authorization"])) as (session, _):
        wrong: list[object] = []

        def ask(name: str) -> None:
            for _ in range(5):
                got = session.get(name, token=f"token-{name}").text
                if got != f"/espi/1_1/resource/{name}Bearer token-{name}":
                    wrong.append(got)

        threads = [threading.Thread(target=ask, args=(f"n{index}",)) for index in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert wrong == []


# -- secrets stay secret -----------------------------------------------------------------------------------------------------------------

CANARIES = (BEARER, CODE, REFRESH, SECRET, base64.b64encode(f"third-party:{SECRET}".encode()).decode(), "CANARY")


@pytest.mark.parametrize("where", ["body", "query"])
@pytest.mark.parametrize("how", ["basic", "post"])
def test_no_secret_in_any_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], where: str, how: str) -> None:
    HTTPConnection.debuglevel = 1  # as those do who look for an error
    try:
        with (
            caplog.at_level(logging.DEBUG),
            talk(lambda request: reply(200, json.dumps(TOKENS)), token_parameters=where, client_auth=how) as (session, _),
        ):
            for grant in (CODE_GRANT, REFRESH_GRANT, CLIENT_GRANT):
                session.token_request(grant)
            session.get("a", token=BEARER)
            for name in ("requests_oauthlib.oauth2_session", "urllib3.connectionpool", "oauthlib"):
                try:
                    raise ValueError(f"access_token={BEARER}")
                except ValueError:
                    logging.getLogger(name).exception("refresh_token=%s %s", REFRESH, SECRET)
        refused = reply(400, json.dumps({"error": CODE}))
        with caplog.at_level(logging.DEBUG), talk(refused, token_parameters=where) as (session, _), pytest.raises(BadRequest):
            session.token_request(CODE_GRANT)
        with caplog.at_level(logging.DEBUG), talk(cut()) as (session, _), pytest.raises(Network):
            session.get("a", token=BEARER)
    finally:
        HTTPConnection.debuglevel = 0
    text = caplog.text + "".join(capfd.readouterr())
    assert "Request url was" in text, "the libraries did log"
    assert "grant_type" in text
    assert [one for one in CANARIES if one in text] == []


@pytest.mark.parametrize(
    "answer",
    [
        reply(400, json.dumps({"error": "invalid_grant", "error_description": CODE})),
        reply(403, json.dumps({"error": BEARER})),
        reply(500, BEARER),
        reply(302, Location=f"https://evil.example/?code={CODE}"),
        reply(200, f'<html>{{"access_token": "{BEARER}"}}'),
    ],
)
def test_no_secret_in_a_traceback(answer: bytes) -> None:
    """Not even with the local variables of every frame, as IPython's verbose mode shows them."""
    asks: list[Callable[[Session], object]] = [
        lambda session: session.token_request(CODE_GRANT),
        lambda session: session.token_request(REFRESH_GRANT),
        lambda session: session.get("a", token=BEARER, retries=0),
        lambda session: session.delete("a", token=BEARER),
    ]
    for one in (answer, cut(answer[:30])):
        with talk(one) as (session, _):
            for ask in asks:
                with pytest.raises(SmdError) as caught:
                    ask(session)
                assert "CANARY" not in shown_by(caught.value)


def test_a_session_shows_nothing_and_cannot_be_pickled() -> None:
    with talk(reply()) as (session, _):
        assert repr(session) == "Session(wire)"
        for away in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(ConfigurationError):
                away(session)


def test_settings_that_are_none() -> None:
    with Server(lambda request: reply()) as server:
        for given in ({"proxy": "https://p.example"}, {"proxy": "socks5://p.example"}, {"timeout": (0, 1)}, {"total": 0}):
            with pytest.raises(ConfigurationError):
                Session(custodian_at(server), credentials(), **given)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="ca_bundle"):
            Session(custodian_at(server, ca_bundle="/none.pem"), credentials())


def test_a_reply_of_many_comments_is_looked_at_once() -> None:
    assert not is_page(b"<!---->" * 280 + b"x")  # 2 to the power of 280 ways to read it, if each were tried
    assert is_page(b" <!-- a -- b --> <!----> <HTML>")


def test_a_lifetime_that_is_no_number_a_machine_has() -> None:
    body = b'{"access_token": "%b", "expires_in": 1%b}' % (BEARER.encode(), b"0" * 400)
    assert token_reply(200, {}, body, "authorization_code").expires_in is None
