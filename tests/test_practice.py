"""The practice utility, seen by a third party that is made of `requests` alone: consent, tokens, resources."""

from __future__ import annotations

import base64
import re
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError
from tests.practice import Party, fields_of

JANUARY, FEBRUARY, NEXT_YEAR = 1735718400, 1738396800, 1767254400  # of 2025, Pacific midnights [s since 1970-01-01T00:00Z]
ESPI, ATOM = "{http://naesb.org/espi}", "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def shared() -> Iterator[Party]:
    with smd.Sandbox(households=["apartment", "solar-home"], redirect_uris=["https://study.example/back?from=utility"]) as utility:
        found = Party(utility)
        yield found
        found.close()


@pytest.fixture
def party(shared: Party) -> Party:
    """Return the third party of a utility on which nothing is to go wrong."""
    shared.utility.faults.clear()
    return shared


@pytest.fixture
def fresh() -> Iterator[Party]:
    """Return the third party of a utility of its own, whose clock goes on only when a test puts it forward."""
    with smd.Sandbox(households=["apartment"], clock=lambda: 1.795e9) as utility:
        found = Party(utility)
        yield found
        found.close()


def get_page(party: Party, url: str, **options: object) -> requests.Response:
    with requests.Session() as browser:
        browser.trust_env = False
        return browser.get(url, allow_redirects=False, timeout=30, **options)  # type: ignore[arg-type]


# -- consent -----------------------------------------------------------------------------------------------------------------------------


def test_a_customer_consents_and_a_month_is_fetched(party: Party) -> None:
    tokens = party.exchange()
    assert tokens["expires_in"] == 3600
    assert tokens["token_type"] == "Bearer"
    path = f"/Batch/Subscription/{tokens['subscription']}/UsagePoint/apartment-1-electricity"
    reply = party.get(path, tokens["access_token"], published_min=JANUARY, published_max=FEBRUARY)
    assert reply.status_code == 200
    got = smd.read(reply.content)
    expected = smd.sample("apartment").select(channel="electricity delivered", start="2025-01-01", end="2025-02-01").tidy()
    assert len(expected) == 31 * 24
    assert got.tidy()["value"].tolist() == expected["value"].tolist()
    assert got.usage_points[0].entry.href.startswith(party.about["resource_endpoint"])
    assert got.channels[0].usage_point == "apartment-1-electricity"  # known by the last part of its path, as at PG&E


def test_what_the_redirect_carries(party: Party) -> None:
    fields = party.consent(groups=("usage", "billing", "account"))
    assert set(fields) == {"code", "state", "scope"}
    assert fields["state"] == "xyz"
    scope = dict(one.split("=") for one in fields["scope"].split(";"))
    assert scope["FB"] == "1_3_8_13_14_18_19_31_32_35_37_38_39_4_5_10_15_16_46_47"
    assert scope["AdditionalScope"] == "Usage_Billing_Account_Basic"
    assert scope["BR"] == party.about["third_party_id"]
    assert scope["dataCustodianId"] == "PGE"


def test_a_guest_consents_to_less(party: Party) -> None:
    fields = party.consent(customer="Kenji Mori", guest=True, usage_points=["solar-home-1-gas"], groups=("usage",))
    assert fields["scope"].startswith("FB=1_3_8_13_14_18_19_31_32_35_37_38_39_4_10;AdditionalScope=Usage_Basic;")


def test_cancel_is_access_denied(party: Party) -> None:
    fields = party.consent(deny=True)
    assert fields["error"] == "access_denied"
    assert fields["state"] == "xyz"
    assert "code" not in fields


