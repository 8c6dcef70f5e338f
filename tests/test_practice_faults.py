"""What goes wrong on purpose at the practice utility, the variants that it can be, its limits, and that it always lives on."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError
from smd_notebook.practice import FAULTS, VARIANTS, Fault
from smd_notebook.practice.faults import FaultQueue
from tests.practice import Party, fields_of

JANUARY, DAY = 1735718400, 86_400
DOCS = Path(__file__).parents[1] / "docs" / "practice.md"


@pytest.fixture(scope="module")
def shared() -> Iterator[Party]:
    with smd.Sandbox(households=["apartment"], clock=lambda: 1.795e9) as utility:  # each reply says when it was made
        found = Party(utility)
        yield found
        found.close()


@pytest.fixture
def party(shared: Party) -> Iterator[Party]:
    yield shared
    shared.utility.faults.clear()


@pytest.fixture
def batch(party: Party) -> tuple[str, str]:
    """Return the path of a small batch, and the token for it."""
    tokens = party.exchange()
    path = f"/Batch/Subscription/{tokens['subscription']}/UsagePoint/apartment-1-electricity"
    return f"{path}?published-min={JANUARY}&published-max={JANUARY + DAY}", tokens["access_token"]


def a_variant(party: Party, *names: str) -> None:
    """Let the next requests find the utility so."""
    party.utility.faults.add(Fault(variants=names, times=None))


# -- faults ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("invalid-certificate", 400, '"Invalid Certificate"'),
        ("unauthorized", 401, ""),
        ("forbidden", 403, ""),
        ("no-listener", 404, "No listener"),
        ("too-fast", 429, ""),
        ("server-error", 500, "<h1>"),
        ("bad-gateway", 502, "<h1>"),
        ("unavailable", 503, ""),
        ("no-content", 204, ""),
        ("accepted", 202, ""),
        ("page", 200, "<h1>"),
        ("nothing", 200, ""),
        ("redirect", 302, ""),
    ],
)
def test_faults_that_answer(name: str, status: int, words: str, party: Party) -> None:
    token = party.client_token()
    party.utility.faults.add(name, path="*/ReadServiceStatus")
    reply = party.get("/ReadServiceStatus", token)
    assert reply.status_code == status
    assert words in reply.text
    assert bool(words) == bool(reply.content)
    assert ("Retry-After" in reply.headers) == (name in ("too-fast", "unavailable"))
    assert ("Location" in reply.headers) == (name == "redirect")
    assert party.utility.requests[-1].fault
    assert party.get("/ReadServiceStatus", token).status_code == 200  # once, and no more


def test_faults_that_break_the_connection(party: Party, batch: tuple[str, str]) -> None:
    url = party.about["resource_endpoint"] + batch[0]
    headers = {"Authorization": f"Bearer {batch[1]}"}
    whole = party.session.get(url, headers=headers, timeout=30).content
    for name in ("dropped", "reply-lost", "truncated"):
        party.utility.faults.add(name)
        with pytest.raises(requests.exceptions.RequestException):
            party.session.get(url, headers=headers, timeout=30)
    party.utility.faults.add("truncated", keep=0.25)
    with party.session.get(url, headers=headers, timeout=30, stream=True) as reply:
        assert int(reply.headers["Content-Length"]) == len(whole)
        got: list[bytes] = []
        with pytest.raises(requests.exceptions.RequestException):
            got.extend(reply.iter_content(1000))
    assert whole.startswith(b"".join(got))
    assert len(b"".join(got)) <= len(whole) // 4
    assert party.session.get(url, headers=headers, timeout=30).content == whole


def test_a_lost_reply_has_had_its_effect(party: Party) -> None:
    tokens = party.exchange()
    party.utility.faults.add("reply-lost", path="*/token")
    with pytest.raises(requests.exceptions.ConnectionError):
        party.token("refresh_token", refresh_token=tokens["refresh_token"])
    assert party.token("refresh_token", refresh_token=tokens["refresh_token"]).json()["error"] == "invalid_grant"
    tokens = party.exchange()
    party.utility.faults.add("dropped", path="*/token")
    with pytest.raises(requests.exceptions.ConnectionError):
        party.token("refresh_token", refresh_token=tokens["refresh_token"])
    assert party.token("refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200


def test_faults_of_the_body(party: Party, batch: tuple[str, str]) -> None:
    whole = party.get(*batch).content
    party.utility.faults.add("wrong-type")
    reply = party.get(*batch)
    assert (reply.headers["Content-Type"], reply.content) == ("text/html; charset=utf-8", whole)
    party.utility.faults.add("dribble", dribble=0.001)
    assert party.get(*batch).content == whole
    party.utility.faults.add(Fault(body=b"instead", delay=0.001))
    assert party.get(*batch).content == b"instead"


def test_which_requests_a_fault_hits(party: Party) -> None:
    token = party.client_token()
    party.utility.faults.add("forbidden", path="*/ReadServiceStatus", method="GET", skip=1, times=2)
    party.utility.faults.add("unavailable", path="*/ReadServiceStatus")
    assert party.get("/Authorization", token).status_code == 200
    assert party.get("/ReadServiceStatus", token, "POST").status_code == 503
    assert [party.get("/ReadServiceStatus", token).status_code for _ in range(4)] == [200, 403, 403, 200]
    party.utility.faults.add("forbidden", times=None)
    assert [party.get("/ReadServiceStatus", token).status_code for _ in range(3)] == [403] * 3
    party.utility.faults.clear()
    assert len(party.utility.faults) == 0
    for wrong in ({"fault": "nonsense"}, {"fault": "page", "color": "red"}, {"fault": "truncated", "keep": 1.5}):
        with pytest.raises(ConfigurationError):
            party.utility.faults.add(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        Fault(variants=("nonsense",))


def test_the_page_has_every_fault_and_variant() -> None:
    rows = set(re.findall(r"^\| `([a-z0-9.-]+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == FAULTS.keys() | VARIANTS.keys()


# -- variants ----------------------------------------------------------------------------------------------------------------------------


def test_xml_tokens(party: Party) -> None:
    a_variant(party, "xml-tokens")
    reply = party.token("client_credentials")
    space = "{https://api.pge.com/datacustodian/oauth/v2/token}"
    found = {one.tag: one.text for one in ET.fromstring(reply.content)}
    assert found[space + "token_type"] == "Bearer"
    assert found[space + "expires_in"] == "3600"
    assert party.get("/ReadServiceStatus", found[space + "client_access_token"] or "").status_code == 200
    refused = ET.fromstring(party.token("authorization_code", code="x").content)
    assert refused.findtext(space + "error") == "invalid_grant"


def test_names_and_places_of_tokens(party: Party) -> None:
    a_variant(party, "plain-access-token")
    assert set(party.token("client_credentials").json()) == {"access_token", "expires_in", "scope", "token_type"}
    party.utility.faults.clear()
    a_variant(party, "query-parameters")
    assert party.token("client_credentials").json()["error_description"] == "Missing grant_type"
    assert party.token("client_credentials", where="params").status_code == 200
    party.utility.faults.clear()
    a_variant(party, "body-parameters")
    assert party.token("client_credentials").status_code == 200
    assert party.token("client_credentials", where="params").json()["error_description"] == "Missing grant_type"
    party.utility.faults.clear()
    a_variant(party, "post-credentials")
    assert party.token("client_credentials").json()["error_description"] == "client_id is empty"
    assert party.token("client_credentials", client_id=party.auth[0], client_secret=party.auth[1]).status_code == 200
    assert party.token("client_credentials", client_id=party.auth[0], client_secret="x").json()["error"] == "invalid_client"


@pytest.mark.parametrize("variant", ["no-rotation", "silent-refresh"])
def test_refresh_tokens_that_stay(variant: str, party: Party) -> None:
    tokens = party.exchange()
    a_variant(party, variant)
    for _ in range(2):
        renewed = party.token("refresh_token", refresh_token=tokens["refresh_token"]).json()
        assert renewed.get("refresh_token") == (tokens["refresh_token"] if variant == "no-rotation" else None)
        assert renewed["access_token"] != tokens["access_token"]
    # with rotation from now on, the same token is good once more, and then spent
    party.utility.faults.clear()
    assert party.token("refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200
    assert party.token("refresh_token", refresh_token=tokens["refresh_token"]).status_code == 400


def test_variants_of_the_redirect_and_the_scope() -> None:
    with smd.Sandbox(households=["apartment"], variants=["authorization-code", "subscription-scope", "tls-1.2", "expired-403"]) as utility:
        party = Party(utility)
        fields = party.consent()
        assert "code" not in fields
        tokens = party.token("authorization_code", code=fields["authorization_code"], redirect_uri=party.redirect_uri).json()
        assert tokens["scope"] == tokens["resourceURI"].rpartition("/")[2]
        utility.clock.advance(3601)
        assert party.get("/ReadingType", tokens["access_token"]).status_code == 403
        context = ssl.create_default_context(cafile=party.about["ca"])
        context.load_cert_chain(party.about["certificate"], party.about["key"])
        port = int(party.about["token_endpoint"].split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            assert secure.version() == "TLSv1.2"
        party.close()


def test_the_oauth_test_has_its_own_page_and_endpoint(party: Party) -> None:
    fields = fields_of(party.utility.consent(party.authorization_url("test_authorization_endpoint")))
    code = fields["authorization_code"]  # the test page's name for it
    wrong = party.token("authorization_code", code=code, redirect_uri=party.redirect_uri)
    assert wrong.json()["error"] == "invalid_grant"
    right = party.token("authorization_code", endpoint="test_token_endpoint", code=code, redirect_uri=party.redirect_uri)
    assert right.status_code == 200
    assert party.get("/ReadingType", right.json()["access_token"]).status_code == 200  # only OAuth is split
    moved = party.get(party.about["test_token_endpoint"].replace("/token", "/authorize?client_id=1"), "")
    assert moved.headers["Location"] == party.about["test_authorization_endpoint"] + "?client_id=1"


def test_consent_that_begins_at_the_utility_and_the_first_redirect_of_its_test() -> None:
    there = {"portal_uri": "https://study.example/start", "scope_selection_uri": "https://study.example/scope?from=pge"}
    with smd.Sandbox(households=["apartment"], **there) as utility, requests.Session() as browser:  # type: ignore[arg-type]
        browser.trust_env = False
        page = browser.get(utility.portal_url, timeout=30).text
        token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
        begin = browser.post(utility.portal_url + "/begin", data={"form_token": token}, allow_redirects=False, timeout=30)
        assert begin.headers["Location"] == "https://study.example/start"
        test = browser.post(utility.portal_url + "/test", data={"form_token": token}, allow_redirects=False, timeout=30)
        assert test.headers["Location"].startswith("https://study.example/scope?from=pge&scope=FB%3D1_3_8_")
        fields = fields_of(test.headers["Location"])
        assert fields["ThirdPartyID"] == utility.describe()["third_party_id"]
        assert "BR=" in fields["scope"]
        old = f"{utility.portal_url}/myAuthorization/?clientId={utility.describe()['client_id']}&verified=true"
        assert browser.get(old, timeout=30, allow_redirects=False).status_code == 302
        old = old.replace("/?", "?")
        assert browser.get(old, timeout=30, allow_redirects=False).headers["Location"] == test.headers["Location"]
        for form in ("begin", "test"):
            assert (
                browser.post(f"{utility.portal_url}/{form}", data={"form_token": "x"}, allow_redirects=False, timeout=30).status_code == 400
            )


def test_window_formats(party: Party, batch: tuple[str, str]) -> None:
    path = batch[0].partition("?")[0]

    def status(low: str | int, high: str | int) -> int:
        return party.get(path, batch[1], published_min=low, published_max=high).status_code

    texts, seconds = ("2025-01-01T08:00:00Z", "2025-01-02T08:00:00Z"), (JANUARY, JANUARY + DAY)
    assert (status(*texts), status(*seconds)) == (200, 200)
    a_variant(party, "iso-windows")
    assert (status(*texts), status(*seconds)) == (200, 400)
    party.utility.faults.clear()
    a_variant(party, "epoch-windows")
    assert (status(*texts), status(*seconds)) == (400, 200)
    party.utility.faults.clear()
    future = int(party.utility.clock()) + DAY
    assert status(JANUARY, future) == 200
    a_variant(party, "no-future")
    assert (status(JANUARY, future), status(*seconds)) == (400, 200)


def test_periods_in_seconds(party: Party) -> None:
    party.exchange()
    a_variant(party, "second-periods")
    reply = party.get("/Authorization", party.client_token()).text
    assert {len(one) for one in re.findall(r"<ns0:start>(\d+)<", reply)} == {10}


def test_self_access() -> None:
    with smd.Sandbox(households=["apartment"], variants=["self-access"]) as utility:
        party = Party(utility)
        listed = party.get("/Authorization", party.client_token()).text
        assert re.findall(r"<ns0:resourceURI>.*/(Batch/Bulk/\d+)<", listed) == [f"Batch/Bulk/{party.about['bulk_id']}"]
        assert party.get(f"/Batch/Bulk/{party.about['bulk_id']}", party.client_token()).status_code == 202
        party.close()


# -- limits ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variants", [(), ("limit-503", "no-retry-after")])
def test_one_request_a_second(variants: tuple[str, ...]) -> None:
    with smd.Sandbox(households=["apartment"], rate_limits=True, variants=variants, clock=lambda: 1.75e9) as utility:
        party = Party(utility)
        assert utility.custodian.limits.per_second == 1
        token = party.client_token()
        refused = party.get("/ReadServiceStatus", token)
        assert refused.status_code == (503 if variants else 429)
        assert refused.headers.get("Retry-After") == (None if variants else "1")
        utility.clock.advance(1)
        assert party.get("/ReadServiceStatus", token).status_code == 200
        party.close()


def test_hours_slide_and_days_end_at_five_in_the_afternoon() -> None:
    from smd_notebook.practice.limits import Counter

    now = [1752537600.0]  # 2025-07-14 17:00 Pacific
    counter = Counter(lambda: now[0])
    for _ in range(2000):
        assert counter.wait() == 0
        now[0] += 1
    assert counter.wait() == 1600  # an hour after the first
    now[0] += 1600
    assert counter.wait() == 0
    for _ in range(17_999):  # 20 000 of the day in all
        now[0] += 2
        assert counter.wait() == 0
    now[0] += 2
    assert counter.wait() == 1752537600 + DAY - now[0]
    now[0] = 1752537600 + DAY
    assert counter.wait() == 0


# -- batches and notifications -----------------------------------------------------------------------------------------------------------


class _Inbox(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def notified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Party, list[bytes]]]:
    """Return the third party of a utility that brings notifications over mutual TLS, and what was brought."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Inbox)
    got: list[bytes] = []
    server.got = got  # type: ignore[attr-defined]
    url = f"https://127.0.0.1:{server.server_address[1]}/notify"
    with smd.Sandbox(households=["apartment", "apartment:2"], notify_url=url) as utility:
        party = Party(utility)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=party.about["ca"])
        context.load_cert_chain(party.about["inbox_certificate"], party.about["inbox_key"])
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield party, got
        party.close()
    server.shutdown()
    thread.join()
    server.server_close()


