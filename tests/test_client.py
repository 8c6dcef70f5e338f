"""The client against the practice utility: every way in which utilities answer, everything that may go wrong, and no secret anywhere."""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

import smd_notebook as smd
from smd_notebook.access.archive import replies
from smd_notebook.access.client import Client, Subscription
from smd_notebook.access.session import Session
from smd_notebook.access.tokens import MemoryStore
from smd_notebook.errors import (
    AuthorizationError,
    BadRequest,
    ConfigurationError,
    Denied,
    NotReady,
    ReadError,
    ServiceError,
    SmdError,
    StateMismatch,
)
from smd_notebook.practice.faults import FAULTS
from smd_notebook.practice.variants import VARIANTS
from tests.patience import LONG

NOW = 1740873600.0  # 2025-03-01T16:00-08:00
POINT = "apartment-1-electricity"
DAY = 86400


def make(utility, patience=LONG, **more) -> Client:
    """Return a client that has the utility's clock and does not wait between tries."""
    session = Session(utility.custodian, utility.credentials, sleep=lambda _: None, timeout=(LONG, patience))
    return Client(utility.custodian, utility.credentials, store=MemoryStore(), session=session, clock=utility.clock, **more)


def consented(client: Client, utility, **how) -> Subscription:
    return client.exchange(utility.consent(client.authorization_url(), **{"usage_points": [POINT]} | how))


def practice(*variants: str):
    return smd.Sandbox(variants=variants, households=["apartment"], clock=lambda: NOW)


@pytest.fixture(scope="module")
def utility():
    with practice() as found:
        yield found


@pytest.fixture
def client(utility):
    utility.faults.clear()
    return make(utility)


def energy(source, start=None, end=None) -> tuple[int, float]:
    """Return how many readings there are, and their exact sum."""
    frame = (source if isinstance(source, smd.Feed) else smd.read(source)).tidy(raw=True)
    for at, keep in ((start, "ge"), (end, "lt")):
        if at is not None:
            frame = frame[getattr(frame["start"], keep)(at)]
    return len(frame), int(frame["raw_value"].sum())


def asked(utility, since=0):
    """Return the windows that were asked for, of requests for data that were answered."""
    log = [one for one in utility.requests[since:] if "/Batch/" in one.path and one.status in (200, 204)]
    return [tuple(int(value) for _, value in parse_qsl(one.query)) for one in log]


# -- the whole way, in every variant -----------------------------------------------------------------------------------------------------


def click_through(folder: Path, *variants: str) -> None:
    """Consent, download half, let the token expire, download the rest, and compare with what the utility holds."""
    with practice(*variants) as utility:
        client = make(utility)
        redirected = utility.consent(client.authorization_url(), usage_points=[POINT])
        name = "authorization_code" if "authorization-code" in variants else "code"
        assert name in parse_qs(urlsplit(redirected).query)
        subscription = client.exchange(redirected)
        assert 5 in subscription.scope.blocks
        assert [(point.id, point.service) for point in client.usage_points(subscription)] == [(POINT, "electricity")]
        client.download(subscription, "2025-01-01", "2025-01-31", to=folder, progress=False)
        utility.clock.advance(3700)
        refreshes = [one.grant for one in utility.requests].count("refresh_token")
        got = client.download(subscription, "2025-01-01", to=folder, progress=False)
        assert [one.grant for one in utility.requests].count("refresh_token") == refreshes + 1
        utility.clock.advance(3700)
        client.usage_points(subscription)  # and a second time, with what the first renewal brought
        assert energy(got) == energy(utility.held(subscription))
        assert energy(got)[0] > 1000
        assert client.revoke(subscription, confirm=True)
        with pytest.raises(SmdError):
            client.usage_points(subscription)


CODES = ("", "authorization-code")
SHAPES = ("", "xml-tokens")
ROTATIONS = ("", "no-rotation", "silent-refresh")
WINDOWS = ("", "iso-windows", "epoch-windows")


@pytest.mark.parametrize(
    "variants",
    [
        (),
        ("xml-tokens", "authorization-code", "query-parameters", "iso-windows", "no-rotation", "no-future", "tls-1.2"),
        ("plain-access-token", "body-parameters", "epoch-windows", "silent-refresh", "subscription-scope", "expired-403", "second-periods"),
        ("post-credentials", "sync-batch", "xml-tokens", "subscription-scope"),
    ],
)
def test_the_whole_way(tmp_path, variants):
    click_through(tmp_path, *variants)