def test_cancel_before_signing_in(party: Party) -> None:
    from smd_notebook.practice.robot import Visit

    visit = Visit(party.authorization_url(), party.utility.portal_url)
    visit.submit({"go": "cancel"})
    assert visit.left is not None
    assert fields_of(visit.left)["error"] == "access_denied"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://elsewhere.example/"},
        {"redirect_uri": "http://127.0.0.1@elsewhere.example/"},
        {"redirect_uri": "http://[::1"},
        {"redirect_uri": "http://127.0.0.1/\r\nSet-Cookie: a=b"},
        {"redirect_uri": "http://127.0.0.1\\@elsewhere.example/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": None},
    ],
)
def test_a_request_that_cannot_be_trusted_is_not_sent_back(changes: dict[str, str | None], party: Party) -> None:
    page = get_page(party, party.authorization_url(**changes))
    assert page.status_code == 400
    assert "Location" not in page.headers
    assert "cannot be completed" in page.text


@pytest.mark.parametrize(
    "changes",
    [
        {"response_type": "token"},
        {"response_type": None},
        {"scope": "MinAuthEndDate:soon"},
        {"scope": "MinAuthEndDate:1000000000"},
        {"scope": "MinAuthEndDate:4102444800;PreferredAuthEndDate:4102358400"},
    ],
)
def test_a_request_that_makes_no_sense_is_sent_back(changes: dict[str, str | None], party: Party) -> None:
    page = get_page(party, party.authorization_url(redirect_uri="http://127.0.0.1:1/back", **changes))
    assert page.status_code == 302
    assert page.headers["Location"].startswith("http://127.0.0.1:1/back?")
    fields = fields_of(page.headers["Location"])
    assert (fields["error"], fields["state"]) == ("invalid_request", "xyz")


def test_end_dates(party: Party) -> None:
    url = party.authorization_url(scope="MinAuthEndDate:4102444800;PreferredAuthEndDate:4133980800")  # 2100-01-01, 2101-01-01
    assert "code" in fields_of(party.utility.consent(url))
    with pytest.raises(ConfigurationError, match="too early"):
        party.utility.consent(url, until="2050-01-01")
    with pytest.raises(ConfigurationError, match="too early"):
        party.utility.consent(party.authorization_url(), until="2020-01-01")
    with pytest.raises(ConfigurationError, match="last day"):
        party.utility.consent(party.authorization_url(), until="tomorrow<script>")


def test_nothing_chosen_is_said_on_the_page(party: Party) -> None:
    with pytest.raises(ConfigurationError, match="at least one service agreement"):
        party.consent(usage_points=[])
    with pytest.raises(ConfigurationError, match="at least one kind of data"):
        party.consent(groups=[])
    with pytest.raises(ConfigurationError, match="no group of data is called 'x'") as caught:
        party.consent(groups=["x"])
    assert "usage, billing, account" in caught.value.hint
    with pytest.raises(ConfigurationError, match="no customer"):
        party.consent(customer="Somebody Else")


def test_sessions_cannot_be_guessed_shared_or_used_twice(party: Party) -> None:
    from smd_notebook.practice.robot import Visit

    visit = Visit(party.authorization_url(), party.utility.portal_url)
    visit.submit({"email": "rosa.delgado@example.com", "password": "wrong", "go": "sign-in"})
    assert "do not match" in visit.alert
    with requests.Session() as browser:
        browser.trust_env = False
        portal = party.utility.portal_url
        data = {"agreement": "apartment-1-gas", "group": "usage", "length": "open", "go": "authorize"}
        forged = browser.post(f"{portal}/decision", data=data | {"session": "guess"}, timeout=30)
        assert forged.status_code == 400
        first = browser.get(party.authorization_url(), timeout=30).text
        session = re.findall(r'name="session" value="([^"]+)"', first)[0]
        early = browser.post(f"{portal}/decision", data=data | {"session": session}, timeout=30)
        assert early.status_code == 400  # nobody has signed in
        assert browser.post(f"{portal}/stop", data={"authorization": "503001", "form_token": "guess"}, timeout=30).status_code == 400
        browser.post(
            f"{portal}/login", data={"session": session, "email": "rosa.delgado@example.com", "password": "practice-1"}, timeout=30
        )
        replies = [
            browser.post(f"{portal}/decision", data=data | {"session": session}, timeout=30, allow_redirects=False).status_code
            for _ in range(2)
        ]
        assert replies == [302, 400]


