"""Bulk data of one's own, by every order in which notifications may come, against the practice utility."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import smd_notebook as smd
from smd_notebook.access import bulk
from smd_notebook.access.limits import RateGate
from smd_notebook.access.notices import Notice, notified
from smd_notebook.access.stores import MemoryStore
from smd_notebook.errors import ConfigurationError, Denied, FindingError, NotReady, SmdWarning, Unavailable
from tests.ports import free_port

JANUARY, MARCH, MAY = "2025-01-01", "2025-03-01", "2025-05-01"


class World:
    """A utility whose first customer is we ourselves, and what arrives there."""

    def __init__(self, utility: smd.Sandbox, to: Path, port: int) -> None:
        self.utility, self.to = utility, to
        self.about: dict[str, Any] = utility.describe()
        self.port = port
        custodian = utility.custodian
        gate = RateGate(custodian.limits, vendor=custodian.vendor, client_id="bulk", folder=to / "gate")
        self.client = smd.Client(custodian, utility.credentials, store=MemoryStore(), gate=gate)

    def listener(self) -> smd.inbox.LocalHttps:
        files = self.about["inbox_certificate"], self.about["inbox_key"]
        known = {"client_ca": self.about["ca"], "client_names": [self.about["notifier_name"]]}
        return smd.inbox.LocalHttps(*files, port=self.port, host="127.0.0.1", path="/notify-1f2e", **known)

    def bulk(self, inbox: Any, start: str = JANUARY, end: str = MARCH, **given: Any) -> Any:
        return self.client.download_bulk(None, start, end, inbox=inbox, to=self.to / "raw", **{"timeout": 300.0, **given})

    def asked(self) -> int:
        return sum(one.path.endswith("/Batch/Bulk/50098") and "correlationID" not in str(one) for one in self.utility.requests)

    def same(self, got: Any, start: str = JANUARY, end: str = MARCH) -> None:
        """What was read is what the utility holds, to the last reading."""
        expected = smd.sample("apartment").select(channel="electricity delivered", start=start, end=end).tidy()
        found = smd.read(got).select(channel="electricity delivered").tidy()
        assert len(expected) > 59 * 24 - 1
        assert found["value"].tolist() == expected["value"].tolist()
        assert found["start"].tolist() == expected["start"].tolist()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a twentieth as long for another notification: the practice utility's second comes 0.05 s after the first."""
    monkeypatch.setattr(bulk, "_QUIET", 0.25)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    port = free_port()
    address = f"https://localhost:{port}/notify-1f2e"
    with smd.Sandbox(households=["apartment"], variants=["self-access"], notify_url=address) as utility:
        one = World(utility, tmp_path, port)
        yield one
        one.client.session.close()


@pytest.mark.parametrize("fault", ["", "notified-early", "notified-late", "notified-twice"])
def test_every_order_of_notification(world: World, fault: str) -> None:
    if fault:
        world.utility.faults.add(fault, path="*/Batch/Bulk/*", **{"late": 0.6} if fault == "notified-late" else {})
    got = world.bulk(world.listener())
    world.same(got)
    asked = len(world.utility.requests)
    again = world.bulk(smd.inbox.Paste(), timeout=0)  # what is there is not asked for, and no notification is waited for
    assert list(again) == list(got)
    assert len(world.utility.requests) == asked
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in got)


def test_a_foreign_address_is_told_and_not_followed(world: World) -> None:
    world.utility.faults.add("notified-foreign", path="*/Batch/Bulk/*")
    with pytest.warns(SmdWarning, match=r"leads to another place .* \(elsewhere\.invalid\)") as caught:
        got = world.bulk(world.listener())
    world.same(got)
    assert {one.filename for one in caught} == {__file__}  # the line of the caller, not one of ours


def test_no_notification_and_a_late_one_in_another_notebook(world: World, tmp_path: Path) -> None:
    inbox = tmp_path / "in"
    inbox.mkdir()
    with pytest.raises(NotReady, match="no notification came within"):
        world.bulk(smd.inbox.Directory(inbox), timeout=0.2)
    with pytest.raises(NotReady):
        world.bulk(smd.inbox.Directory(inbox), timeout=0.2)
    bodies = world.utility.wait_for_notices(1)
    (inbox / "1.xml").write_bytes(bodies[0])
    got = world.bulk(smd.inbox.Directory(inbox))
    world.same(got)
    assert sum(one.status == 202 for one in world.utility.requests) == 1  # asked once, in three calls


