"""The consent flow as a person has it: JupyterLab in Chromium, a click, the utility's page in another tab, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser.desk import BINDER, FIRST_KERNEL, Desk, agree, api, lab

pytestmark = pytest.mark.browser

#: What of the form lies beyond its right edge.
STICKS_OUT = """panel => [...panel.querySelectorAll('*')].filter(one =>
    one.getBoundingClientRect().right > panel.getBoundingClientRect().right).map(one => one.outerHTML)"""
#: What a browser shows where nobody listens, and what a hub's proxy does.
GONE = re.compile("refused|Could not connect|500 : Internal Server Error")


@pytest.fixture
def form(desk: Callable[..., Desk]) -> Callable[..., Desk]:
    """Give a function that opens the notebook, and runs it as far as the form."""

    def show(**how: Any) -> Desk:
        one = desk("02_authorize", **how)
        one.run(0, 3)
        one.status("All is set up")
        return one

    return show


def test_consent_in_a_second_tab(form: Callable[..., Desk]) -> None:
    it = form()
    it.shot("ready")
    it.button("Ask the customer").click()
    it.status("Waiting for the customer")
    tab = it.portal()
    it.shot("awaiting")
    agree(tab)
    api.expect(tab.get_by_role("heading")).to_have_text("Back to your notebook")
    assert "code=" not in tab.evaluate("location.href")
    it.status("^Authorized")
    api.expect(it.panel).to_contain_text("granted until")
    it.shot("authorized")
    tab.close()
    it.button("Revoke").click()
    it.status("Delete this authorization")
    it.shot("confirm")
    it.button("Delete the authorization").click()
    it.status("is deleted")
    it.shot("revoked")
    it.check()


def test_what_goes_wrong_on_a_narrow_screen(form: Callable[..., Desk]) -> None:
    """A customer who refuses, an answer that is wrong, a kernel that is restarted in the middle."""
    it = form(width=400)
    it.shot("ready-narrow")
    it.button("Ask the customer").click()
    tab = it.portal()
    tab.get_by_role("button", name="Cancel").click()
    it.status("did not agree")
    it.shot("denied")
    tab.close()
    it.button("Start again").click()
    it.status("All is set up")
    it.button("Ask the customer").click()
    it.link()
    field = it.panel.get_by_label("If it does not come back")
    field.fill("https://localhost/callback?code=canary-code&state=canary-state")
    field.press("Enter")
    api.expect(it.panel.get_by_role("alert")).to_contain_text("does not answer the request")
    assert it.panel.get_by_label("If it does not come back").input_value() == ""
    it.shot("wrong-state")
    assert it.panel.evaluate(STICKS_OUT) == []
    assert "canary" not in json.dumps(it.saved())

    it.restart()
    tab = it.portal()
    api.expect(tab.locator("body")).to_contain_text(GONE)  # the practice utility, with the kernel
    tab.close()
    it.button("Cancel").click()
    it.status("The kernel does not answer")
    it.shot("restarted")
    it.run(0, 3)
    it.status("All is set up")
    it.button("Ask the customer").click()
    tab = it.portal()
    agree(tab)
    it.status("^Authorized")
    it.shot("authorized-narrow")
    it.forget_the_gone()
    it.check()


def test_time_runs_out_and_an_answer_is_pasted(form: Callable[..., Desk]) -> None:
    it = form(width=400)
    it.ask("from smd_notebook.access import flow; patience, flow.PATIENCE = flow.PATIENCE, 1.0")
    it.button("Ask the customer").click()
    it.status("The time ran out")
    it.shot("expired")
    it.ask("flow.PATIENCE = patience")
    it.button("Start again").click()
    it.status("All is set up")

    asked: list[str] = []
    it.context.on("request", lambda request: asked.append(request.url) if "/callback?" in request.url else None)
    it.button("Ask the customer").click()
    tab = it.portal()
    it.ask("auth._receiver.close()")  # as if the browser were on another machine than the kernel: where it ends, nobody answers
    agree(tab)
    api.expect(tab.locator("body")).to_contain_text(GONE)
    tab.close()
    field = it.panel.get_by_label("If it does not come back")
    field.fill(asked[0])
    it.shot("pasting")
    it.button("Use this address").click()
    it.status("^Authorized")
    it.forget_the_gone()
    it.check()


#: One of each state, whatever leads there, by its name.
STATES = """
from dataclasses import fields
from smd_notebook.access import stations
from smd_notebook.espi.resources import Secret
from smd_notebook.widgets.wording import NAMES, shown