def test_pages_are_plain_and_closed(party: Party) -> None:
    page = get_page(party, party.authorization_url())
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Practice utility" in page.text
    assert "<script" not in page.text
    # through a proxy such as /user/x/proxy/8000/ only relative addresses lead back
    for address in re.findall(r'(?:href|action|src)="([^"]*)"', page.text):
        assert not re.match(r"[a-z]+:(?!,$)|/", address), address
    for box in re.findall(r'<input (?!type="hidden")[^>]*id="([^"]+)"', page.text):
        assert f'<label for="{box}">' in page.text
    assert get_page(party, party.utility.portal_url + "/nothing").status_code == 404
    there = get_page(party, party.authorization_url().replace("/myAuthorization?", "/myAuthorization/?"))
    assert there.headers["Location"].startswith("../myAuthorization?client_id=")


def test_redirects_of_the_portal_to_itself_are_relative(party: Party) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        first = browser.get(party.authorization_url(), timeout=30).text
        session = re.findall(r'name="session" value="([^"]+)"', first)[0]
        left = browser.post(
            f"{party.utility.portal_url}/login", data={"session": session, "go": "cancel"}, timeout=30, allow_redirects=False
        )
        assert left.headers["Location"].startswith("callback?error=access_denied")
        shown = browser.get(party.utility.portal_url + "/callback?code=%3Cb%3E&state=1", timeout=30).text
    assert f"{party.redirect_uri}?code=%3Cb%3E&amp;state=1" in shown
    assert "<b>" not in shown
    assert "good for ten minutes" in shown
    denied = get_page(party, f"{party.utility.portal_url}/callback?error=access_denied").text
    assert "did not authorize" in denied
    assert "good for ten minutes" not in denied


def test_the_oauth_test_begins_at_a_page_of_the_portal(party: Party) -> None:
    page = get_page(party, f"{party.utility.portal_url}/").text
    token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    with requests.Session() as browser:
        browser.trust_env = False
        shown = browser.post(f"{party.utility.portal_url}/test", data={"form_token": token}, timeout=30)
    assert [one.headers["Location"].partition("?")[0] for one in shown.history] == ["callback"]  # relative, for any proxy
    assert f"ThirdPartyID={party.about['third_party_id']}" in shown.text
    assert "begins its OAuth test" in shown.text


def test_a_registered_address_keeps_its_query(party: Party) -> None:
    url = party.authorization_url(redirect_uri="https://study.example/back?from=utility")
    address = party.utility.consent(url)
    assert address.startswith("https://study.example/back?from=utility&code=")


# -- tokens ------------------------------------------------------------------------------------------------------------------------------


def test_the_clients_own_token(party: Party) -> None:
    reply = party.token("client_credentials")
    assert reply.status_code == 200
    assert set(reply.json()) == {"client_access_token", "expires_in", "scope", "token_type"}
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    assert party.token("client_credentials", where="params").status_code == 200
    assert party.token("client_credentials", endpoint="test_token_endpoint").status_code == 200


def test_token_errors(party: Party) -> None:
    def post(**options: object) -> tuple[int, object]:
        reply = party.session.post(party.about["token_endpoint"], timeout=30, **options)  # type: ignore[arg-type]
        return reply.status_code, reply.json()

    auth = party.auth
    assert post(auth=auth) == (400, {"error": "invalid_request", "error_description": "Missing grant_type"})
    assert post(data={"grant_type": "client_credentials"}) == (400, {"error": "invalid_request", "error_description": "client_id is empty"})
    wrong = {"error": "invalid_client", "error_description": "client credentials doesn't match"}
    assert post(data={"grant_type": "client_credentials"}, auth=(auth[0], "wrong")) == (400, wrong)
    assert post(data={"grant_type": "password"}, auth=auth)[1]["error"] == "unsupported_grant_type"  # type: ignore[index]
    reply = party.session.get(party.about["token_endpoint"], timeout=30)
    assert (reply.status_code, reply.json()["error_description"]) == (405, "GET not permitted")