def addresses(body: bytes) -> list[str]:
    return [one.text or "" for one in ET.fromstring(body).iter("{http://naesb.org/espi}resources")]


def test_a_batch_is_announced_and_fetched(notified: tuple[Party, list[bytes]]) -> None:
    party, got = notified
    tokens, before = party.exchange(), len(party.utility.notices)
    path, access = f"/Batch/Subscription/{tokens['subscription']}", tokens["access_token"]
    asked = party.get(path, access, published_min=JANUARY, published_max=JANUARY + DAY)
    assert (asked.status_code, asked.content) == (202, b"")
    body = party.utility.wait_for_notices(before + 1)[-1]
    assert got[-1] == body
    [address] = addresses(body)
    assert address.startswith(party.about["resource_endpoint"] + path + "?correlationID=")
    feed = smd.read(party.get(address, access).content)
    assert [len(one) for one in feed.channels] == [24, 1]
    assert party.get(address, party.client_token()).status_code == 403
    assert party.get(address[:-1] + "x", access).status_code == 404
    nothing = party.get(path, access, published_min=JANUARY - 9 * DAY, published_max=JANUARY - 8 * DAY)
    assert nothing.status_code == 204
    assert len(party.utility.notices) == before + 1


def test_a_bulk_request_brings_all_customers(notified: tuple[Party, list[bytes]]) -> None:
    party, _ = notified
    for customer in (0, 1):
        party.exchange(customer=customer, groups=("usage", "account"))
    token, before = party.client_token(), len(party.utility.notices)
    bulk = f"/Batch/Bulk/{party.about['bulk_id']}"
    assert party.get(bulk, token, published_min=JANUARY, published_max=JANUARY + DAY).status_code == 202
    [address] = addresses(party.utility.wait_for_notices(before + 1)[-1])
    feed = smd.read(party.get(address, token).content)
    assert sorted(one.usage_point for one in feed.channels) == [
        f"apartment-{seed}-{kind}" for seed in (1, 2) for kind in ("electricity", "gas")
    ]
    assert [len(one) for one in feed.channels] == [24, 1, 24, 1]
    assert "duplicate-conflict" not in set(feed.findings["code"])
    assert party.get("/Batch/Bulk/1", token).status_code == 403
    assert party.get(f"/Batch/BulkRetailCustomerInfo/{party.auth[0]}", token).status_code == 202
    [address] = addresses(party.utility.wait_for_notices(before + 2)[-1])
    text = party.get(address, token).text
    assert "Rosa Delgado" in text
    assert "Kenji Mori" in text


