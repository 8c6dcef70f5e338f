"""A registration as a person passes it: a form in JupyterLab, the utility's portal in another tab, a kernel that ends in between."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import nbformat
import pytest

import smd_notebook as smd
from smd_notebook.scan import scan_notebook
from tests.browser.desk import Desk, api
from tests.patience import LONG

pytestmark = pytest.mark.browser

#: The utility lives outside of the kernel, as a real one does: it outlives a restart.
CELLS = (
    """import json
from pathlib import Path
import smd_notebook as smd
from smd_notebook.access.custodian import Custodian, Limits
told = json.loads(Path({told!r}).read_text())
test, production = eval(told["test"]), eval(told["production"])
credentials = smd.Credentials.from_file(told["credentials"])""",
    """work = smd.Onboarding(test, production, credentials, folder={folder!r})
work""",
    """auth = smd.Authorize(smd.Client(work.production, credentials))
auth""",
)
STICKS_OUT = """panel => [...panel.querySelectorAll('*')].filter(one =>
    one.getBoundingClientRect().right > panel.getBoundingClientRect().right + 1).map(one => one.outerHTML)"""


@pytest.fixture
def utility(tmp_path: Path) -> Iterator[smd.Sandbox]:
    with smd.Sandbox(households=["apartment"], variants=["self-access"], folder=tmp_path / "utility") as made:
        yield made


@pytest.fixture
def form(
    chromium: Any, place: tuple[Path, str], utility: smd.Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Desk]]:
    """Give a function that opens a notebook with the form, for credentials in which some things are otherwise."""
    opened: list[Desk] = []

    def show(*, width: int = 1100, **otherwise: str | None) -> Desk:
        about = utility.describe()
        names = ("client_id", "client_secret", "certificate", "key", "bulk_id", "third_party_id")
        values = {name: about[name] for name in names} | {"redirect_uri": about["redirect_uris"][0]} | otherwise
        secret = tmp_path / "credentials.toml"
        secret.touch(mode=0o600)
        secret.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None))
        told = tmp_path / "told.json"
        told.write_text(
            json.dumps({"test": repr(utility.test_custodian), "production": repr(utility.custodian), "credentials": str(secret)})
        )
        folder, address = place
        name = f"{request.node.name}-{len(opened)}"
        cells = [nbformat.v4.new_code_cell(one.format(told=str(told), folder=str(tmp_path / "state"))) for one in CELLS]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / f"{name}.ipynb")
        one = Desk(chromium, address.format(f"doc/tree/{name}"), width)
        one.file = tmp_path / "saved.ipynb"
        opened.append(one)
        one.run(0, 2)
        return one

    yield show
    for one in opened:
        one.context.close()


def linked(it: Desk, name: str) -> Any:
    found = it.panel.get_by_role("link", name=name)
    api.expect(found).to_have_attribute("href", re.compile("^(http|/)"))  # a hub's proxy has a path of its own
    return found


def opened_by(it: Desk, name: str) -> Any:
    with it.context.expect_page() as opened:
        linked(it, name).click()
    tab = opened.value
    tab.wait_for_load_state()
    return tab


def copied(it: Desk) -> str:
    """Start the OAuth test in the portal; return what a person copies there."""
    tab = opened_by(it, "Open the utility's portal")
    tab.get_by_role("button", name="Start the OAuth test").click()
    text: str = tab.get_by_label("Address").input_value()
    tab.close()
    return text


def test_a_registration_over_a_restart_of_the_kernel(form: Callable[..., Desk], utility: smd.Sandbox) -> None:
    token = utility.credentials.registration_token
    assert token is not None
    it = form()
    it.status("Which kind of user")
    it.shot("onboarding-choosing")
    it.button("Standard").click()
    it.status("0 of 7 passed")
    it.shot("onboarding-ready")
    assert it.panel.get_by_role("listitem").count() == 7  # read out as a list, by words
    api.expect(it.panel.get_by_role("listitem").first).to_have_text(re.compile("next$"))
    utility.faults.add("slow", path="*/ReadServiceStatus", delay=LONG)
    closing, utility._utility.closing = utility._utility.closing, Event()  # what is slow waits for this
    it.button("Begin the tests").focus()
    it.page.keyboard.press("Enter")  # from here by keyboard
    it.status("Under way: API connectivity test: ReadServiceStatus")
    it.accessible()
    utility._utility.closing.set()
    utility._utility.closing = closing
    it.status("The OAuth test needs you")
    api.expect(linked(it, "Open the utility's portal")).to_be_focused()
    it.shot("onboarding-oauth")
    field = it.panel.get_by_label("The address that the browser shows then")
    field.fill(copied(it))
    field.press("Enter")
    it.status("Waiting for you")
    it.shot("onboarding-consenting")

    it.restart()
    it.run(0, 2)
    it.status("The OAuth test needs you")
    api.expect(it.panel.locator("li[data-state=passed]")).to_have_count(4)
    api.expect(it.panel.locator("[aria-current=step]")).to_contain_text("OAuth test")
    it.panel.get_by_label("The address that the browser shows then").fill(copied(it))
    it.button("Use this address").click()
    it.status("Waiting for you")
    tab = opened_by(it, "Open the test's consent page")
    tab.get_by_role("button", name="Authorize").click()
    api.expect(tab.get_by_role("heading")).to_have_text("Back to your notebook")
    tab.close()
    it.status("registration access token is wanted")
    it.shot("onboarding-token")
    it.panel.get_by_label("The registration access token").fill(token.reveal())
    it.button("Use this token").click()
    it.status("All is passed")
    it.shot("onboarding-done")
    assert it.panel.locator("li[data-state=passed]").count() == 7
    it.file.write_text(json.dumps(it.saved()))
    assert "All is passed" in it.file.read_text()  # what the form shows is saved with the notebook
    secrets = {token.reveal(): "the registration token", utility.credentials.client_secret.reveal(): "the client secret"}
    assert scan_notebook(it.file, secrets=secrets) == []
    it.check()


#: What there may be to show, by a name for it: the first milestones passed, and the next one as it stands.
SCENES = """
from dataclasses import replace
from smd_notebook.access.certificates import Check
from smd_notebook.access.stations import Problem
from smd_notebook.widgets.checklist import Scene, listed