def test_a_fetch_that_fails_is_made_up_for(world: World) -> None:
    """The notification came once and is gone; its address is in the ledger."""
    world.utility.faults.add("server-error", path="*/Batch/Bulk/*", skip=1)
    with pytest.raises(Unavailable):
        world.bulk(world.listener())
    got = world.bulk(smd.inbox.Paste())
    world.same(got)


def test_an_answer_in_parts_is_whole_or_said_not_to_be(world: World) -> None:
    inbox = smd.inbox.Paste()
    with pytest.raises(NotReady):
        world.bulk(inbox, timeout=0)
    (part,) = notified(world.utility.wait_for_notices(1)[-1])
    inbox.paste(f"{part} {part}&part=2 {part}&part=3")
    world.utility.faults.add("server-error", path="*/Batch/Bulk/*", skip=1, times=1)
    world.utility.faults.add("accepted", path="*/Batch/Bulk/*", skip=1, times=1)
    with pytest.raises(Unavailable):
        world.bulk(inbox, timeout=0)
    got = world.bulk(inbox, timeout=0)
    assert len(got.paths) == 3
    world.same(got)


def test_what_the_utility_refuses_keeps_nobody_from_the_rest(world: World) -> None:
    inbox = smd.inbox.Paste()
    with pytest.raises(NotReady):
        world.bulk(inbox, timeout=0)
    (real,) = notified(world.utility.wait_for_notices(1)[-1])
    forged = real.partition("=")[0] + "=forged"
    world.utility.faults.add("forbidden", path="*/Batch/Bulk/*", times=2)  # once more with a new token
    inbox.paste(forged)
    with pytest.warns(SmdWarning, match=r"does not give.*\(HTTP 403\)"), pytest.raises(Denied):
        world.bulk(inbox, timeout=0)
    inbox.paste(real)
    world.utility.faults.add("forbidden", path="*/Batch/Bulk/*", times=2)
    with pytest.warns(SmdWarning, match="not all that notifications named"), pytest.warns(SmdWarning, match="does not give"):
        world.same(world.bulk(inbox, timeout=0))


def test_a_body_cut_short_is_not_archived(world: World) -> None:
    world.utility.faults.add("truncated", path="*/Batch/Bulk/*", skip=1, times=1)
    got = world.bulk(world.listener())  # asked for again by itself
    assert len(got.paths) == 1
    world.same(got)


def test_an_answer_to_an_earlier_request_counts_for_that_one(world: World, tmp_path: Path) -> None:
    paste = smd.inbox.Paste()
    with pytest.raises(NotReady):
        world.bulk(paste, JANUARY, MARCH, timeout=0)
    (first,) = (notified(body)[0] for body in world.utility.wait_for_notices(1))
    with pytest.raises(NotReady):
        world.bulk(paste, MARCH, MAY, timeout=0)
    second = notified(world.utility.wait_for_notices(2)[1])[0]
    paste.paste(first)
    with pytest.raises(NotReady):
        world.bulk(paste, MARCH, MAY, timeout=0.5)  # it is the other window's
    world.same(world.bulk(smd.inbox.Paste(), JANUARY, MARCH, timeout=0))
    paste.paste(second)
    world.same(world.bulk(paste, MARCH, MAY), MARCH, MAY)


def test_nothing_there_and_what_cannot_be(world: World) -> None:
    paste = smd.inbox.Paste()
    for asked in (1, 2):  # what was not there may be by now: it is asked again each time
        with pytest.warns(SmdWarning, match="holds nothing for this window yet"):
            got = world.bulk(paste, "2019-01-01", "2019-02-01", timeout=0)  # 204, at once
        assert got.complete
        assert got.may_change
        assert world.asked() == asked
    for start, end in ((MARCH, JANUARY), ("2100-01-01", "2100-02-01")):
        with pytest.raises(ConfigurationError, match="window is empty"):
            world.bulk(paste, start, end)
    with pytest.raises(smd.SmdError):
        world.client.download_bulk("12345", JANUARY, MARCH, inbox=paste, to=world.to / "raw", timeout=0)


def test_a_promise_is_forgotten_after_a_day(world: World) -> None:
    paste = smd.inbox.Paste()
    with pytest.raises(NotReady):
        world.bulk(paste, timeout=0)
    ledger = next((world.to / "raw").rglob("jobs.json"))
    assert ledger.stat().st_mode & 0o777 == 0o600
    text = ledger.read_text()
    assert world.utility.credentials.client_secret.reveal() not in text
    later = time.time() + 90_000
    world.client._clock = lambda: later
    with pytest.raises(NotReady):
        world.bulk(paste, timeout=0)
    assert sum(one.status == 202 for one in world.utility.requests) == 2