def test_batches_the_other_way_round(party: Party, batch: tuple[str, str]) -> None:
    whole = batch[0].partition("/UsagePoint")[0]
    a_variant(party, "sync-batch")
    assert party.get(whole, batch[1], published_min=JANUARY, published_max=JANUARY + DAY).status_code == 200
    party.utility.faults.clear()
    a_variant(party, "async-batch", "atom-notifications")
    before = len(party.utility.notices)
    assert party.get(*batch).status_code == 202
    body = party.utility.wait_for_notices(before + 1)[-1]
    assert ET.fromstring(body).tag == "{http://www.w3.org/2005/Atom}feed"
    assert party.get(addresses(body)[0], batch[1]).status_code == 200


def test_what_may_become_of_a_notification(party: Party, batch: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, token = batch[0].partition("/UsagePoint")[0], batch[1]
    courier = party.utility._utility.courier

    def ask(how: str, **changes: Any) -> list[bytes]:
        before = len(party.utility.notices)
        party.utility.faults.add(f"notified-{how}", **changes)
        later: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(courier, "send", lambda *given: later.append(given))
            assert party.get(path, token).status_code == 202
        now = party.utility.notices[before:]
        assert bool(now) == (how == "early")  # before the 202, or after
        for given in later:
            courier.send(*given)
        expected = before + {"never": 0, "twice": 2}.get(how, 1)
        return party.utility.wait_for_notices(expected)[before:]

    assert ask("never") == []
    first, second = ask("twice")
    assert first == second
    assert len(ask("early")) == 1
    assert len(ask("late", late=0.5)) == 1
    foreign, own = addresses(ask("foreign")[0])
    assert foreign.startswith("https://elsewhere.invalid/")
    assert own.startswith(party.about["resource_endpoint"])
    assert party.get(own, token).status_code == 200


def test_a_customer_stops_sharing_and_the_third_party_hears_of_it(party: Party) -> None:
    tokens, before = party.exchange(), len(party.utility.notices)
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.get(party.utility.portal_url, timeout=30).text
        assert "Rosa Delgado" in page
        form = {"form_token": re.findall(r'name="form_token" value="([^"]+)"', page)[0], "authorization": tokens["subscription"]}
        stopped = browser.post(party.utility.portal_url + "/stop", data=form, timeout=30, allow_redirects=False)
        assert stopped.headers["Location"] == "./"
        assert browser.post(party.utility.portal_url + "/stop", data=form, timeout=30, allow_redirects=False).status_code == 400
    body = party.utility.wait_for_notices(before + 1)[-1]
    assert addresses(body) == [f"{party.about['resource_endpoint']}/Authorization/{tokens['subscription']}"]
    assert party.get("/ReadingType", tokens["access_token"]).status_code == 401


def test_nobody_is_at_home_to_be_notified() -> None:
    with smd.Sandbox(households=["apartment"], notify_url="https://127.0.0.1:1/notify") as utility:
        party = Party(utility)
        tokens = party.exchange()
        assert party.get(f"/Batch/Subscription/{tokens['subscription']}", tokens["access_token"]).status_code == 202
        assert len(utility.wait_for_notices(1)) == 1
        party.close()


# -- behind a proxy ----------------------------------------------------------------------------------------------------------------------

PREFIX = "/user/rosa/proxy/8000"


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Hands on what comes below a prefix, as jupyter-server-proxy does: without the prefix, and with Location as it is."""

    def do_GET(self) -> None:
        assert self.path.startswith(PREFIX + "/")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with requests.Session() as session:
            session.trust_env = False
            kind = {"Content-Type": self.headers.get("Content-Type", "")}
            url = self.server.portal + self.path.removeprefix(PREFIX)  # type: ignore[attr-defined]
            reply = session.request(self.command, url, data=body, headers=kind, allow_redirects=False, timeout=30)
        self.send_response(reply.status_code)
        for name in ("Content-Type", "Location", "Content-Length"):
            if name in reply.headers:
                self.send_header(name, reply.headers[name])
        self.end_headers()
        self.wfile.write(reply.content)

    do_POST = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, *args: Any) -> None:
        pass


def test_the_portal_works_below_any_prefix(party: Party) -> None:
    from smd_notebook.practice.robot import Visit

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.portal = party.utility.portal_url  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        outside = f"http://127.0.0.1:{server.server_address[1]}{PREFIX}"
        visit = Visit(party.authorization_url().replace(party.utility.portal_url, outside), outside)
        visit.submit({"email": "rosa.delgado@example.com", "password": "practice-1", "go": "sign-in"})
        visit.submit({"go": "authorize"})
        assert visit.left is not None
        assert visit.left.startswith(outside + "/callback?code=")
        code = fields_of(visit.left)["code"]
        assert party.token("authorization_code", code=code, redirect_uri=party.redirect_uri).status_code == 200
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# -- it lives on -------------------------------------------------------------------------------------------------------------------------


def test_peers_that_stall_hold_up_nobody_and_are_let_go_at_the_end() -> None:
    before = threading.enumerate()
    with smd.Sandbox(households=["apartment"]) as utility:
        party = Party(utility)
        ports = [int(party.about[one].split(":")[2].partition("/")[0]) for one in ("token_endpoint", "authorization_endpoint")]
        stalled = [socket.create_connection(("127.0.0.1", port)) for port in ports for _ in range(5)]  # no handshake, no request
        stalled[0].sendall(b"\x16\x03\x01\x02\x00")  # a handshake that was begun
        stalled[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        context = ssl.create_default_context(cafile=party.about["ca"])
        context.load_cert_chain(party.about["certificate"], party.about["key"])
        slow = context.wrap_socket(socket.create_connection(("127.0.0.1", ports[0])), server_hostname="127.0.0.1")
        slow.sendall(b"POST /datacustodian/oauth/v2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngrant")
        assert party.get("/ReadServiceStatus", party.client_token()).status_code == 200
        assert requests.get(utility.portal_url, timeout=30, proxies={"http": ""}).status_code == 200
        party.utility.faults.add("slow", delay=600, path="*/ReadServiceStatus")
        waiting = threading.Thread(target=lambda: _until_it_ends(party))
        waiting.start()
        while len(utility.faults):  # until the request has come
            time.sleep(0.01)
    waiting.join()
    for one in (*stalled, slow):
        one.close()
    party.close()
    assert [one for one in threading.enumerate() if one not in before] == []


def _until_it_ends(party: Party) -> None:
    with requests.Session() as session:
        session.trust_env, session.verify, session.cert = False, party.session.verify, party.session.cert
        with contextlib.suppress(requests.exceptions.ConnectionError):
            session.get(party.about["resource_endpoint"] + "/ReadServiceStatus", timeout=60)


def test_nonsense_does_no_harm(party: Party) -> None:
    port = int(party.about["authorization_endpoint"].split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        peer.sendall(b"\x00\xff nonsense\r\n\r\n")
        peer.recv(1000)
    token = party.client_token()
    for path in ("/Subscription/%00/UsagePoint", "/Batch/Bulk/..", "/" + "a" * 5000, "/Authorization/%F0%9F%94%8C"):
        assert party.get(path, token).status_code in (403, 404), path
    reply = party.session.post(party.about["token_endpoint"], auth=party.auth, data=b"\xff\xfe" * 100, timeout=30)
    assert reply.status_code == 400
    large = {"grant_type": "x" * 100_000}
    assert party.session.post(party.about["token_endpoint"], auth=party.auth, data=large, timeout=30).status_code == 413
    with requests.Session() as browser:
        browser.trust_env = False
        assert browser.post(party.utility.portal_url + "/login", data=large, timeout=30).status_code == 413
    assert party.get("/ReadServiceStatus", token).status_code == 200


def test_the_queue_says_how_much_is_to_come() -> None:
    faults = FaultQueue()
    faults.add("truncated")
    assert repr(faults) == "<FaultQueue: 1 to come>"


def test_one_text_is_no_list_of_variants() -> None:
    with pytest.raises(ConfigurationError, match="is a list of names") as caught:
        smd.Sandbox(variants="xml-tokens")
    assert "variants=['xml-tokens']" in caught.value.hint