every = tuple(work.registration.milestones)
problem = "the utility refused the certificate (InvalidClientCertificate0123456789abcdef0123456789abcdef)"
trouble = Problem(problem, "utility", "Ask whether it is registered.", (("correlation id", "0123456789abcdef" * 3),))
checks = tuple(
    Check(name, outcome, "CN=notebook.example, of a CA with a long name, until 2027-01-01", advice)
    for name, outcome, advice in [
        ("clock", "ok", ""), ("service", "warning", "Wait."), ("certificate file", "failed", "Ask for one."), ("token", "unknown", "")
    ]
)

def scene(stage, passed=0, why="", refused=False, portal="sharemydata.pge.com", left=90, kind="standard", **more):
    there = [replace(one, done_at=1.8e9) for one in every[:passed]] + list(every[passed:])
    if why:
        there[passed] = replace(there[passed], problem=why, advice="Ask the utility whether it is registered.", refused=refused)
    there = () if stage in ("choosing", "blocked") else tuple(one for one in there if kind == "standard" or one.name != "oauth")
    return Scene(stage, "Pacific Gas and Electric", None if stage == "choosing" else kind, there, left, portal, **more)

scenes = {
    "choosing": scene("choosing"), "choosing-trouble": scene("choosing", trouble=trouble),
    "blocked": scene("blocked", trouble=trouble), "blocked-checks": scene("blocked", checks=checks, trouble=trouble),
    "ready": scene("ready"), "resumed": scene("ready", 3, left=12), "over": scene("ready", 3, left=-1),
    "checked": scene("ready", 3, checks=checks), "running": scene("running", 1), "running-again": scene("running", 1, problem),
    **{f"failed-{at}": scene("failed", at, problem) for at in (0, 1, 3, 4, 6)},
    "failed-checks": scene("failed", 2, problem, checks=checks), "refused": scene("failed", 5, problem, refused=True),
    "oauth": scene("oauth", 4), "oauth-again": scene("oauth", 4, problem), "oauth-anywhere": scene("oauth", 4, portal=""),
    "consenting": scene("consenting", 4, listens=True), "pasting": scene("consenting", 4, trouble=trouble),
    "token": scene("token", 5), "token-anywhere": scene("token", 4, portal="", kind="self-access"),
    "done": scene("done", 7), "done-alone": scene("done", 7, kind="self-access"),
}
print(*scenes)
"""


def test_every_scene_on_a_narrow_screen(form: Callable[..., Desk]) -> None:
    """What is long is broken, and there is one thing to do first, unless the form is at work or done."""
    it = form(width=400)
    it.button("Standard").click()
    it.status("0 of 7 passed")
    names = it.ask(SCENES).split()
    for number, name in enumerate(names):
        it.ask(f"view = listed(scenes[{name!r}]); work._panel.show(view | {{'title': view['title'] + ' ({number})'}})")
        api.expect(it.panel.get_by_role("heading")).to_contain_text(f"({number})")
        it.shot(f"scene-{name}")
        assert it.panel.evaluate(STICKS_OUT) == [], name
        busy = it.panel.get_attribute("aria-busy") == "true"
        primary = it.panel.locator(".smd-primary").count()
        assert primary == (0 if busy or name.startswith("done") else 1), name
        marked = it.panel.locator("[aria-current=step]").count()
        assert marked == (0 if name.startswith(("choosing", "blocked", "done")) else 1), name
    it.check()


def test_what_goes_wrong_on_a_narrow_screen_and_what_comes_after(form: Callable[..., Desk], utility: smd.Sandbox, tmp_path: Path) -> None:
    token = utility.credentials.registration_token
    assert token is not None
    it = form(width=400, certificate=str(tmp_path / "client.pem"))
    it.button("Self Access").click()
    it.status("Something is not set up")
    api.expect(it.panel.get_by_role("alert")).to_contain_text("client.pem is not there")
    it.shot("onboarding-blocked")
    (tmp_path / "client.pem").write_bytes(Path(utility.describe()["certificate"]).read_bytes())
    it.button("Look again").click()
    it.status("0 of 6 passed")
    utility.faults.add("no-listener", path="*/DownloadSampleData", times=None)
    it.button("Begin the tests").click()
    it.status("Not passed: API connectivity test: DownloadSampleData")
    it.shot("onboarding-failed")
    it.button("Check-up").click()
    api.expect(it.panel).to_contain_text("service status: ok")
    it.shot("onboarding-checkup")
    assert it.panel.evaluate(STICKS_OUT) == []
    utility.faults.clear()
    it.button("Try again").click()
    it.status("registration access token is wanted")
    assert it.panel.evaluate(STICKS_OUT) == []
    it.panel.get_by_label("The registration access token").fill(token.reveal())
    it.button("Use this token").click()
    it.status("All is passed")

    it.run(2, 3)  # with what the registration has brought: a form that has nobody to ask
    it.panel = it.page.locator(".smd-panel").last
    it.status("nobody has to be asked")
    api.expect(it.panel.get_by_role("heading")).to_have_text("Your own data at Practice utility")
    it.shot("self-access")
    assert it.panel.evaluate(STICKS_OUT) == []
    it.button("Ask a customer all the same").click()
    it.status("All is set up")
    it.check()