def test_a_window_that_is_not_over_is_one_for_all_of_a_day(world: World) -> None:
    """What has begun, or is still to come, is left out: else each second would ask for another window."""
    noon = datetime(2025, 3, 1, 12, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()
    world.client._clock = lambda: noon
    got = world.bulk(world.listener(), end="2025-12-01")
    world.same(got)
    assert datetime.fromtimestamp(got.end, ZoneInfo("America/Los_Angeles")).isoformat() == "2025-03-01T00:00:00-08:00"
    for later, end in ((1, "2025-12-01"), (3600, MAY), (7200, "2025-03-01T13:00")):
        world.client._clock = partial(float, noon + later)
        assert world.bulk(smd.inbox.Paste(), end=end, timeout=0) == got
    assert world.asked() == 1
    world.client._clock = lambda: noon + 86_400
    with pytest.raises(NotReady):  # there is a day more
        world.bulk(smd.inbox.Paste(), end="2025-12-01", timeout=0)
    with pytest.raises(ConfigurationError, match="window is empty"):
        world.bulk(smd.inbox.Paste(), "2025-03-02", "2025-12-01", timeout=0)


@pytest.mark.parametrize(
    "tail",
    [
        "/ReadServiceStatus#/Batch/Bulk/50098",
        "/%2e%2e/resource/ReadServiceStatus#/Batch/Bulk/50098",
        "/Batch/../ReadServiceStatus#/Batch/Bulk/50098",
        "/ReadServiceStatus/../Batch/Bulk/50098?correlationID=x",
        "/Batch/Bulk/50098?published-min=0&published-max=1",  # would be answered by "nothing there", which is true of that window
        "/Batch/Bulk/50098?correlationID=x&Published%2DMax=1",
    ],
)
def test_a_forged_notification_is_not_the_answer(world: World, tail: str) -> None:
    paste = smd.inbox.Paste()
    paste.paste(world.utility.custodian.resource_endpoint + tail)
    with pytest.warns(SmdWarning, match="something else than this batch"), pytest.raises(NotReady):
        world.bulk(paste, timeout=0)
    assert [one.path.rpartition("/resource/")[2] for one in world.utility.requests if one.method == "GET"] == ["Batch/Bulk/50098"]


def test_a_forged_notification_of_nothing_does_not_stand_in_the_way(world: World) -> None:
    paste = smd.inbox.Paste()
    paste.paste(world.utility.custodian.resource_endpoint + "/Batch/Bulk/50098?correlationID=junk")
    paste.paste("https://forged.example@utility.example/")
    with pytest.warns(SmdWarning) as caught, pytest.raises(NotReady):
        world.bulk(paste, timeout=0)
    said = [str(one.message) for one in caught]
    assert "(no https address)" in said[0]
    assert "led to nothing" in said[1]
    assert {one.filename for one in caught} == {__file__}
    paste.paste(world.utility.wait_for_notices(1)[0].decode())
    world.same(world.bulk(paste))


def test_a_forged_notification_of_the_bare_batch_is_not_asked_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request for it would have the utility prepare another batch."""
    now = 0.0

    class Waited(smd.inbox.Paste):
        def wait(self, timeout: float) -> list[Notice]:
            nonlocal now
            now += timeout
            return super().wait(0)

    monkeypatch.setattr(bulk, "time", SimpleNamespace(monotonic=lambda: now))
    world.utility.faults.add("accepted", path="*/Batch/Bulk/*", times=None)
    paste = Waited()
    forged = world.utility.custodian.resource_endpoint + "/Batch/Bulk/50098"
    paste.paste(forged)
    with pytest.warns(SmdWarning, match='led to "not yet" 6 times, and was left') as caught, pytest.raises(NotReady):
        world.bulk(paste, timeout=60)
    assert {one.filename for one in caught} == {__file__}
    assert world.asked() == 1 + 6
    paste.paste(forged)
    with pytest.raises(NotReady):  # known by now, in the ledger
        world.bulk(paste, timeout=10)
    assert world.asked() == 1 + 6
    world.utility.faults.clear()


def test_a_strangers_notification_costs_nobody_the_real_one(world: World) -> None:
    """Where warnings are errors as well: what stands beside the stranger's is in the ledger by then."""
    inbox = smd.inbox.Paste()
    with pytest.raises(NotReady):
        world.bulk(inbox, timeout=0)
    inbox.paste("https://elsewhere.invalid/Batch/Bulk/50098")
    inbox.paste(world.utility.wait_for_notices(1)[-1])
    with smd.strict(), pytest.raises(FindingError, match="another place"):
        world.bulk(inbox)
    world.same(world.bulk(smd.inbox.Paste(), timeout=0))


def test_told_too_early_is_asked_again(world: World) -> None:
    world.utility.faults.add("accepted", path="*/Batch/Bulk/*", skip=1, times=1)
    world.same(world.bulk(world.listener()))
    assert sum(one.path.endswith("/Batch/Bulk/50098") for one in world.utility.requests) == 3


def test_what_went_astray_is_asked_for_again_on_request(world: World) -> None:
    with pytest.raises(NotReady, match="anew=True"):
        world.bulk(smd.inbox.Paste(), timeout=0)
    world.utility.wait_for_notices(1)  # which nobody took
    world.same(world.bulk(world.listener(), anew=True))
    assert sum(one.status == 202 for one in world.utility.requests) == 2
    world.same(world.bulk(smd.inbox.Paste(), timeout=0))  # what is there is not asked for
    with pytest.raises(NotReady):  # but on request: there are estimated readings in it
        world.bulk(smd.inbox.Paste(), timeout=0, anew=True)
    assert sum(one.status == 202 for one in world.utility.requests) == 3


def test_what_may_change_is_asked_for_again_on_request(world: World) -> None:
    """Ten days after its end data is young; after a year it is final, where no reading is estimated, as in this February."""
    february = partial(world.bulk, start="2025-02-01")
    end = datetime(2025, 3, 1, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()
    world.client._clock = lambda: end + 10 * 86_400
    first = february(world.listener())
    assert first.may_change
    assert february(smd.inbox.Paste(), timeout=0) == first
    assert world.asked() == 1
    with pytest.raises(ConfigurationError, match="needs an inbox") as caught:
        world.client.update(first)
    assert "anew=True" in caught.value.hint
    world.client._clock = lambda: end + 365 * 86_400
    final = february(world.listener(), anew=True)
    assert len(smd.read(final).select(channel="electricity delivered").tidy()) == 28 * 24
    assert world.asked() == 2
    assert not set(final.paths) & set(first.paths)
    assert all(path.exists() for path in first.paths)  # what came before stays
    assert not final.may_change
    assert february(smd.inbox.Paste(), timeout=0, anew=True) == final
    assert world.asked() == 2


def test_what_was_damaged_is_asked_for_again(world: World) -> None:
    (path,) = world.bulk(world.listener()).paths
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(SmdWarning, match="no longer what was archived") as caught:
        got = world.bulk(world.listener())
    assert caught[0].filename == __file__
    world.same(got)
    assert path.with_name(f"{path.name}.damaged").exists()
    assert world.asked() == 2


def test_empty_before_the_consent_is_not_kept(tmp_path: Path) -> None:
    with smd.Sandbox(households=["apartment"]) as utility:
        gate = RateGate(utility.custodian.limits, vendor="none", client_id="none", folder=tmp_path / "gate")
        client = smd.Client(utility.custodian, utility.credentials, store=MemoryStore(), gate=gate)
        given: dict[str, Any] = {"inbox": smd.inbox.Paste(), "to": tmp_path / "raw", "timeout": 0}
        with client.session:
            with pytest.warns(SmdWarning, match="consent"):
                client.download_bulk("50098", JANUARY, MARCH, **given)
            client.exchange(utility.consent(client.authorization_url()))
            with pytest.raises(NotReady):  # it is promised now
                client.download_bulk("50098", JANUARY, MARCH, **given)


@pytest.mark.parametrize("number", [0, 1])
def test_the_page_s_rehearsals_work_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    page = (Path(__file__).parents[1] / "docs/self-access.md").read_text(encoding="utf-8")
    block = page.partition("### Rehearse it")[2].split("```python\n")[1 + number].partition("```")[0]
    port = free_port()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"smd": smd}
    try:
        exec(block.replace("7999", str(port)), names)
        assert len(names["feed"].select(start=JANUARY, end=MARCH).tidy()) > 59 * 24
    finally:
        names["client"].session.close()
        names["utility"].close()


def test_the_bulk_id_is_that_of_ones_own_authorization(world: World) -> None:
    world.client.credentials = replace(world.client.credentials, bulk_id=None)
    world.same(world.bulk(world.listener()))
    with smd.Sandbox(households=["apartment"]) as utility:  # where nobody gave one
        gate = RateGate(utility.custodian.limits, vendor="none", client_id="none", folder=world.to / "gate")
        client = smd.Client(utility.custodian, replace(utility.credentials, bulk_id=None), store=MemoryStore(), gate=gate)
        with client.session, pytest.raises(ConfigurationError, match="no authorization names one"):
            client.download_bulk(None, JANUARY, MARCH, inbox=smd.inbox.Paste(), to=world.to / "raw")
