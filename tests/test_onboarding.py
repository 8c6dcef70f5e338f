"""`Onboarding` without a browser: what its page would send is sent here, and what it would show is read here."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

import smd_notebook as smd
from smd_notebook.access.registration import UserType
from smd_notebook.espi.resources import Secret
from smd_notebook.widgets.onboarding import Onboarding
from smd_notebook.widgets.receivers import PasteBack

CONNECTIVITY = 4  # certificate, token, ReadServiceStatus, DownloadSampleData


@pytest.fixture(scope="module")
def shared() -> Iterator[smd.Sandbox]:
    with smd.Sandbox(households=["apartment"], variants=["self-access"]) as made:
        yield made


@pytest.fixture
def utility(shared: smd.Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[smd.Sandbox]:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    yield shared
    shared.faults.clear()


def onboarding(utility: smd.Sandbox, folder: Path, user_type: UserType | None = None, **given: Any) -> Onboarding:
    credentials = given.pop("credentials", utility.credentials)
    return smd.Onboarding(utility.test_custodian, utility.custodian, credentials, user_type=user_type, folder=folder, **given)


def view(work: Onboarding) -> dict[str, Any]:
    return dict(work._panel.view)


def click(work: Onboarding, name: str, text: str = "") -> None:
    """Send what the page sends; a button has to be there."""
    there = {one["name"] for one in view(work).get("buttons", [])} | ({view(work)["field"]["name"]} if view(work).get("field") else set())
    assert name in there, (name, there)
    work._panel._handle_custom_msg({"do": name, "text": text}, [])


def primary(work: Onboarding) -> list[str]:
    return [one["name"] for one in view(work).get("buttons", []) if one["kind"] == "primary"]


def states(work: Onboarding) -> str:
    """Say how the steps stand: p for passed, n for now, l for later."""
    return "".join(one["state"][0] for one in view(work)["steps"])


def first_redirect(utility: smd.Sandbox) -> str:
    """Start the OAuth test at the portal, and return where it sends the browser."""
    address = f"{utility.portal_url}/myAuthorization?clientId={utility.credentials.client_id}&verified=true"
    reply = requests.get(address, allow_redirects=False, timeout=30)
    return f"{utility.portal_url}/{reply.headers['Location']}"


# -- the way through -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_type", ["self-access", "community-choice-aggregator"])
def test_user_types_that_need_no_person(utility: smd.Sandbox, tmp_path: Path, user_type: UserType) -> None:
    async def main() -> None:
        work = onboarding(utility, tmp_path)
        assert (work.status, primary(work), view(work)["steps"]) == ("choosing", ["self-access"], [])
        click(work, user_type)
        assert (work.status, primary(work), states(work)) == ("ready", ["go"], "nlllll")
        assert view(work)["status"] == "0 of 6 passed. 90 days left."
        click(work, "go")
        assert (work.status, view(work)["busy"]) == ("running", True)  # the click did not wait
        assert await work.wait(30) == "done"
        assert states(work) == "pppppp"
        assert view(work)["problem"] == []
        assert ("download_bulk" in view(work)["code"]) == (user_type == "self-access")
        assert work.production.token_endpoint == utility.custodian.token_endpoint
        work.close()

    asyncio.run(main())


def test_the_oauth_test_by_a_listener_and_over_two_days(utility: smd.Sandbox, tmp_path: Path) -> None:
    async def main() -> None:
        work = onboarding(utility, tmp_path, "standard")
        click(work, "go")
        assert await work.wait(30) == "oauth"
        assert states(work) == "ppppnll"
        assert view(work)["link"]["text"] == "Open the utility's portal"
        assert work.link == utility.portal_url + "/"
        click(work, "first", first_redirect(utility))
        assert work.status == "consenting"
        old = utility.consent(work.link)
        work.close()  # the kernel ends here

        work = onboarding(utility, tmp_path)
        assert (work.status, states(work)) == ("oauth", "ppppnll")  # nothing is taken twice, and the type is remembered
        click(work, "first", first_redirect(utility))
        assert view(work)["field"]["label"].startswith("If it does not come back")
        click(work, "last", old)
        assert work.status == "consenting"
        assert "does not answer the request" in view(work)["problem"][0]
        good = utility.consent(work.link)
        with await asyncio.to_thread(urllib.request.urlopen, good, None, 60) as page:
            assert "close this tab" in page.read().decode()
        assert await work.wait(30) == "done"
        assert states(work) == "ppppppp"
        assert work.link == ""
        work.close()

    asyncio.run(main())


def test_the_oauth_test_pasted_refused_and_cancelled(utility: smd.Sandbox, tmp_path: Path) -> None:
    async def main() -> None:
        work = onboarding(utility, tmp_path, "energy-efficiency-finance", receiver=PasteBack())
        work.go()
        await work.wait(30)
        click(work, "first", "https://localhost/scope?scope=FB%3D4&ThirdPartyID=1")
        assert "another application" in view(work)["problem"][0]
        assert work.status == "oauth"
        click(work, "first", first_redirect(utility))
        click(work, "cancel")
        assert (work.status, view(work)["problem"]) == ("oauth", [])
        click(work, "first", first_redirect(utility))
        assert view(work)["field"]["label"] == "The address that the browser shows"
        click(work, "last", utility.consent(work.link, deny=True))
        assert await work.wait(30) == "oauth"
        assert "did not agree" in view(work)["problem"][0]
        assert isinstance(work.error, smd.errors.Denied)
        work.paste(first_redirect(utility))
        work.paste(Secret(utility.consent(work.link)))
        assert await work.wait(30) == "done"
        work.close()

    asyncio.run(main())


def test_in_a_plain_script_the_text_is_enough(utility: smd.Sandbox, tmp_path: Path) -> None:
    work = onboarding(utility, tmp_path, "standard")
    work.go()
    assert work.link in repr(work)
    assert "work.paste(" in repr(work)
    work.paste(first_redirect(utility))
    assert work.link in repr(work)
    work.paste(utility.consent(work.link))
    assert work.status == "done"
    assert repr(work).count("✓") == 7
    assert "http" not in repr(work)
    work.close()


def test_a_notebook_gets_a_widget_and_a_text_without_a_link(utility: smd.Sandbox, tmp_path: Path) -> None:
    async def main() -> None:
        work = onboarding(utility, tmp_path, "standard")
        work.go()
        await work.wait(30)
        work.paste(first_redirect(utility))
        data, _ = work._repr_mimebundle_()
        assert set(data) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
        assert "work.paste(" in data["text/plain"]
        assert "state=" in work.link
        assert "state=" not in data["text/plain"] + repr(work)
        work.close()

    asyncio.run(main())


def test_without_buttons_the_kind_of_user_is_said_in_code(utility: smd.Sandbox, tmp_path: Path) -> None:
    work = onboarding(utility, tmp_path)
    for act in (work.go, lambda: work.paste("self-access"), lambda: work.production):
        with pytest.raises(smd.errors.ConfigurationError, match=r'which kind of user.*\n.*user_type="self-access".*"standard"'):
            act()
    assert work.status == "choosing"
    assert 'user_type="self-access"' in repr(work)
    assert 'user_type="self-access"' in work._repr_mimebundle_()[0]["text/plain"]
    work.close()
    work = onboarding(utility, tmp_path, "self-access")
    assert "user_type=" not in repr(work)
    work.close()


# -- what goes wrong -------------------------------------------------------------------------------------------------------------------


def test_a_test_that_fails_is_explained_and_taken_again(utility: smd.Sandbox, tmp_path: Path) -> None:
    async def main() -> None:
        utility.faults.add("no-listener", path="*/ReadServiceStatus", times=None)
        work = onboarding(utility, tmp_path, "self-access")
        click(work, "go")
        assert await work.wait(30) == "failed"
        assert states(work) == "ppnlll"
        assert view(work)["steps"][2]["note"] == "not passed"
        assert "nothing under this address" in view(work)["problem"][0]
        click(work, "checkup")
        assert await work.wait(30) == "failed"
        assert "client access token: ok" in " ".join(view(work)["lines"])
        work.close()

        work = onboarding(utility, tmp_path)  # another day
        assert (work.status, primary(work)) == ("failed", ["go"])
        utility.faults.clear()
        click(work, "go")
        assert await work.wait(30) == "done"
        work.close()

    asyncio.run(main())


def test_without_a_certificate_the_doctor_says_what_to_do(utility: smd.Sandbox, tmp_path: Path) -> None:
    have = utility.credentials
    put = tmp_path / "client.pem"
    bare = replace(have, certificate=put)
    work = onboarding(utility, tmp_path / "state", "self-access", credentials=bare)
    assert (work.status, primary(work)) == ("blocked", ["go"])
    assert view(work)["problem"][0] == "client.pem is not there."
    lines = " ".join(view(work)["lines"])
    assert "certificate file: failed" in lines
    assert "--new-key" in view(work)["code"]
    assert f"{view(work)['lead']}\n{view(work)['code']}" in repr(work)
    with pytest.raises(smd.errors.ConfigurationError, match="no registration yet"):
        _ = work.production
    assert have.certificate is not None
    shutil.copy(have.certificate, put)
    click(work, "go")
    assert (work.status, view(work)["problem"]) == ("ready", [])
    work.close()


def test_a_token_is_asked_for_only_where_the_token_is_the_cause(tmp_path: Path) -> None:
    with smd.Sandbox(households=["apartment"]) as utility:  # nobody has authorized yet
        work = onboarding(utility, tmp_path, "self-access")
        work.go()
        assert (work.status, states(work)) == ("failed", "ppppnl")
        assert "No authorization exists yet" in view(work)["problem"][0]
        with pytest.raises(smd.errors.ConfigurationError, match="not all is passed yet"):
            _ = work.production
        assert "field" not in view(work)
        assert "registration access token" not in repr(work)
        work.close()


def test_a_folder_of_another_registration(utility: smd.Sandbox, tmp_path: Path) -> None:
    onboarding(utility, tmp_path, "self-access").close()
    work = onboarding(utility, tmp_path, "standard")
    assert work.status == "blocked"
    assert "another registration" in view(work)["problem"][0]
    work.close()


def test_the_registration_token_is_asked_for(utility: smd.Sandbox, tmp_path: Path) -> None:
    async def main() -> None:
        bare = replace(utility.credentials, registration_token=None)
        work = onboarding(utility, tmp_path, "self-access", credentials=bare)
        click(work, "go")
        assert await work.wait(30) == "token"
        assert view(work)["link"]["text"] == "Open the utility's portal"
        click(work, "token", "canary-of-a-token")
        assert await work.wait(30) == "failed"
        assert view(work)["steps"][CONNECTIVITY]["note"] == "not passed"
        assert "canary" not in json.dumps(work._panel.get_state()) + repr(work) + "".join(one.read_text() for one in tmp_path.iterdir())
        right = utility.credentials.registration_token
        assert right is not None
        click(work, "token", f" {right.reveal()}\n")
        assert await work.wait(30) == "done"
        work.close()

    asyncio.run(main())


@pytest.mark.parametrize("where", ["advance", "check"])
def test_an_exception_is_shown(utility: smd.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Jupyter swallows what a handler raises; a thread's exception is nobody's."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("odd, with access_token=canary-in-text")

    async def main() -> None:
        work = onboarding(utility, tmp_path, "self-access")
        monkeypatch.setattr(work.registration, where, broken)
        click(work, "go" if where == "advance" else "checkup")
        assert await work.wait(30) == "ready"
        assert view(work)["problem"][0].startswith("RuntimeError: odd")
        assert "canary" not in json.dumps(view(work))
        assert isinstance(work.error, RuntimeError)
        work.close()

    asyncio.run(main())


def test_what_is_not_asked_for_is_not_taken(utility: smd.Sandbox, tmp_path: Path) -> None:
    work = onboarding(utility, tmp_path, "self-access")
    with pytest.raises(smd.errors.ConfigurationError, match="asked for"):
        work.paste("https://localhost/callback?code=abcdef&state=s")
    work._panel._handle_custom_msg({"do": "last", "text": "code=abcdef"}, [])  # a click that comes late
    assert "asked for" in view(work)["problem"][0]
    work.close()


def test_ninety_days_are_over(utility: smd.Sandbox, tmp_path: Path) -> None:
    work = onboarding(utility, tmp_path, "self-access", accepted=datetime.now(UTC) - timedelta(days=100))
    assert "register anew" in view(work)["status"]
    work.close()


# -- secrets ---------------------------------------------------------------------------------------------------------------------------


def test_no_secret_in_any_trait_message_or_file(utility: smd.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the kernel would send or save is gathered: no state, no code, no token, no client secret in it."""
    saved: list[str] = []
    sent: list[dict[str, Any]] = []

    async def main() -> None:
        token = utility.credentials.registration_token
        assert token is not None
        work = onboarding(utility, tmp_path, "standard", credentials=replace(utility.credentials, registration_token=None))
        panel = work._panel
        panel.observe(lambda _: saved.append(json.dumps(panel.get_state())), "view")
        monkeypatch.setattr(panel, "send", lambda content, buffers=None: sent.append(content))
        click(work, "checkup")
        await work.wait(30)
        click(work, "go")
        await work.wait(30)
        click(work, "first", first_redirect(utility))
        url = work.link
        panel._handle_custom_msg({"do": "link"}, [])
        click(work, "last", "code=canary-code&state=canary-state")
        good = utility.consent(url)
        click(work, "last", good)
        assert await work.wait(30) == "token"
        click(work, "token", token.reveal())
        assert await work.wait(30) == "done"
        assert work.registration is not None
        stored = [work.registration.client.tokens.access(one) for one in work.registration.client.tokens.subscriptions()]
        assert sent == [{"link": url}]  # the one message that holds the state: to the page, and not kept
        fields = {name: values[0] for name, values in parse_qs(urlsplit(good).query).items()}
        secrets = ["canary", fields["authorization_code"], fields["state"], utility.credentials.client_secret.reveal(), token.reveal()]
        secrets += [one.access_token.reveal() for one in stored]
        everything = "\n".join([*saved, repr(work), *(one.read_text() for one in tmp_path.iterdir())])
        assert len(saved) >= 10
        assert "Waiting for you" in everything
        assert [one for one in secrets if one in everything] == []
        work.close()

    asyncio.run(main())
