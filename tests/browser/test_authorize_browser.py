"""The consent flow as a person has it: JupyterLab in Chromium, a click, the utility's page in another tab, and back."""

from __future__ import annotations

import json
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
    """Run JupyterLab in a folder of its own; give the address that it is opened at."""
    settings = folder / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
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
            yield f"{address}doc/tree/02_authorize.ipynb?token={token}"
        finally:
            server.terminate()
            server.wait(30)


class Desk:
    """A browser with the notebook open; it notes every request and every complaint."""

    def __init__(self, chromium: Any, url: str, **options: Any) -> None:
        self.context = chromium.new_context(viewport={"width": 1100, "height": 900}, **options)
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
        """Take pictures of the form, light, dark and narrow, where somebody wants to look at them."""
        if not SHOTS:
            return
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            self.page.wait_for_timeout(600)
            self.panel.screenshot(path=Path(SHOTS, f"{name}-{theme.rpartition(' ')[2].lower()}.png"))
        self.page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
        self.page.wait_for_timeout(600)

    def saved(self) -> str:
        """Save the notebook with the state of its widgets, and return what is in the file's model."""
        text: str = self.page.evaluate(
            "async () => { const it = window.jupyterapp.shell.currentWidget; await it.context.save(); return JSON.stringify(it.model.toJSON()); }"
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


@pytest.fixture
def desk(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Give a function that opens the notebook in a browser, its first three cells run."""
    shutil.copy(NOTEBOOK, tmp_path)
    opened = []

    def open_at(url: str, **options: Any) -> Desk:
        one = Desk(chromium, url, **options)
        opened.append(one)
        one.run(3)
        return one

    yield open_at
    for one in opened:
        one.context.close()


def test_consent_in_a_second_tab(desk: Callable[..., Desk], tmp_path: Path) -> None:
    with lab(tmp_path) as url:
        it = desk(url)
        it.status("All is set up")
        it.shot("ready")
        it.button("Ask the customer").click()
        it.status("Waiting for the customer")
        tab = it.portal()
        it.shot("awaiting")
        sign_in(tab)
        tab.get_by_role("button", name="Authorize").click()
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
        text = it.saved()
        assert "Waiting for" not in text
        assert not re.search(r"state=|code=", json.dumps(json.loads(text)["metadata"]))
        it.check()
