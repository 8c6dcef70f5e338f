"""`Authorize` without a browser: what its page would send is sent here, and what it would show is read here."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import smd_notebook as smd
from smd_notebook.access import flow
from smd_notebook.access.stations import Awaiting
from smd_notebook.espi.resources import Secret
from smd_notebook.widgets import errands
from smd_notebook.widgets.authorize import Authorize
from smd_notebook.widgets.receivers import Loopback, PasteBack, ProxiedLoopback, receiver_for
from smd_notebook.widgets.wording import Around, shown
from tests.ports import free_port
from tests.stop import stopped


@pytest.fixture
def utility(monkeypatch: pytest.MonkeyPatch) -> Iterator[smd.Sandbox]:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    with smd.Sandbox(households=["apartment"]) as made:
        yield made


def client_of(utility: smd.Sandbox) -> smd.Client:
    return smd.Client(utility.custodian, utility.credentials, clock=utility.clock)


def view(auth: Authorize) -> dict[str, Any]:
    return dict(auth._panel.view)


def click(auth: Authorize, name: str, text: str = "") -> None:
    """Send what the page sends; a button has to be there."""
    there = {one["name"] for one in view(auth).get("buttons", [])} | ({view(auth)["field"]["name"]} if view(auth).get("field") else set())
    assert name in there, (name, there)
    auth._panel._handle_custom_msg({"do": name, "text": text}, [])


def visit(address: str) -> tuple[int, dict[str, str], str]:
    """Open an address as the browser would."""
    try:
        with urllib.request.urlopen(address, timeout=60) as reply:
            return reply.status, dict(reply.headers), reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


async def until(auth: Authorize, *names: str) -> None:
    async with asyncio.timeout(30):
        while auth.status not in names:
            await asyncio.sleep(0.01)


def buttons(auth: Authorize, kind: str) -> list[str]:
    return [one["name"] for one in view(auth).get("buttons", []) if one["kind"] == kind]


# -- the way through -------------------------------------------------------------------------------------------------------------------


def test_click_consent_and_revoke(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        assert auth.status == "checking"  # the cell did not wait for the check
        assert auth.link == ""
        await until(auth, "ready")
        assert buttons(auth, "primary") == ["start"]
        click(auth, "start")
        assert auth.status == "awaiting"
        assert view(auth)["link"]["text"] == "Open the consent page"
        back = utility.consent(auth.link, until="2999-12-31")
        status, headers, text = await asyncio.to_thread(visit, back)
        assert status == 200
        assert "You may close this tab" in text
        assert headers["Referrer-Policy"] == "no-referrer"
        granted = await auth.wait(30)
        assert auth.subscription == granted
        assert auth.status == "authorized"
        lines = view(auth)["lines"]
        assert "granted until 1 January 3000" in lines  # the end of the last day, in California
        assert "interval readings of electricity and gas, every 15 min or 1 h" in lines
        assert view(auth)["lead"] == "In code:"  # above the code, and none of what was granted
        assert "client.download(auth.subscription" in view(auth)["code"]
        assert "link" not in view(auth)
        with pytest.raises(urllib.error.URLError):  # nobody listens any more
            await asyncio.to_thread(urllib.request.urlopen, back, None, 5)

        click(auth, "revoke")
        assert (auth.status, buttons(auth, "primary"), buttons(auth, "danger")) == ("confirming", ["cancel"], ["confirm"])
        click(auth, "cancel")
        assert auth.status == "authorized"
        click(auth, "revoke")
        click(auth, "confirm")
        await until(auth, "revoked")
        assert auth.subscription is None
        assert auth.client.tokens.subscriptions() == []
        assert auth.client.authorizations()[0].status == 0  # the utility says so itself
        with pytest.raises(smd.errors.Revoked):
            await auth.wait(1)
        click(auth, "restart")
        assert auth.status == "ready"
        auth.close()

    asyncio.run(main())


def test_a_cell_that_waits_does_not_stop_the_loop(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        await auth.start()
        waiting = asyncio.ensure_future(auth.wait(30))
        await asyncio.sleep(0)
        assert not waiting.done()
        click(auth, "paste", utility.consent(auth.link))
        assert (await waiting).id == auth.subscription.id  # type: ignore[union-attr]
        with pytest.raises(smd.errors.AuthorizationError, match="agreed already"):
            await auth.start()
        auth.close()

    asyncio.run(main())


def test_nobody_answers_in_time(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        await auth.start()
        with pytest.raises(TimeoutError):
            await auth.wait(0.01)
        assert auth.status == "awaiting"
        auth.close()

    asyncio.run(main())


def test_a_cell_that_waits_can_be_stopped(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        await auth.start()
        await stopped(asyncio.create_task(auth.wait()))
        assert auth.status == "awaiting"  # the form goes on
        auth.close()

    asyncio.run(main())


def test_a_click_in_another_thread_reaches_the_cell_that_waits(utility: smd.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab has clicks handled beside the cell that runs; the loop that waits has to be woken, not only turned next time."""
    monkeypatch.setattr(errands, "BEAT", 3600.0)

    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        back = utility.consent(await auth.start())
        waiting = asyncio.create_task(auth.wait())
        await asyncio.sleep(0)
        late: list[bool] = []
        watch = asyncio.get_running_loop().call_later(300, late.append, True)
        threading.Timer(0.2, lambda: asyncio.run(clicked(auth, back))).start()
        assert (await waiting).id
        assert not late
        watch.cancel()
        auth.close()

    async def clicked(auth: Authorize, back: str) -> None:
        click(auth, "paste", back)
        await until(auth, "authorized")

    asyncio.run(main())