problem = stations.Problem(
    "The utility refused the certificate (InvalidClientCertificate)", "utility", "Ask whether it is registered.",
    (("correlation id", "0123456789abcdef0123456789abcdef0123456789abcdef"),),
)
given = {
    "problem": problem, "grant": stations.Grant("1"), "kind": "certificate",
    "token": Secret("x"), "code": Secret("x"), "deadline": 4e9, "subscription": "1",
}
states = {name: kind(**{one.name: given[one.name] for one in fields(kind) if one.name in given}) for kind, name in NAMES.items()}
print(*states)
"""


def test_every_state_on_a_narrow_screen(form: Callable[..., Desk]) -> None:
    """What is long is broken, and there is one thing to do first, unless the form is at work or done."""
    it = form(width=400)
    names = it.ask(STATES).split()
    assert len(names) > 15
    for name in names:
        it.ask(f"auth._panel.show(shown(states[{name!r}], auth._around()))")
        api.expect(it.panel).to_have_attribute("data-state", name)
        it.shot(f"state-{name}")
        assert it.panel.evaluate(STICKS_OUT) == [], name
        busy = it.panel.get_attribute("aria-busy") == "true"
        assert it.panel.locator(".smd-primary").count() == (0 if busy or name in ("authorized", "refreshing") else 1), name
    it.check()


@pytest.fixture
def hub(place: tuple[Path, str], tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Run JupyterLab as a hub does, where it does not run so anyway."""
    if BINDER:
        yield place
        return
    with lab(tmp_path, "/user/name/") as address:
        yield tmp_path, address


@pytest.mark.skipif(find_spec("jupyter_server_proxy") is None, reason="jupyter-server-proxy is not in this environment")
def test_behind_a_hub_by_keyboard_alone(form: Callable[..., Desk], hub: tuple[Path, str]) -> None:
    it = form(at=hub)
    it.button("Ask the customer").focus()
    it.page.keyboard.press("Enter")
    it.status("Waiting for the customer")
    api.expect(it.link()).to_be_focused()
    with it.context.expect_page() as opened:
        it.page.keyboard.press("Enter")
    tab = opened.value
    tab.wait_for_load_state()
    assert re.search(r"/user/name/proxy/\d+/myAuthorization", tab.url)
    agree(tab)
    api.expect(tab.get_by_role("heading")).to_have_text("Back to your notebook")
    assert re.search(r"/user/name/proxy/\d+/callback$", tab.url)
    it.status("^Authorized")
    it.check()


@pytest.mark.skipif(not FIRST_KERNEL, reason="only Binder's environment begins with another kernel: run.py browser --binder")
def test_in_the_kernel_that_binder_begins_with(form: Callable[..., Desk], tmp_path: Path) -> None:
    """In ipykernel 7.0 what a thread sets reaches the page only in the context of the click that began it."""
    with lab(tmp_path, "/user/name/", kernel=Path(FIRST_KERNEL)) as address:
        it = form(at=(tmp_path, address))
        assert it.ask("import ipykernel; print(ipykernel.__version__)").strip() == "7.0.1"
        it.button("Ask the customer").click()
        tab = it.portal()
        agree(tab)
        it.status("^Authorized")
        it.button("Revoke").click()
        it.button("Delete the authorization").click()
        it.status("is deleted")
        it.button("Ask again").click()
        it.button("Ask the customer").click()
        tab = it.portal()
        tab.get_by_role("button", name="Cancel").click()
        it.status("did not agree")
        it.check()