@pytest.mark.prove
@pytest.mark.parametrize("variants", list(itertools.product(SHAPES, CODES, ROTATIONS, WINDOWS)), ids="+".join)
def test_the_whole_way_in_every_combination(tmp_path, variants):
    click_through(tmp_path, *filter(None, variants))


@pytest.mark.prove
@pytest.mark.parametrize("variant", sorted(VARIANTS.keys() - {"async-batch"}))
def test_the_whole_way_in_every_variant(tmp_path, variant):
    click_through(tmp_path, variant)


def test_a_promise_stays_open_and_is_asked_for_again(tmp_path, utility, client):
    subscription = consented(client, utility)
    utility.faults.add("accepted", path="*/Batch/*", skip=1)
    with pytest.raises(NotReady) as caught:
        client.download(subscription, "2025-01-01", to=tmp_path, progress=False)
    assert caught.value.status_code == 202
    assert "download_bulk" in caught.value.hint
    records = replies(tmp_path / "practice" / POINT)
    assert [one.status for one in records] == [200, 202]
    with pytest.raises(NotReady):
        smd.read(
            smd.access.archive.Download(
                "practice", "1", records[0].start, records[1].end, tmp_path, ((POINT, tmp_path / "practice" / POINT),)
            )
        )
    got = client.download(subscription, "2025-01-01", to=tmp_path, progress=False)
    assert energy(got) == energy(utility.held(subscription))


# -- what is asked for -------------------------------------------------------------------------------------------------------------------


def test_no_seam_is_lost_and_nothing_asked_for_twice(tmp_path, utility, client):
    subscription, since = consented(client, utility), len(utility.requests)
    got = client.download(subscription, "2025-01-01", to=tmp_path, progress=False)
    windows = asked(utility, since)
    assert windows[0][0] == got.start == 1735718400
    assert windows[-1][1] == got.end == NOW
    assert all(one[1] == other[0] for one, other in itertools.pairwise(windows))
    assert all(high - low <= 31 * DAY for low, high in windows)
    since = len(utility.requests)
    again = client.download(subscription, "2025-01-01", to=tmp_path, progress=False)
    assert len(utility.requests) == since  # all is there, and known to be
    assert again.paths == got.paths