def test_a_code_is_good_once_for_its_address_and_endpoint(fresh: Party) -> None:
    code = fresh.consent()["code"]
    assert fresh.token("authorization_code", code=code, redirect_uri="http://127.0.0.1/").json()["error"] == "invalid_grant"
    assert fresh.token("authorization_code", code=code, redirect_uri=fresh.redirect_uri, endpoint="test_token_endpoint").status_code == 400
    tokens = fresh.token("authorization_code", code=code, redirect_uri=fresh.redirect_uri).json()
    assert fresh.get("/ReadingType", tokens["access_token"]).status_code == 200
    again = fresh.token("authorization_code", code=code, redirect_uri=fresh.redirect_uri)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert fresh.get("/ReadingType", tokens["access_token"]).status_code == 401  # RFC 6749 4.1.2: its tokens end with it
    assert fresh.token("authorization_code", code="unknown", redirect_uri=fresh.redirect_uri).json()["error"] == "invalid_grant"


def test_lifetimes(fresh: Party) -> None:
    clock = fresh.utility.clock
    code = fresh.consent()["code"]
    clock.advance(599)
    tokens = fresh.token("authorization_code", code=code, redirect_uri=fresh.redirect_uri).json()
    late = fresh.consent()["code"]
    clock.advance(601)
    assert fresh.token("authorization_code", code=late, redirect_uri=fresh.redirect_uri).json()["error"] == "invalid_grant"
    assert fresh.get("/ReadingType", tokens["access_token"]).status_code == 401  # the second consent ended the first

    tokens = fresh.exchange()
    clock.advance(3590)
    assert fresh.get("/ReadingType", tokens["access_token"]).status_code == 200
    clock.advance(11)
    expired = fresh.get("/ReadingType", tokens["access_token"])
    assert expired.status_code == 401
    assert expired.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    clock.advance(31_530_000)
    renewed = fresh.token("refresh_token", refresh_token=tokens["refresh_token"])
    assert renewed.status_code == 200
    clock.advance(31_536_001)
    assert fresh.token("refresh_token", refresh_token=renewed.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_tokens_rotate_and_a_spent_one_ends_its_family(fresh: Party) -> None:
    first = fresh.exchange()
    second = fresh.token("refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert fresh.get("/ReadingType", second["access_token"]).status_code == 200
    assert fresh.token("refresh_token", refresh_token=first["refresh_token"]).json()["error"] == "invalid_grant"
    assert fresh.get("/ReadingType", second["access_token"]).status_code == 401
    assert fresh.token("refresh_token", refresh_token=second["refresh_token"]).json()["error"] == "invalid_grant"


def test_of_many_who_refresh_at_once_one_gets_tokens_and_they_are_dead(fresh: Party) -> None:
    from concurrent.futures import ThreadPoolExecutor

    first = fresh.exchange()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: fresh.token("refresh_token", refresh_token=first["refresh_token"]), range(8)))
    [won] = [one.json() for one in replies if one.status_code == 200]
    assert {one.json().get("error") for one in replies} == {None, "invalid_grant"}
    assert fresh.get("/ReadingType", won["access_token"]).status_code == 401
    assert fresh.token("refresh_token", refresh_token=won["refresh_token"]).json()["error"] == "invalid_grant"


def test_token_classes(party: Party) -> None:
    tokens = party.exchange()
    access, client, registration = tokens["access_token"], party.client_token(), party.about["registration_access_token"]
    own = f"/ApplicationInformation/{party.about['application_information_id']}"
    for path, right in (("/ReadServiceStatus", client), ("/DownloadSampleData", client), ("/Authorization", client), (own, registration),
                        ("/ReadingType", access), ("/LocalTimeParameters", access), ("/Batch/Bulk/50098", client)):  # fmt: skip
        got = {kind: party.get(path, one).status_code for kind, one in (("a", access), ("c", client), ("r", registration))}
        right_kind = "a" if right == access else "c" if right == client else "r"
        assert got.pop(right_kind) in (200, 202), path
        assert set(got.values()) == {403}, path
    assert party.get("/ReadServiceStatus", tokens["refresh_token"]).status_code == 403
    assert party.get("/ReadServiceStatus", "nonsense").status_code == 401
    assert party.session.get(party.about["resource_endpoint"] + "/ReadServiceStatus", timeout=30).status_code == 401


