"""The consent flow as a person has it: JupyterLab in Chromium, a click, the utility's page in another tab, and back."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks/02_authorize.ipynb"
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
#: Screenshots to look at are put into the folder that this variable names.
SHOTS = os.environ.get("SMD_SHOTS")
AXE = os.environ.get("SMD_AXE")

pytestmark = [pytest.mark.browser]
api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start the system's Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS.split())
        yield browser
        browser.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def lab(folder: Path, base: str = "/") -> Iterator[str]:
    """Run JupyterLab in a folder of its own; give the address that its notebooks are opened at."""
    settings = folder / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    manager = folder / "settings/@jupyter-widgets/jupyterlab-manager"
    manager.mkdir(parents=True)
    (manager / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
    port, token = free_port(), "browser-test"
    variables = {
        **os.environ,
        "HOME": str(folder),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "JUPYTERHUB_SERVICE_PREFIX": base if base != "/" else "",
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        *(f"--ServerApp.root_dir={folder}", f"--ServerApp.base_url={base}", "--LabApp.expose_app_in_browser=True"),
    ]
    with (folder / "lab.log").open("wb") as log, subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log) as server:
        try:
            address = f"http://127.0.0.1:{port}{base}"
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{address}api?token={token}", timeout=5).close()
                    break
                except OSError:
                    assert server.poll() is None, (folder / "lab.log").read_text()
                    time.sleep(0.1)
            yield f"{address}doc/tree/{{}}.ipynb?token={token}"
        finally:
            server.terminate()
            server.wait(30)


class Desk:
    """A browser with the notebook open; it notes every request and every complaint."""

    def __init__(self, chromium: Any, url: str, width: int = 1100) -> None:
        self.context = chromium.new_context(viewport={"width": width, "height": 900})
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.context.on("console", self._note)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
        self.page.evaluate(
            "async () => { await jupyterapp.restored; const it = jupyterapp.shell.currentWidget;"
            " await it.context.ready; await it.sessionContext.ready; }"
        )
        self.panel = self.page.locator(".smd-panel").first

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def run(self, number: int) -> None:
        """Run the first so many code cells, one after the other."""
        self.page.evaluate(
            """async number => {
                const app = window.jupyterapp, book = app.shell.currentWidget.content;
                let left = number;
                for (let at = 0; at < book.widgets.length && left > 0; at++) {
                    if (book.widgets[at].model.type !== 'code') continue;
                    left -= 1;
                    book.activeCellIndex = at;
                    await app.commands.execute('notebook:run-cell');
                }
            }""",
            number,
        )

    def status(self, pattern: str, timeout: float = 30_000) -> None:
        """Wait until the form's status line says so."""
        api.expect(self.panel.locator("[role=status]")).to_have_text(re.compile(pattern), timeout=timeout)

    def button(self, name: str) -> Any:
        return self.panel.get_by_role("button", name=name)

    def link(self) -> Any:
        found = self.panel.get_by_role("link", name="Open the consent page")
        api.expect(found).to_have_attribute("href", re.compile("myAuthorization"))
        return found

    def portal(self) -> Any:
        """Open the utility's page in the second tab."""
        with self.context.expect_page() as opened:
            self.link().click()
        tab = opened.value
        tab.wait_for_load_state()
        return tab

    def shot(self, name: str) -> None:
        """Look whether the form is accessible; take pictures of it, light and dark, where somebody wants to look at them."""
        self.accessible()
        if not SHOTS:
            return
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            self.page.wait_for_timeout(600)
            self.panel.screenshot(path=Path(SHOTS, f"{name}-{theme.rpartition(' ')[2].lower()}.png"))
        self.page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
        self.page.wait_for_timeout(600)

    def accessible(self) -> None:
        """Let axe-core look at the form, where the variable SMD_AXE names its axe.min.js."""
        if not AXE:
            return
        self.page.evaluate(Path(AXE).read_text(encoding="utf-8"))
        look = "async () => (await axe.run('.smd-panel')).violations.map(one => [one.impact, one.id, one.nodes.map(node => node.html)])"
        found = self.page.evaluate(look)
        assert [one for one in found if one[0] in ("serious", "critical")] == []

    def restart(self) -> None:
        """Restart the kernel, with nothing asked."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")

    def saved(self) -> str:
        """Save the notebook with the state of its widgets, and return what is in the file's model."""
        text: str = self.page.evaluate(
            "async () => { const it = jupyterapp.shell.currentWidget; await it.context.save(); return JSON.stringify(it.model.toJSON()); }"
        )
        return text

    def check(self) -> None:
        """Nothing but this machine was asked, and nothing complained."""
        hosts = {urlsplit(url).hostname for url in self.asked if not url.startswith(("data:", "blob:"))}
        assert hosts == {"127.0.0.1"}
        assert self.complaints == []
        self.context.close()