def test_a_longer_window_asks_for_what_is_new_only(tmp_path, utility, client):
    subscription = consented(client, utility)
    client.download(subscription, "2025-01-10", "2025-01-20", usage_point=POINT, to=tmp_path, progress=False)
    since = len(utility.requests)
    got = client.download(subscription, "2025-01-05", "2025-01-25", to=tmp_path, progress=False)
    assert [(high - low) // DAY for low, high in asked(utility, since)] == [5, 5]
    assert energy(got, "2025-01-05", "2025-01-25") == energy(utility.held(subscription), "2025-01-05", "2025-01-25")
    assert energy(got, "2025-01-05", "2025-01-25")[0] == 20 * 24


def test_an_end_to_come_is_never_asked_for(tmp_path, utility, client):
    subscription, since = consented(client, utility), len(utility.requests)
    got = client.download(subscription, "2025-02-01", "2026-01-01", to=tmp_path, progress=False)
    assert max(high for _, high in asked(utility, since)) == NOW == got.end
    for start, end in (("2025-01-02", "2025-01-02"), ("2025-01-02", "2025-01-01"), ("2026-01-01", "2027-01-01")):
        with pytest.raises(ConfigurationError, match="empty"):
            client.download(subscription, start, end, to=tmp_path)


def test_update_brings_what_is_new_and_what_was_provisional(tmp_path):
    now = 1751353200  # 2025-07-01T00:00-07:00
    with smd.Sandbox(households=["apartment"], clock=lambda: now) as utility:
        client = make(utility)
        subscription = consented(client, utility)
        got = client.download(subscription, "2025-02-01", "2025-07-20", to=tmp_path, progress=False)
        settled = {one.window for one in got.replies if not one.provisional}
        young = {one.window for one in got.replies if one.provisional == "young"}
        assert settled
        assert young == {window for window in asked(utility) if window[1] > now - 45 * DAY}
        utility.clock.advance(10 * DAY)
        since = len(utility.requests)
        new = client.update(got, progress=False)
        assert not [(one, other) for one in asked(utility, since) for other in settled if one[0] < other[1] and other[0] < one[1]]
        assert min(low for low, _ in asked(utility, since)) <= min(low for low, _ in young)
        assert new.end == now + 10 * DAY
        assert energy(new, "2025-02-01") == energy(utility.held(subscription), "2025-02-01")
        assert energy(new)[0] > energy(got)[0]
        utility.clock.advance(200 * DAY)
        last = client.update(new, progress=False)
        assert last.end == new.until == 1752994800  # 2025-07-20: no more than was asked for
        assert energy(last, "2025-02-01", "2025-07-20") == energy(utility.held(subscription), "2025-02-01", "2025-07-20")
        since = len(utility.requests)
        client.update(last, progress=False)
        estimates = {one.window for one in last.replies if one.provisional == "quality"}  # they may be replaced for years
        assert set(asked(utility, since)) <= estimates


def test_a_renewed_consent_goes_on_where_the_old_one_ended(tmp_path):
    with practice() as utility:
        client = make(utility)
        old = consented(client, utility)
        got = client.download(old, "2025-01-01", to=tmp_path, progress=False)
        utility.clock.advance(20 * DAY)
        new = consented(client, utility)
        assert new.id != old.id
        with pytest.raises(SmdError):
            client.update(got, progress=False)
        after = client.update(got, new, progress=False)
        assert {path.parent for path in after.paths} == {path.parent for path in got.paths}
        feed = smd.read(after)
        assert len(feed.channels) == len(smd.read(got).channels)
        assert energy(feed) == energy(utility.held(new))


def test_other_households_have_folders_of_their_own(tmp_path):
    with smd.Sandbox(households=["apartment", "apartment:2"], clock=lambda: NOW) as utility:
        client = make(utility)
        one, other = (
            consented(client, utility, customer=number, usage_points=[f"apartment-{number + 1}-electricity"]) for number in (0, 1)
        )
        first, second = (client.download(each, "2025-02-10", to=tmp_path, progress=False) for each in (one, other))
        assert energy(first) == energy(utility.held(one), "2025-02-10")
        assert energy(second) == energy(utility.held(other), "2025-02-10")
        assert energy(first) != energy(second)


# -- small resources ---------------------------------------------------------------------------------------------------------------------


def test_small_resources(utility, client):
    subscription = consented(client, utility, groups=("usage", "billing", "account"))
    assert client.service_status().normal
    assert smd.read(client.sample_data()).channels
    rows = client.authorizations()
    assert subscription.id in [row.entry.id for row in rows]
    assert subscription.id in rows._repr_html_()
    assert client.authorization(subscription).status == 1
    information = client.application_information()
    assert information.client_id == utility.credentials.client_id
    assert client.application_information(utility.describe()["application_information_id"]) == information
    assert len(smd.read(client.summaries(subscription, POINT)).bills()) > 0
    assert energy(client.readings(subscription, POINT, "2025-01-05", "2025-01-06"))[0] == 24
    assert client.readings(subscription, POINT, "2015-01-05", "2015-01-06") == b""
    assert smd.read(client.customer(subscription)).customers() is not None
    assert client.refresh(subscription).subscription == subscription.id
    assert client.client_token().kind == "client"
    assert "interval readings" in subscription._repr_html_()
    assert client.status().used_day >= 0
    narrow = consented(client, utility, groups=("usage",))
    with pytest.raises(Denied, match="consent does not cover it") as caught:
        client.customer(narrow)
    assert "name and account need a consent that covers them" in caught.value.hint


@pytest.mark.parametrize("written", ["ApplicationInformation", "applicationInformation", "APPLICATIONINFORMATION"])
def test_the_applications_number_is_found_however_it_is_written(utility, client, written):
    consented(client, utility)
    known = utility.describe()["application_information_id"]
    data = client._data(client.tokens.client, "Authorization").decode()
    assert f"/ApplicationInformation/{known}" in data
    client._data = lambda *_, **__: data.replace("/ApplicationInformation/", f"/{written}/").encode()
    client.credentials = replace(client.credentials, third_party_id=None)
    assert client._application_id() == known


def test_what_settings_are_missing_is_said(utility, client):
    bare = Client(utility.custodian, replace(utility.credentials, redirect_uri=None, registration_token=None), store=MemoryStore())
    with pytest.raises(ConfigurationError, match="redirect"):
        bare.authorization_url()
    with pytest.raises(ConfigurationError, match="registration"):
        bare.application_information()
    closed = Client(replace(utility.custodian, authorization_endpoint=""), utility.credentials, store=MemoryStore())
    with pytest.raises(ConfigurationError, match="consent page"):
        closed.authorization_url()


# -- consent -----------------------------------------------------------------------------------------------------------------------------


def test_links_are_for_one_customer_once(utility, client):
    first, second = client.authorization_url(), client.authorization_url(scope="FB=4_5")
    query = dict(parse_qsl(urlsplit(second).query))
    assert query["scope"] == "FB=4_5"
    assert query["state"] != dict(parse_qsl(urlsplit(first).query))["state"]
    redirected = utility.consent(first)
    assert client.exchange(redirected).id
    with pytest.raises(StateMismatch):
        client.exchange(redirected)
    with pytest.raises(StateMismatch):
        make(utility).exchange(redirected)
    code = parse_qs(urlsplit(utility.consent(second)).query)["code"][0]
    assert client.exchange(code).id  # a code alone is a person's word
    for pasted in ("", "abc", "x=1"):
        with pytest.raises(ConfigurationError, match="neither the redirected address nor a code") as caught:
            client.exchange(pasted)
        assert "paste the whole address" in caught.value.hint
    assert "state=own" in client.authorization_url("own")


def test_a_customer_may_say_no(utility, client):
    with pytest.raises(Denied):
        client.exchange(utility.consent(client.authorization_url(), deny=True))


def test_deleting_wants_a_word(utility, client, monkeypatch):
    subscription = consented(client, utility)
    questions = []
    assert not client.revoke(subscription, confirm=lambda text: questions.append(text))
    assert subscription.id in questions[0]
    assert not client.revoke(subscription, confirm=False)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert not client.revoke(subscription)
    assert client.authorization(subscription).status == 1

    def nobody(_):
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(ConfigurationError, match="confirm=True"):
        client.revoke(subscription)
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert client.revoke(subscription)
    assert client.revoke(subscription, confirm=True)  # already gone, which is as good


def test_whoever_hears_that_it_is_deleted_finds_its_tokens_gone(utility, client):
    subscription = consented(client, utility)
    heard = []
    client.tokens.watch(lambda news, whose, _: heard.append((news, whose, client.tokens.subscriptions())))
    client.revoke(subscription, confirm=True)
    assert heard == [("revoked", subscription.id, [])]


def test_nothing_under_a_wrong_address_is_not_deleted(utility, client):
    subscription = consented(client, utility)
    utility.faults.add("no-listener", path="*/Authorization/*", method="DELETE")
    with pytest.raises(BadRequest, match="nothing under this address"):
        client.revoke(subscription, confirm=True)
    assert client.usage_points(subscription)  # its tokens are kept
    assert client.revoke(subscription, confirm=True)


# -- what goes wrong ---------------------------------------------------------------------------------------------------------------------

WRONG = [name for name in FAULTS if not name.startswith("notified")]


def whole_or_refused(client, utility, subscription, folder, held) -> str:
    """Download; say what came of it. Whatever did, it is completed once nothing goes wrong any more."""
    try:
        got, word = client.download(subscription, "2025-02-10", to=folder, progress=False), "whole"
        assert energy(got, "2025-02-10") == held
    except (AuthorizationError, ServiceError, ReadError) as error:  # ReadError: told twice that there is nothing, one believes it
        word = type(error).__name__
    utility.faults.clear()
    got = client.download(subscription, "2025-02-10", to=folder, progress=False)
    if word == "ReadError":
        got = client.update(got, progress=False)  # which asks again for what was empty
    assert energy(got, "2025-02-10") == held
    return word


def test_one_fault_of_every_kind_is_an_error_or_no_matter(tmp_path, utility, client):
    subscription = consented(client, utility)
    held = energy(utility.held(subscription), "2025-02-10")
    came = {}
    for name in WRONG:
        if name not in ("slow", "dribble"):
            utility.faults.add(name, path="*/Batch/*")
            came[name] = whole_or_refused(client, utility, subscription, tmp_path / name, held)
    # what passes by itself is tried again, and no partial reply passes for a whole one
    for name in ("too-fast", "bad-gateway", "unavailable", "dropped", "reply-lost", "truncated", "unauthorized", "forbidden"):
        assert came[name] == "whole", name
    assert came["no-content"] == came["nothing"] == "whole"
    assert came["accepted"] == "NotReady"
    assert came["invalid-certificate"] == "CertificateRejected"


@pytest.mark.prove
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("where", ["*/Batch/*", "*/UsagePoint", "*/token"])
@pytest.mark.parametrize("times", [1, 2, 3, None])
def test_any_number_of_faults_anywhere(tmp_path, utility, name, where, times):
    utility.faults.clear()
    client = make(utility, patience=5.0)
    subscription = consented(client, utility)
    utility.clock.advance(3700)  # so that the token has to be renewed
    held = energy(utility.held(subscription), "2025-02-10")
    utility.faults.add(name, path=where, times=times, **({"delay": 6.0} if name == "slow" else {}))
    began = time.monotonic()
    if where == "*/token":
        try:
            client.usage_points(subscription)
        except (AuthorizationError, ServiceError):
            utility.faults.clear()
            subscription = consented(client, utility)  # a refresh token whose reply was lost may be spent
    whole_or_refused(client, utility, subscription, tmp_path, held)
    assert time.monotonic() - began < 600


@pytest.mark.parametrize("path", ["*/token", "*/myAuthorization"])
def test_a_utility_that_is_away_is_said(utility, client, path):
    utility.faults.add("server-error", path="*/token")
    with pytest.raises(SmdError):
        consented(client, utility)


def test_an_unknown_subscription(tmp_path, client):
    with pytest.raises(AuthorizationError):
        client.download("nobody", "2025-01-01", to=tmp_path, progress=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# -- secrets -----------------------------------------------------------------------------------------------------------------------------


def test_no_secret_in_archives_logs_reprs_and_errors(tmp_path, utility, client, caplog, capsys):
    with caplog.at_level(logging.DEBUG):
        url = client.authorization_url()
        redirected = utility.consent(url)
        subscription = client.exchange(redirected)
        got = client.download(subscription, "2025-02-01", to=tmp_path)
        token = client.refresh(subscription)
        own = client.client_token()
        client.application_information()
        errors = []
        for name in ("unauthorized", "page", "truncated"):
            utility.faults.add(name, path="*/UsagePoint", times=None)
            with pytest.raises(SmdError) as caught:
                client.usage_points(subscription)
            errors.append(str(caught.value) + repr(caught.value))
            utility.faults.clear()
    made = utility.describe()
    state, code = dict(parse_qsl(urlsplit(url).query))["state"], parse_qs(urlsplit(redirected).query)["code"][0]
    canaries = [
        made["client_secret"],
        made["registration_access_token"],
        state,
        code,
        token.access_token.reveal(),
        own.access_token.reveal(),
    ]
    canaries.append(token.refresh_token.reveal())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    shown = [str(path) + path.read_text(errors="replace") for path in files]
    shown += [repr(one) for one in (client, subscription, got, token, got.replies, vars(client))]
    shown += [got._repr_html_(), subscription._repr_html_(), caplog.text, *capsys.readouterr(), *errors]
    assert len(files) > 4
    for canary in canaries:
        assert len(canary) > 7
        assert not [text for text in shown if canary in text]


# -- interrupts --------------------------------------------------------------------------------------------------------------------------


def test_an_interrupted_cell_leaves_an_archive_that_goes_on(tmp_path, utility, client, monkeypatch, capsys):
    """Ctrl-C in the middle of the second chunk: what came is kept, nothing is locked, and the rest is asked for."""
    subscription, get, answers = consented(client, utility), client.session.get, itertools.count()

    def interrupted(*args, **more):
        reply = get(*args, **more)
        if "/Batch/" in str(reply.url) and next(answers) == 1:
            raise KeyboardInterrupt
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(client.session, "get", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.download(subscription, "2025-01-01", to=tmp_path)
    assert "download:" in capsys.readouterr().err  # the bar
    assert len([one for one in replies(tmp_path / "practice" / POINT) if one.done]) == 1
    since = len(utility.requests)
    got = client.download(subscription, "2025-01-01", to=tmp_path, progress=False)
    windows = asked(utility, since)
    assert windows[0][0] > got.start
    assert energy(got) == energy(utility.held(subscription))


def test_a_download_in_a_thread_can_be_stopped(tmp_path, utility, client):
    subscription, stop = consented(client, utility), threading.Event()
    stop.set()
    got = client.download(subscription, "2025-01-01", to=tmp_path, progress=False, stop=stop)
    assert not got.replies
    assert not got.complete
    assert client.download(subscription, "2025-01-01", to=tmp_path, progress=False).complete


# -- kill -9 -----------------------------------------------------------------------------------------------------------------------------

CHILD = """
import json, os, sys, time
from pathlib import Path
import smd_notebook as smd
from smd_notebook.access.client import Client
from smd_notebook.access.custodian import Custodian, Limits
from smd_notebook.access.tokens import FileStore
made = json.loads(Path(sys.argv[1]).read_text())
custodian = Custodian(**(made["custodian"] | {"limits": Limits(None, None, None)}))
credentials = smd.Credentials(**made["credentials"])
clock = lambda: made["now"] + time.time() - made["began"]
client = Client(custodian, credentials, store=FileStore(Path(sys.argv[2])), clock=clock)
print("ready", flush=True)
client.download(sys.argv[4], made["start"], to=sys.argv[3], progress=False)
print("done", flush=True)
"""


def killed(tmp_path: Path, times: int, start: str) -> None:
    """Kill a download again and again, at random moments, while its token expires; then let it end."""
    from smd_notebook.access.tokens import FileStore

    rng = random.Random(20250301)
    tokens, raw = tmp_path / "tokens", tmp_path / "raw"
    with smd.Sandbox(households=["apartment"], clock=lambda: NOW + time.time() - began) as utility:
        client = Client(utility.custodian, utility.credentials, store=FileStore(tokens), clock=utility.clock)
        subscription = consented(client, utility)
        plain = {name: getattr(utility.credentials, name) for name in ("client_id", "redirect_uri")}
        plain |= {name: str(getattr(utility.credentials, name)) for name in ("certificate", "key")}
        plain["client_secret"] = utility.credentials.client_secret.reveal()
        custodian = {name: value for name, value in vars(utility.custodian).items() if name != "limits"}
        made = {"credentials": plain, "custodian": custodian, "now": NOW, "began": began, "start": start}
        (tmp_path / "made.json").write_text(json.dumps(made))
        utility.faults.add("slow", path="*/Batch/*", times=None, delay=0.03)
        command = [sys.executable, "-c", CHILD, str(tmp_path / "made.json"), str(tokens), str(raw), subscription.id]
        kills = 0
        while True:
            done = {(one.start, one.end) for one in replies(raw / "practice" / POINT) if one.done}
            since = len(utility.requests)
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            with child:
                assert child.stdout.readline() == "ready\n"
                if kills < times:
                    time.sleep(rng.uniform(0.0, 0.25))
                    os.kill(child.pid, signal.SIGKILL)
                    kills += 1
                else:
                    assert child.stdout.read() == "done\n"
            assert not done & set(asked(utility, since))  # what was complete is not fetched again
            if child.returncode == 0:
                break
        assert kills == times
        got = client.download(subscription, start, usage_point=POINT, to=raw, progress=False)
        assert energy(got) == energy(utility.held(subscription), start)
        client.refresh(subscription)  # no token was lost
        files = [path for folder in (tokens, raw) for path in folder.rglob("*") if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


began = time.time()


def test_kill_9_a_few_times(tmp_path):
    killed(tmp_path, 3, "2025-01-01")


@pytest.mark.prove
def test_kill_9_at_50_moments_of_twelve_months(tmp_path):
    killed(tmp_path, 50, "2024-03-01")