def test_without_the_registered_certificate_everything_is_refused(party: Party) -> None:
    url = party.about["resource_endpoint"] + "/ReadServiceStatus"
    with requests.Session() as bare:
        bare.trust_env, bare.verify = False, party.about["ca"]
        for reply in (bare.get(url, timeout=30), bare.post(party.about["token_endpoint"], auth=party.auth, timeout=30)):
            assert (reply.status_code, reply.json()) == (400, "Invalid Certificate")
        bare.cert = (party.about["inbox_certificate"], party.about["inbox_key"])  # of the same authority, but not registered
        assert bare.get(url, timeout=30).json() == "Invalid Certificate"


def test_a_certificate_of_another_authority_is_refused(party: Party, tmp_path: Path) -> None:
    import trustme

    other = trustme.CA().issue_cert("127.0.0.1")
    other.private_key_and_cert_chain_pem.write_to_path(tmp_path / "other.pem")
    with requests.Session() as stranger:
        stranger.trust_env, stranger.verify, stranger.cert = False, party.about["ca"], str(tmp_path / "other.pem")
        with pytest.raises(requests.exceptions.ConnectionError):
            stranger.get(party.about["resource_endpoint"] + "/ReadServiceStatus", timeout=30)


# -- resources ---------------------------------------------------------------------------------------------------------------------------


def test_small_resources(party: Party) -> None:
    from smd_notebook.espi.resources import read_resource

    client = party.client_token()
    assert read_resource(party.get("/ReadServiceStatus", client).content).normal
    sample = smd.read(party.get("/DownloadSampleData", client).content)
    assert [len(one) for one in sample.channels] == [676, 676, 7]
    own, registration = f"/ApplicationInformation/{party.about['application_information_id']}", party.about["registration_access_token"]
    about = ET.fromstring(party.get(own, registration).content)
    found = {one.tag.removeprefix(ESPI): one.text for one in about.iter() if one.tag.startswith(ESPI)}
    assert found["client_id"] == party.about["client_id"]
    assert found["client_secret"] == party.about["client_secret"]
    assert found["authorizationServerTokenEndpoint"] == party.about["token_endpoint"]
    assert found["authorizationServerAuthorizationEndpoint"] == party.about["authorization_endpoint"]
    assert int(found["client_id_issued_at"] or 0) > 1e12  # milliseconds, as PG&E's
    assert party.get("/ApplicationInformation/1", registration).status_code == 404
    unknown = party.get("/Nonsense", client)
    assert (unknown.status_code, unknown.headers["Content-Type"].partition(";")[0]) == (404, "text/plain")
    assert unknown.text.startswith("No listener for endpoint: /GreenButtonConnect")
    assert party.get("/ReadServiceStatus", client, "DELETE").status_code == 405


def links(data: bytes) -> list[str]:
    return [
        one.get("href", "")
        for entry in ET.fromstring(data).iter(f"{ATOM}entry")
        for one in entry.iter(f"{ATOM}link")
        if one.get("rel") == "self"
    ]