def sign_in(tab: Any) -> None:
    """Sign in as the first customer, with what the page itself lists."""
    tab.get_by_role("button", name="Sign in").wait_for()
    listed = tab.inner_text("main")
    email = re.search(r"[\w.+-]+@[\w.-]+", listed)
    assert email is not None
    row = next(line for line in listed.splitlines() if email[0] in line)
    tab.fill("input[name=email]", email[0])
    tab.fill("input[name=password]", row.split()[-1])
    tab.get_by_role("button", name="Sign in").click()


def agree(tab: Any) -> None:
    sign_in(tab)
    tab.get_by_role("button", name="Authorize").click()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Run JupyterLab as on a laptop."""
    folder = tmp_path_factory.mktemp("plain")
    with lab(folder) as address:
        yield folder, address


@pytest.fixture
def desk(chromium: Any) -> Iterator[Callable[..., Desk]]:
    """Give a function that opens a copy of the notebook, and runs it as far as the form."""
    opened = []

    def open_at(place: tuple[Path, str], name: str, width: int = 1100) -> Desk:
        folder, address = place
        shutil.copy(NOTEBOOK, folder / f"{name}.ipynb")
        one = Desk(chromium, address.format(name), width)
        opened.append(one)
        one.run(3)
        return one

    yield open_at
    for one in opened:
        one.context.close()


def test_consent_in_a_second_tab(desk: Callable[..., Desk], plain: tuple[Path, str]) -> None:
    it = desk(plain, "consent")
    it.status("All is set up")
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


def test_what_goes_wrong_on_a_narrow_screen(desk: Callable[..., Desk], plain: tuple[Path, str]) -> None:
    """A customer who refuses, answers that are wrong, one that is pasted, a kernel that is restarted in the middle."""
    it = desk(plain, "trouble", width=400)
    it.status("All is set up")
    it.button("Ask the customer").click()
    tab = it.portal()
    tab.get_by_role("button", name="Cancel").click()
    it.status("did not agree")
    it.shot("denied")
    tab.close()
    it.button("Start again").click()
    it.status("All is set up")
    it.button("Ask the customer").click()
    address = it.link().get_attribute("href")
    state = re.search(r"state=([\w-]+)", address)
    assert state is not None
    field = it.panel.get_by_label("If it does not come back")
    field.fill("https://localhost/callback?code=canary-code&state=canary-state")
    field.press("Enter")
    api.expect(it.panel.get_by_role("alert")).to_contain_text("does not answer the request")
    assert it.panel.get_by_label("If it does not come back").input_value() == ""
    it.shot("wrong-state")
    assert it.panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")  # nothing sticks out
    text = it.saved()
    assert "Waiting for the customer" in text  # the form's state is saved with the notebook, in the middle of it all
    assert state[1] not in text
    assert "canary" not in text

    it.restart()
    tab = it.portal()
    api.expect(tab.locator("body")).to_contain_text("refused")  # the practice utility has ended with the kernel
    tab.close()
    it.button("Cancel").click()
    it.status("The kernel does not answer")
    it.shot("restarted")
    it.run(3)
    it.status("All is set up")
    it.button("Ask the customer").click()
    tab = it.portal()
    agree(tab)
    it.status("^Authorized")
    it.complaints = [one for one in it.complaints if "ERR_CONNECTION_REFUSED" not in one]
    it.check()


@pytest.mark.skipif(find_spec("jupyter_server_proxy") is None, reason="jupyter-server-proxy is not in this environment")
def test_behind_a_hub_by_keyboard_alone(desk: Callable[..., Desk], tmp_path: Path) -> None:
    with lab(tmp_path, "/user/me/") as address:
        it = desk((tmp_path, address), "hub")
        it.status("All is set up")
        it.button("Ask the customer").focus()
        it.page.keyboard.press("Enter")
        it.status("Waiting for the customer")
        api.expect(it.link()).to_be_focused()
        with it.context.expect_page() as opened:
            it.page.keyboard.press("Enter")
        tab = opened.value
        tab.wait_for_load_state()
        assert re.search(r"/user/me/proxy/\d+/myAuthorization", tab.url)
        agree(tab)
        api.expect(tab.get_by_role("heading")).to_have_text("Back to your notebook")
        assert re.search(r"/user/me/proxy/\d+/callback$", tab.url)
        it.status("^Authorized")
        it.check()