def test_time_runs_out(utility: smd.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "PATIENCE", 0.0)

    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        await auth.start()
        utility.clock.advance(1)
        with pytest.raises(smd.errors.Expired, match="in time"):
            await auth.wait(30)
        assert buttons(auth, "primary") == ["restart"]
        assert auth.link == ""
        click(auth, "restart")
        assert auth.status == "ready"
        auth.close()

    asyncio.run(main())


# -- what goes wrong -------------------------------------------------------------------------------------------------------------------


def test_denied(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        back = utility.consent(await auth.start(), deny=True)
        await asyncio.to_thread(visit, back)
        with pytest.raises(smd.errors.Denied):
            await auth.wait(30)
        assert auth.status == "denied"
        assert view(auth)["problem"][0] == "The customer did not agree (access_denied)."
        assert buttons(auth, "primary") == ["restart"]
        auth.close()

    asyncio.run(main())


def test_a_wrong_state_is_said_and_the_right_answer_still_counts(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        good = utility.consent(await auth.start())
        port = urlsplit(good).port
        for query in ("code=abcdef&state=other", "code=abcdef", "code", "error"):
            await asyncio.to_thread(visit, f"http://127.0.0.1:{port}/callback?{query}")
        async with asyncio.timeout(30):
            while not view(auth)["problem"]:
                await asyncio.sleep(0.01)
        assert "does not answer the request" in view(auth)["problem"][0]
        assert auth.status == "awaiting"
        await asyncio.to_thread(visit, good)
        await auth.wait(30)
        assert view(auth)["problem"] == []
        auth.close()

    asyncio.run(main())


def test_the_answer_to_an_older_link_is_refused(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        old = utility.consent(await auth.start())
        click(auth, "cancel")
        assert auth.status == "ready"
        await auth.start()
        click(auth, "paste", old)
        assert auth.status == "awaiting"
        assert "does not answer the request" in view(auth)["problem"][0]
        auth.close()

    asyncio.run(main())


@pytest.mark.parametrize("what", ["address", "query", "code"])
def test_pasted_address_query_or_code(utility: smd.Sandbox, what: str) -> None:
    def shorten(back: str) -> str:
        query = urlsplit(back).query
        return {"address": back, "query": query, "code": parse_qs(query)["code"][0]}[what]

    async def main() -> None:
        auth = smd.Authorize(client_of(utility), receiver=PasteBack())
        back = utility.consent(await auth.start())
        click(auth, "paste", f"  {shorten(back)}\n")
        await auth.wait(30)
        auth.close()

    asyncio.run(main())


def test_the_port_is_taken(utility: smd.Sandbox) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            auth = smd.Authorize(client_of(utility), receiver=Loopback(other.getsockname()[1]))
            back = utility.consent(await auth.start())
        assert view(auth)["field"]["label"] == "The address that the browser shows"
        auth.paste(back)
        await auth.wait(30)
        auth.close()

    asyncio.run(main())


def test_a_cell_that_is_run_again_takes_the_port_over(utility: smd.Sandbox) -> None:
    async def main() -> None:
        port = free_port()
        first = smd.Authorize(client_of(utility), receiver=Loopback(port))
        await first.start()
        second = smd.Authorize(client_of(utility), receiver=Loopback(port))
        await asyncio.to_thread(visit, utility.consent(await second.start()))
        await second.wait(30)
        assert first.subscription is None
        assert view(first)["field"]["label"] == "The address that the browser shows"  # which it does not wait for any more
        assert "comes back by itself" not in view(first)["link"]["note"]
        first.close()
        second.close()

    asyncio.run(main())


def test_the_utility_refuses_the_certificate(utility: smd.Sandbox) -> None:
    async def main() -> None:
        utility.faults.add("invalid-certificate", times=1)
        auth = smd.Authorize(client_of(utility))
        await until(auth, "blocked")
        assert view(auth)["problem"]
        with pytest.raises(smd.errors.AuthorizationError):
            await auth.wait(1)
        click(auth, "restart")
        await until(auth, "ready")
        auth.close()

    asyncio.run(main())


def test_a_token_request_that_fails_is_said(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        back = utility.consent(await auth.start())
        utility.faults.add("reply-lost", path="*/token")
        auth.paste(back)
        await until(auth, "uncertain")
        assert isinstance(auth.error, smd.errors.Network)
        auth.close()

    asyncio.run(main())


@pytest.mark.parametrize("where", ["exchange", "authorization_url", "revoke"])
def test_an_exception_is_shown(utility: smd.Sandbox, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Jupyter swallows what a handler raises; a thread's exception is nobody's."""

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("odd, with access_token=canary-in-text")

    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        await until(auth, "ready")
        if where == "authorization_url":
            monkeypatch.setattr(auth.client, where, broken)
            click(auth, "start")
        elif where == "exchange":
            click(auth, "start")
            back = utility.consent(auth.link)
            monkeypatch.setattr(auth.client, where, broken)
            click(auth, "paste", back)
            await until(auth, "failed")
        else:
            auth.paste(utility.consent(await auth.start()))
            await auth.wait(30)
            monkeypatch.setattr(auth.client, where, broken)
            click(auth, "revoke")
            click(auth, "confirm")
            await until(auth, "authorized")
        assert view(auth)["problem"][0].startswith("RuntimeError: odd")
        assert "canary" not in json.dumps(view(auth))
        assert isinstance(auth.error, RuntimeError)
        auth.close()

    asyncio.run(main())


def test_a_client_without_a_redirect_address(utility: smd.Sandbox) -> None:
    one = utility.credentials
    bare = smd.Credentials(one.client_id, one.client_secret, one.certificate, one.key)
    auth = smd.Authorize(smd.Client(utility.custodian, bare), receiver=PasteBack())
    assert auth.status == "blocked"
    assert "SMD_REDIRECT_URI" in repr(auth) or "SMD_REDIRECT_URI" in json.dumps(view(auth))
    with pytest.raises(smd.errors.AuthorizationError, match="no redirect address"):
        asyncio.run(auth.start())
    auth.close()


# -- what happens elsewhere ------------------------------------------------------------------------------------------------------------


async def authorized(utility: smd.Sandbox) -> Authorize:
    auth = smd.Authorize(client_of(utility))
    auth.paste(utility.consent(await auth.start()))
    await auth.wait(30)
    return auth


def test_a_revocation_in_another_cell_is_followed(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = await authorized(utility)
        auth.client.revoke(auth.subscription or "", confirm=True)
        await until(auth, "revoked")
        assert auth.subscription is None
        assert view(auth)["problem"] == []
        auth.close()

    asyncio.run(main())


def test_what_a_refresh_brings_is_followed(utility: smd.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        auth = await authorized(utility)
        granted = auth.subscription
        assert granted is not None
        utility.faults.add("unavailable", method="DELETE")
        click(auth, "revoke")
        click(auth, "confirm")
        await until(auth, "authorized")
        assert view(auth)["problem"]
        auth.client.refresh(granted)
        async with asyncio.timeout(30):
            while view(auth)["problem"]:
                await asyncio.sleep(0.01)
        assert (auth.status, auth.subscription) == ("authorized", granted)

        utility.revoke(granted)  # the customer stops sharing, and a download finds out
        with pytest.raises(smd.errors.AuthorizationError):
            await asyncio.to_thread(auth.client.refresh, granted)
        await until(auth, "lapsed")
        assert "no longer renews" in view(auth)["problem"][0]
        assert (auth.subscription, buttons(auth, "primary")) == (None, ["restart"])
        with pytest.raises(smd.errors.AuthorizationError, match="no longer renews"):
            await auth.wait(1)
        auth.close()

    asyncio.run(main())


def test_tokens_that_are_forgotten_are_missed(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth, other = await authorized(utility), await authorized(utility)
        auth.client.tokens.forget("another's")
        auth.client.tokens.forget()
        await until(auth, "lapsed")
        assert "forgotten here" in view(auth)["problem"][0]
        assert other.status == "authorized"  # of another client, which keeps its own
        watchers = auth.client.tokens._watchers
        assert len(watchers) == 1
        auth.close()
        assert watchers == []
        other.close()

    asyncio.run(main())


# -- self access -----------------------------------------------------------------------------------------------------------------------


def test_a_self_access_registration_has_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)

    async def main(utility: smd.Sandbox) -> None:
        auth = smd.Authorize(client_of(utility))
        await until(auth, "authorized")
        assert auth.bulk_id == utility.credentials.bulk_id
        assert view(auth)["title"] == "Your own data at Practice utility"
        assert "interval readings of electricity and gas, every 15 min or 1 h" in view(auth)["lines"]
        assert "client.download_bulk(auth.bulk_id" in view(auth)["code"]
        assert (buttons(auth, "primary"), buttons(auth, "plain")) == ([], ["restart"])
        for waiting in (auth.start(), auth.wait(5)):
            with pytest.raises(smd.errors.AuthorizationError, match="nobody has to be asked"):
                await waiting
        click(auth, "restart")
        assert auth.status == "ready"
        auth.close()

        one = utility.credentials
        bare = smd.Credentials(one.client_id, one.client_secret, one.certificate, one.key)
        auth = smd.Authorize(smd.Client(utility.custodian, bare), receiver=PasteBack())  # what such users have: no redirect address
        await until(auth, "authorized")
        assert (auth.bulk_id, view(auth)["buttons"]) == (one.bulk_id, [])
        auth.close()

    with smd.Sandbox(households=["apartment"], variants=["self-access"]) as utility:
        asyncio.run(main(utility))


# -- without buttons -------------------------------------------------------------------------------------------------------------------


def test_in_a_plain_script_the_text_is_enough(utility: smd.Sandbox) -> None:
    auth = smd.Authorize(client_of(utility))
    text = repr(auth)
    assert auth.link in text
    assert "auth.paste(" in text
    auth.paste(utility.consent(auth.link))
    assert auth.status == "authorized"
    assert "http" not in repr(auth)
    auth.close()


def test_a_notebook_gets_a_widget_and_a_text_without_the_link(utility: smd.Sandbox) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        await auth.start()
        data, _ = auth._repr_mimebundle_()
        assert set(data) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
        assert "auth.paste(" in data["text/plain"]
        assert "state=" not in data["text/plain"]
        assert "state=" not in repr(auth)
        auth.close()

    asyncio.run(main())


# -- secrets ---------------------------------------------------------------------------------------------------------------------------


def test_no_secret_in_any_trait_in_any_state(utility: smd.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the kernel would send or save is gathered: no state, no code, no token, no client secret in it."""
    saved: list[str] = []
    sent: list[dict[str, Any]] = []

    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        panel = auth._panel
        panel.observe(lambda _: saved.append(json.dumps(panel.get_state())), "view")
        monkeypatch.setattr(panel, "send", lambda content, buffers=None: sent.append(content))
        url = await auth.start()
        panel._handle_custom_msg({"do": "link"}, [])
        wrong, good = "code=canary-code&state=canary-state", utility.consent(url)
        click(auth, "paste", wrong)
        click(auth, "paste", good)
        await auth.wait(30)
        token = auth.client.tokens.access(str(auth.subscription))
        click(auth, "revoke")
        click(auth, "confirm")
        await until(auth, "revoked")
        assert sent == [{"link": url}]  # the one message that holds the state: to the page, and not kept
        fields = {name: values[0] for name, values in parse_qs(urlsplit(good).query).items()}
        secrets = ["canary", fields["code"], fields["state"], utility.credentials.client_secret.reveal(), token.access_token.reveal()]
        assert token.refresh_token is not None
        secrets.append(token.refresh_token.reveal())
        everything = "\n".join([*saved, repr(auth)])
        assert len(saved) >= 6
        assert "Waiting for the customer" in everything
        assert [one for one in secrets if one in everything] == []
        auth.close()

    asyncio.run(main())


def held(error: BaseException | None) -> str:
    """Return all that a debugger, or IPython's %xmode Verbose, would show of an exception: the variables of its frames."""
    shown = []
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            shown.append(repr(trace.tb_frame.f_locals))
            trace = trace.tb_next
        shown.append(repr(error))
        error = error.__context__
    return "\n".join(shown)


@pytest.mark.parametrize("fault", ["reply-lost", "unavailable", "invalid-certificate"])
def test_no_secret_in_the_frames_of_an_error(utility: smd.Sandbox, fault: str) -> None:
    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        good = utility.consent(await auth.start())
        utility.faults.add(fault, path="*/token", times=None)
        auth.paste(good)
        await until(auth, "uncertain", "failed")
        assert auth.error is not None
        fields = {name: values[0] for name, values in parse_qs(urlsplit(good).query).items()}
        secrets = [fields["code"], fields["state"], utility.credentials.client_secret.reveal()]
        assert [one for one in secrets if one in held(auth.error)] == []
        auth.close()

    asyncio.run(main())


# -- receivers -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "says"), [("2026-01-15T08:06Z", "0:06 PST"), ("2026-07-15T16:30Z", "9:30 PDT"), ("2026-01-15T18:05Z", "10:05 PST")]
)
def test_the_time_is_read_as_a_clock(at: str, says: str) -> None:
    state = Awaiting(Secret("x"), datetime.fromisoformat(at).timestamp())
    assert shown(state, Around(smd.custodians.PGE))["status"] == f"Waiting for the customer, until {says}."


def test_the_listener_takes_answers_only_and_echoes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    answers: list[Secret] = []
    receiver = Loopback(path="/auth/back")
    receiver.open(answers.append)
    base = f"http://127.0.0.1:{receiver.port}"
    assert visit(f"{base}/auth/back?code=abc&state=s")[0] == 200
    for other in ("/favicon.ico", "/auth/back", "/auth/back?x=1", "/?code=abc", "/auth/back/?code=abc"):
        assert visit(base + other)[0] == 404, other
    request = urllib.request.Request(f"{base}/auth/back?code=<script>canary&error=x", headers={"Cookie": "session=canary"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert "canary" not in reply.read().decode() + str(reply.headers)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{base}/auth/back?code=abc", b"a=b", 60)  # POST
    while len(answers) < 2:  # the page is shown first
        time.sleep(0.01)
    receiver.close()
    receiver.close()
    assert [one.reveal() for one in answers] == ["?code=abc&state=s", "?code=<script>canary&error=x"]
    assert capfd.readouterr() == ("", "")


class _Registered:
    """As much of a client as `receiver_for` looks at."""

    def __init__(self, redirect_uri: str | None) -> None:
        self.custodian = smd.custodians.PGE
        self.credentials = smd.Credentials("id", "secret", redirect_uri=redirect_uri)


@pytest.mark.parametrize(
    ("hub", "registered", "kind", "port"),
    [
        ("", "http://127.0.0.1:8000/auth/callback", Loopback, 8000),
        ("", "http://localhost:3000/OAuthCallback", Loopback, 3000),
        ("", "http://localhost/OAuthCallback", PasteBack, None),  # a port that only root may take
        ("", "https://localhost:3000/x", PasteBack, None),  # nobody here has a certificate for it
        ("", "https://study.example/relay.html", PasteBack, None),
        ("", "https://hub.example/user/me/proxy/8765/callback", PasteBack, None),  # and there is no hub
        ("/user/me/", "https://hub.example/user/me/proxy/8765/callback", ProxiedLoopback, 8765),
        ("/user/me/", "http://127.0.0.1:8000/callback", PasteBack, None),  # the browser is on another machine
        ("/user/me/", None, PasteBack, None),
    ],
)
def test_the_receiver_fits_the_place(
    monkeypatch: pytest.MonkeyPatch, hub: str, registered: str | None, kind: type[PasteBack], port: int | None
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", hub)
    found = receiver_for(_Registered(registered))  # type: ignore[arg-type]
    assert type(found) is kind
    assert getattr(found, "port", None) == port
    assert found.redirect_uri == (registered if port else None)  # to the letter


def test_behind_a_hub_the_practice_utility_is_reached_through_its_proxy(utility: smd.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/me/")

    async def main() -> None:
        auth = smd.Authorize(client_of(utility))
        url = await auth.start()
        assert auth.link == f"/user/me/proxy/{urlsplit(url).port}/myAuthorization?{urlsplit(url).query}"
        auth.paste(utility.consent(url))
        await auth.wait(30)
        auth.close()

    asyncio.run(main())


def test_the_portal_sends_a_proxied_browser_to_the_port_beside_it(utility: smd.Sandbox) -> None:
    url = client_of(utility).authorization_url("s", redirect_uri="http://127.0.0.1:4711/callback") + "&response_type=nonsense"
    bad = url.replace("response_type=code&", "")
    request = urllib.request.Request(bad, headers={"X-Forwarded-Prefix": f"/user/me/proxy/{urlsplit(url).port}"})

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as found:
        urllib.request.build_opener(Stay).open(request, timeout=60)
    assert found.value.headers["Location"].startswith("../4711/callback?error=invalid_request")
    with pytest.raises(urllib.error.HTTPError) as plain:
        urllib.request.build_opener(Stay).open(bad, timeout=60)
    assert plain.value.headers["Location"].startswith("http://127.0.0.1:4711/callback?error=invalid_request")
    found.value.close()
    plain.value.close()


def test_the_relay_page_may_run_its_own_script_and_nothing_else() -> None:
    """The hashes of its policy are those of its script and style; the browser would run nothing otherwise."""
    page = (Path(__file__).parents[1] / "docs/relay.html").read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for tag in ("script", "style"):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "://" not in page


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as ``#fff000`` (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("around", ["#ffffff", "#212121", "#111111"])
def test_the_focus_is_seen_in_each_theme(around: str) -> None:
    """WCAG 2.2, 1.4.11: three times the contrast of what is around it."""
    css = Path(errands.__file__).with_name("panel.css").read_text(encoding="utf-8")
    ring = re.search(r":focus-visible \{ outline: 3px solid (#\w{6});", css)
    assert ring is not None
    dark, light = sorted((luminance(ring[1]), luminance(around)))
    assert (light + 0.05) / (dark + 0.05) >= 3