def test_the_tree_of_a_subscription_can_be_walked(party: Party) -> None:
    tokens = party.exchange(customer=1)
    access, root = tokens["access_token"], f"/Subscription/{tokens['subscription']}/UsagePoint"
    points = links(party.get(root, access).content)
    assert [one.rpartition("/")[2] for one in points] == ["solar-home-1-electricity", "solar-home-1-gas"]
    meters = links(party.get(points[0] + "/MeterReading", access).content)
    assert len(meters) == 2
    kind = base64.b64decode(base64.b64decode(meters[0].rpartition("/")[2]).partition(b":")[0]).decode()
    assert kind == "72:null:900:1"
    blocks = links(party.get(meters[0] + "/IntervalBlock", access, published_min=JANUARY, published_max=JANUARY + 3 * 86_400).content)
    assert [int(one.rpartition("/")[2]) for one in blocks] == [JANUARY + day * 86_400 for day in range(3)]  # one a day
    one = party.get(blocks[1], access)
    assert one.status_code == 200
    assert ET.fromstring(one.content).tag == f"{ATOM}entry"
    assert len(list(ET.fromstring(one.content).iter(f"{ESPI}IntervalReading"))) == 96
    for path in (points[0], meters[0], points[0] + "/UsageSummary"):
        assert party.get(path, access).status_code == 200
    bills = links(party.get(points[0] + "/UsageSummary", access).content)
    assert len([one for one in bills if int(one.rpartition("/")[2]) < NEXT_YEAR]) == 12
    assert party.get(bills[0], access).status_code == 200
    for path in (root + "/none", points[0] + "/MeterReading/none", root + "/none/MeterReading", root + "/apartment-1-gas/UsageSummary",
                 meters[0] + "/IntervalBlock/1", points[1] + "/MeterReading/" + meters[0].rpartition("/")[2]):  # fmt: skip
        assert party.get(path, access).status_code == 404, path
    types = links(party.get("/ReadingType", access).content)
    assert len(types) == 3
    assert party.get(types[0], access).status_code == 200
    assert party.get("/LocalTimeParameters/1", access).status_code == 200
    assert party.get("/LocalTimeParameters/2", access).status_code == 404


def test_windows(party: Party) -> None:
    tokens = party.exchange()
    path = f"/Batch/Subscription/{tokens['subscription']}/UsagePoint/apartment-1-electricity"

    def days(**window: int | str) -> int:
        reply = party.get(path, tokens["access_token"], **window)
        return reply.content.count(b"<ns0:IntervalBlock") if reply.status_code == 200 else -reply.status_code

    def text(moment: int) -> str:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    day = 86_400
    assert days(published_min=JANUARY, published_max=JANUARY + day) == 1
    assert days(published_min=JANUARY + 1, published_max=JANUARY + day + 1) == 2  # whole days, of which any part is asked for
    assert days(published_min=text(JANUARY), published_max=text(FEBRUARY)) == 31
    assert days(published_max=NEXT_YEAR) == 365
    assert days() == days(published_max=int(time.time())) > 365  # up to these days
    assert days(published_min=JANUARY - 90 * day, published_max=JANUARY) == -204
    for wrong in ("yesterday", "2025-01-01", "2025-13-01T00:00:00Z", "-5", "1735718400.5", "٣"):
        assert days(published_min=wrong) == -400
    updated = FEBRUARY + 3 * day  # the last of January was settled then
    assert days(updated_min=updated, updated_max=updated) == 1
    assert days(updated_max=JANUARY) == -204


def test_what_was_not_granted_is_not_given(party: Party) -> None:
    tokens = party.exchange(customer=1, usage_points=["solar-home-1-gas"], groups=("billing",))
    access, number = tokens["access_token"], tokens["subscription"]
    root = f"/Subscription/{number}/UsagePoint"
    assert [one.rpartition("/")[2] for one in links(party.get(root, access).content)] == ["solar-home-1-gas"]
    assert party.get(f"{root}/solar-home-1-gas/MeterReading", access).status_code == 403
    assert party.get(f"{root}/solar-home-1-electricity/UsageSummary", access).status_code == 404
    assert party.get(f"/Batch/Subscription/{number}/UsagePoint/solar-home-1-electricity", access).status_code == 404
    assert party.get(f"/Batch/RetailCustomer/{number}", access).status_code == 403
    assert party.get(f"/Subscription/{int(number) - 7}/UsagePoint", access).status_code == 403  # another customer's
    feed = smd.read(party.get(f"/Batch/Subscription/{number}/UsagePoint/solar-home-1-gas", access).content)
    assert feed.channels == []
    assert (feed.bills()["start"].dt.year == 2025).sum() == 12

    tokens = party.exchange(customer=1, groups=("usage",))
    access, number = tokens["access_token"], tokens["subscription"]
    assert party.get(f"/Subscription/{number}/UsagePoint/solar-home-1-gas/UsageSummary", access).status_code == 403
    assert smd.read(party.get(f"/Batch/Subscription/{number}/UsagePoint/solar-home-1-gas", access).content).bills().empty


