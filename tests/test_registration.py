"""Registration rehearsed from end to end for each user type, with what may go wrong, interrupted and taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

import smd_notebook as smd
from smd_notebook.access.limits import RateGate
from smd_notebook.access.registration import Registration, UserType
from smd_notebook.access.stores import MemoryStore
from smd_notebook.errors import (
    BadRequest,
    CertificateRejected,
    ConfigurationError,
    Denied,
    Expired,
    Network,
    SmdError,
    StateMismatch,
)

CONNECTIVITY = ["certificate", "token", "service-status", "sample-data"]
LAST = ["application-information", "production"]


class World:
    def __init__(self, utility: smd.Sandbox, folder: Path) -> None:
        self.utility, self.folder = utility, folder
        self.credentials = utility.credentials
        self.made: list[smd.Client] = []

    def client(self, custodian: Any) -> smd.Client:
        gate = RateGate(custodian.limits, vendor=custodian.vendor, client_id="registration", folder=self.folder / "gate")
        self.made.append(smd.Client(custodian, self.credentials, store=MemoryStore(), gate=gate))
        return self.made[-1]

    def registration(self, user_type: UserType, **given: Any) -> Registration:
        client = self.client(self.utility.test_custodian)
        return Registration(client, self.utility.custodian, user_type=user_type, folder=self.folder / "state", make=self.client, **given)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    scope_selection = "http://127.0.0.1:9/scope"  # nobody listens: the browser shows the address, which a person copies
    with smd.Sandbox(households=["apartment"], scope_selection_uri=scope_selection, variants=["self-access"]) as utility:
        one = World(utility, tmp_path)
        yield one
        for client in one.made:
            client.session.close()


def done(registration: Registration) -> list[str]:
    return [one.name for one in registration.milestones if one.done_at is not None]


def consent(world: World, registration: Registration, first: str) -> str:
    return world.utility.consent(registration.begin_oauth(first), customer="test")


@pytest.mark.parametrize("user_type", ["self-access", "community-choice-aggregator"])
def test_user_types_without_an_oauth_test(world: World, user_type: UserType) -> None:
    registration = world.registration(user_type)
    registration.run()
    assert done(registration) == [*CONNECTIVITY, *LAST], registration
    assert registration.done
    assert registration.production.token_endpoint == world.utility.custodian.token_endpoint
    assert "all passed" in str(registration)


@pytest.mark.parametrize("user_type", ["standard", "energy-efficiency-finance"])
def test_user_types_with_an_oauth_test(world: World, user_type: UserType) -> None:
    registration = world.registration(user_type)
    registration.run()
    assert done(registration) == CONNECTIVITY
    waiting = registration.milestones[4]
    assert (waiting.name, waiting.problem) == ("oauth", "")
    assert "begin_oauth" in waiting.advice
    first = f"http://127.0.0.1:9/scope?scope=FB%3D4_5_15&ThirdPartyID={world.credentials.third_party_id}"
    address = registration.begin_oauth(first)
    assert "scope=FB%3D4_5_15" in address
    redirected = world.utility.consent(address)
    registration = world.registration(user_type)  # another day, another notebook
    assert done(registration) == CONNECTIVITY
    with pytest.raises(StateMismatch):  # which knows nothing of the link that was opened
        registration.finish_oauth(redirected)
    registration.finish_oauth(world.utility.consent(registration.begin_oauth(first)))
    assert registration.done, registration
    assert done(registration) == [*CONNECTIVITY, "oauth", *LAST]


@pytest.mark.parametrize(
    ("fault", "path", "milestone", "says"),
    [
        ("invalid-certificate", "*/token", "token", "certificate"),
        ("unavailable-silently", "*/token", "token", "not available"),
        ("no-listener", "*/ReadServiceStatus", "service-status", "nothing under this address"),
        ("page", "*/DownloadSampleData", "sample-data", "web page"),
        ("accepted", "*/DownloadSampleData", "sample-data", "prepares"),
        ("no-content", "*/DownloadSampleData", "sample-data", "no sample"),
        ("forbidden", "*/ApplicationInformation/*", "application-information", "does not open this"),
    ],
)
def test_each_failure_is_explained_and_made_up_for(world: World, fault: str, path: str, milestone: str, says: str) -> None:
    world.utility.faults.add(fault, path=path, times=None)
    registration = world.registration("self-access")
    registration.client.session._sleep = lambda _: None
    registration.run()
    (failed,) = (one for one in registration.milestones if one.problem)
    assert failed.name == milestone
    assert says in failed.problem
    assert failed.advice
    world.utility.faults.clear()
    registration = world.registration("self-access")
    assert [one.name for one in registration.milestones if one.problem] == [milestone]  # kept between days
    registration.run()
    assert registration.done, registration


STOPS = {
    "token": "*/token",
    "service-status": "*/ReadServiceStatus",
    "sample-data": "*/DownloadSampleData",
    "application-information": "*/ApplicationInformation/*",
    "production": "/datacustodian/oauth/v2/token",
}


@pytest.mark.parametrize("user_type", get_args(UserType))
def test_each_user_type_is_interrupted_at_each_test_and_goes_on_another_day(world: World, user_type: UserType) -> None:
    first = f"http://127.0.0.1:9/scope?scope=FB%3D4_5_15&ThirdPartyID={world.credentials.third_party_id}"
    for milestone, path in STOPS.items():
        world.utility.faults.clear()
        world.utility.faults.add("unauthorized", path=path, times=None)
        registration = world.registration(user_type)
        before = done(registration)
        registration.run()
        if registration.milestones[len(done(registration))].name == "oauth":
            registration.finish_oauth(world.utility.consent(registration.begin_oauth(first)))
        (failed,) = (one for one in registration.milestones if one.problem)
        assert failed.name == milestone
        assert failed.advice
        assert done(registration)[: len(before)] == before
        assert not registration.done
    asked = len(world.utility.requests)
    world.utility.faults.clear()
    registration = world.registration(user_type)
    registration.run()
    assert registration.done, registration
    assert len(world.utility.requests) == asked + 1  # what was passed is not asked for again


def test_each_failure_of_the_oauth_test_is_explained(world: World) -> None:
    first = f"http://127.0.0.1:9/scope?scope=FB%3D4_5_15&ThirdPartyID={world.credentials.third_party_id}"
    world.registration("standard").run()

    def fails(error: type[SmdError], says: str, **given: Any) -> None:
        registration = world.registration("standard")
        redirected = world.utility.consent(registration.begin_oauth(first), deny=given.get("deny", False))
        world.utility.clock.advance(given.get("later", 0.0))
        if "fault" in given:
            world.utility.faults.add(given["fault"], path="*/token")
        with pytest.raises(error, match=says):
            registration.finish_oauth(redirected + given.get("tail", ""))
        (failed,) = (one for one in world.registration("standard").milestones if one.problem)
        assert (failed.name, bool(failed.advice)) == ("oauth", True)
        assert says in failed.problem

    fails(Denied, "did not agree", deny=True)
    fails(StateMismatch, "does not answer the request", tail="x")
    fails(Expired, "authorization code", later=700.0)
    fails(CertificateRejected, "client certificate", fault="invalid-certificate")
    fails(Network, "broke before", fault="reply-lost")
    for address, error in (
        (first.replace("ThirdPartyID=", "ThirdPartyID=9"), StateMismatch),
        ("http://127.0.0.1:9/scope", ConfigurationError),
    ):
        with pytest.raises(error):
            world.registration("standard").begin_oauth(address)
    registration = world.registration("standard")
    registration.finish_oauth(world.utility.consent(registration.begin_oauth(first)))
    assert registration.done, registration


def test_a_key_of_another_certificate(world: World) -> None:
    about = world.utility.describe()
    world.credentials, right = replace(world.credentials, key=Path(about["inbox_key"])), world.credentials
    with pytest.raises(ConfigurationError, match="key"):  # it cannot even be shown
        world.registration("self-access")
    world.credentials = replace(right, certificate=Path(about["inbox_certificate"]), key=Path(about["inbox_key"]))
    registration = world.registration("self-access")  # of the same authority, but not the registered one
    registration.run()
    (failed,) = (one for one in registration.milestones if one.problem)
    assert (failed.name, "very certificate" in failed.advice) == ("token", True)
    world.credentials = right
    registration = world.registration("self-access")
    registration.run()
    assert registration.done


def test_without_a_registration_token(world: World) -> None:
    world.credentials = replace(world.credentials, registration_token=None)
    registration = world.registration("self-access")
    registration.run()
    (failed,) = (one for one in registration.milestones if one.problem)
    assert (failed.name, "SMD_REGISTRATION_TOKEN" in failed.advice) == ("application-information", True)


def test_a_utility_where_nobody_has_authorized_yet(tmp_path: Path) -> None:
    """The application's id is in the links of authorizations; the third party's number is another one at a practice utility."""
    with smd.Sandbox(households=["apartment"]) as utility:
        one = World(utility, tmp_path)
        registration = one.registration("self-access")
        registration.run()
        (failed,) = (mine for mine in registration.milestones if mine.problem)
        assert failed.name == "application-information"
        assert "no authorization exists yet that names the application's id" in failed.problem
        assert 'variants=["self-access"]' in failed.advice
        assert not failed.refused  # the token was fine
        with pytest.raises(BadRequest, match="nothing under this address"):  # who names an id is told of that one
            registration.client.application_information("1")
        registration.client.exchange(utility.consent(registration.client.authorization_url()))
        registration.run()
        assert registration.done, registration
        for client in one.made:
            client.session.close()


def test_endpoints_that_lead_elsewhere_are_for_a_person_to_look_at(world: World) -> None:
    registration = world.registration("self-access")
    registration._given = replace(world.utility.custodian, token_endpoint="https://localhost:1/token")
    registration.run()
    (failed,) = (one for one in registration.milestones if one.problem)
    assert failed.name == "application-information"
    assert "names another host" in failed.problem
    with pytest.raises(ConfigurationError, match="not all is passed yet; next is: ApplicationInformation"):
        _ = registration.production


def test_ninety_days(world: World) -> None:
    begun = datetime.now(UTC) - timedelta(days=88, hours=1)
    registration = world.registration("self-access", accepted=begun)
    assert abs(registration.ends - (begun + timedelta(days=90))) < timedelta(seconds=1)
    assert "2 days left" in str(registration)  # 1 day and 23 hours: a day that has begun counts
    assert world.registration("self-access", accepted=datetime.now(UTC) - timedelta(days=89, hours=23)).days_left == 1
    assert world.registration("self-access", accepted=datetime.now(UTC) - timedelta(days=90, hours=1)).days_left == -1
    assert world.registration("self-access", accepted=datetime.now(UTC) - timedelta(seconds=5)).days_left == 90
    late = world.registration("self-access", accepted=begun - timedelta(days=30))
    assert "expired" in late._repr_html_()
    state = next((world.folder / "state").iterdir())
    assert state.stat().st_mode & 0o777 == 0o600
    for secret in (world.credentials.client_secret, world.credentials.registration_token):
        assert secret is not None
        assert secret.reveal() not in state.read_text() + str(registration) + registration._repr_html_()


def test_what_cannot_be(world: World) -> None:
    world.registration("self-access")
    with pytest.raises(ConfigurationError, match="another registration"):
        world.registration("standard")
    with pytest.raises(ConfigurationError, match="no user type"):
        world.registration("researcher")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="time zone"):
        world.registration("self-access", accepted=datetime(2026, 1, 1))  # noqa: DTZ001
    (world.folder / "state" / "registration.json").write_text("{")
    (world.folder / "state" / "registration.json").chmod(0o600)
    with pytest.raises(ConfigurationError, match="damaged"):
        world.registration("self-access")


def test_a_file_of_somebody_elses_does_not_say_where_secrets_go(world: World) -> None:
    registration = world.registration("self-access")
    registration.run()
    path = world.folder / "state" / "registration.json"
    state = json.loads(path.read_text())
    state["endpoints"] |= {"mutual_tls": False, "ca_bundle": "theirs.pem"}
    path.write_text(json.dumps(state))
    assert world.registration("self-access").production == registration.production
    state["endpoints"]["token_endpoint"] = "https://elsewhere.invalid/token"
    path.write_text(json.dumps(state))
    with pytest.raises(ConfigurationError, match="names another host"):
        _ = world.registration("self-access").production