def test_the_customer_resource(party: Party) -> None:
    tokens = party.exchange(groups=("account",))
    reply = party.get(f"/Batch/RetailCustomer/{tokens['subscription']}", tokens["access_token"])
    assert reply.status_code == 200
    text = reply.text
    assert "Rosa Delgado" in text
    assert "12 Meridian Way" in text
    assert not smd.read(reply.content).customers().empty


def test_authorizations_revocation_and_authorizing_again(fresh: Party) -> None:
    first = fresh.exchange()
    client = fresh.client_token()

    def status(number: str) -> tuple[str, str]:
        entry = ET.fromstring(fresh.get(f"/Authorization/{number}", client).content)
        found = {one.tag.removeprefix(ESPI): one.text or "" for one in entry.iter()}
        assert found["authorizationURI"] == f"{fresh.about['resource_endpoint']}/Authorization/{number}"
        assert int(found["start"]) > 1e12  # milliseconds, as PG&E's
        return found["status"], found["resourceURI"].rpartition("/")[2]

    number = first["subscription"]
    assert status(number) == ("1", number)
    second = fresh.exchange()
    assert second["subscription"] != number
    assert status(number)[0] == "0"
    assert fresh.get("/ReadingType", first["access_token"]).status_code == 401
    assert fresh.token("refresh_token", refresh_token=first["refresh_token"]).json()["error"] == "invalid_grant"
    assert fresh.get("/ReadingType", second["access_token"]).status_code == 200

    number = second["subscription"]
    assert fresh.get(f"/Authorization/{number}", second["access_token"], "DELETE").status_code == 403
    assert fresh.get(f"/Authorization/{number}", client, "DELETE").status_code == 200
    assert fresh.get("/ReadingType", second["access_token"]).status_code == 401
    assert fresh.token("refresh_token", refresh_token=second["refresh_token"]).json()["error"] == "invalid_grant"
    assert fresh.get("/Authorization/1", client, "DELETE").status_code == 404
    assert len(links(fresh.get("/Authorization", client).content)) == 2


def test_a_consent_ends_on_its_last_day(fresh: Party) -> None:
    last = datetime.fromtimestamp(fresh.utility.clock() + 10 * 86_400, UTC).date().isoformat()
    tokens = fresh.exchange(until=last)
    fresh.utility.clock.advance(9 * 86_400)
    tokens |= fresh.token("refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert fresh.get("/ReadingType", tokens["access_token"]).status_code == 200
    fresh.utility.clock.advance(3 * 86_400)
    assert fresh.token("refresh_token", refresh_token=tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert b"<ns0:status>0<" in fresh.get("/Authorization", fresh.client_token()).content


def test_days_come_with_time_and_are_settled_later() -> None:
    noon = 1748804400  # 2025-06-01 12:00 Pacific
    with smd.Sandbox(households=["apartment"], clock=lambda: noon) as utility:
        party = Party(utility)
        tokens = party.exchange()
        before = utility.held(tokens["subscription"]).select(channel="electricity delivered").tidy()
        assert str(before["end"].max()) == "2025-06-01 00:00:00-07:00"  # the day before is there half a day after it ended
        assert before["quality"].iloc[-1] == "estimated"
        utility.clock.advance(3 * 86_400)
        after = utility.held(tokens["subscription"]).select(channel="electricity delivered").tidy()
        assert len(after) == len(before) + 3 * 24
        assert after["quality"].iloc[len(before) - 1] == "revenue_quality"
        whole = smd.sample("apartment").select(channel="electricity delivered").tidy()
        settled = len(before) - 1
        assert after["value"].iloc[: settled + 1].tolist() == whole["value"].iloc[: settled + 1].tolist()
        assert before["value"].iloc[settled] == before["value"].iloc[settled - 1]
        party.close()


# -- the sandbox itself ------------------------------------------------------------------------------------------------------------------


def test_the_log_holds_no_secrets(party: Party) -> None:
    tokens = party.exchange()
    party.token("refresh_token", where="params", refresh_token=tokens["refresh_token"])
    party.get("/ReadingType", tokens["access_token"], published_min=JANUARY)
    post, seen = party.utility.requests[-2:]
    assert (seen.method, seen.token, seen.status) == ("GET", "access", 200)
    assert seen.path.endswith("/ReadingType")
    assert seen.query == f"published-min={JANUARY}"
    assert (post.grant, post.status) == ("refresh_token", 200)
    log = repr(party.utility.requests)
    for secret in (tokens["access_token"], tokens["refresh_token"], party.about["client_secret"], party.about["registration_access_token"]):
        assert secret not in log
        assert secret not in repr(party.utility)
        assert secret not in party.utility._repr_html_()


def test_what_is_held_is_what_is_given(party: Party) -> None:
    tokens = party.exchange()
    held = party.utility.held(tokens["subscription"])
    paths = [f"/Batch/Subscription/{tokens['subscription']}/UsagePoint/apartment-1-{one}" for one in ("electricity", "gas")]
    got = smd.merge([smd.read(party.get(path, tokens["access_token"]).content) for path in paths])
    columns = ["usage_point", "channel", "start", "value", "quality"]
    assert got.tidy()[columns].equals(held.tidy()[columns])
    assert got.bills().equals(held.bills())
    with pytest.raises(ConfigurationError, match="no such subscription"):
        party.utility.held("1")


def test_keys_are_private_and_gone_in_the_end(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    utility = smd.Sandbox(households=["apartment"])
    folder = utility.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    assert isinstance(load_pem_x509_certificate((folder / "client.pem").read_bytes()).public_key(), RSAPublicKey)
    utility.close()
    utility.close()
    assert not folder.exists()
    assert set(threading.enumerate()) == before
    mine = tmp_path / "own"
    with smd.Sandbox(households=["apartment"], folder=mine) as utility:
        (mine / "notes.txt").write_text("keep")
        assert (mine / "client.key").exists()
    assert [one.name for one in mine.iterdir()] == ["notes.txt"]


def test_custodian_and_credentials(party: Party) -> None:
    utility = party.utility
    custodian, credentials = utility.custodian, utility.credentials
    assert custodian.local
    assert custodian.token_endpoint == party.about["token_endpoint"]
    assert utility.test_custodian.token_endpoint == party.about["test_token_endpoint"]
    assert custodian.limits.per_second is None
    assert credentials.client_id == party.auth[0]
    assert credentials.client_secret.reveal() == party.auth[1]
    assert credentials.redirect_uri == party.redirect_uri
    assert len(utility.customers) == 2
    context = ssl.create_default_context(cafile=custodian.ca_bundle)
    assert context.get_ca_certs()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variants": ["nonsense"]}, "no variant"),
        ({"variants": ["iso-windows", "epoch-windows"]}, "exclude each other"),
        ({"households": ["castle"]}, "no household"),
        ({"households": ["apartment", "apartment:1"]}, "given twice"),
        ({"households": ["apartment:x"]}, "no household"),
        ({"households": []}, "at least one"),
        ({"port": 70_000}, "no port"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], words: str) -> None:
    before = threading.active_count()
    with pytest.raises(ConfigurationError, match=words):
        smd.Sandbox(**settings)  # type: ignore[arg-type]
    assert threading.active_count() == before


def test_a_port_that_is_taken(party: Party) -> None:
    port = int(party.utility.portal_url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match="nothing can listen"):
        smd.Sandbox(households=["apartment"], portal_port=port)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from smd_notebook import errors

    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=re.escape("pip install '.[practice]'")):
        smd.Sandbox()


def test_an_import_loads_neither_werkzeug_nor_trustme() -> None:
    code = "import sys, smd_notebook.practice, smd_notebook as smd; smd.Sandbox; print('werkzeug' in sys.modules, 'trustme' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False False"
