"""A desk to sit at: JupyterLab in Chromium, with every request and complaint noted, and the customer who agrees."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.hygiene import CANARIES
from tests.patience import LONG
from tests.ports import free_port

api = pytest.importorskip("playwright.sync_api")
api.expect.set_options(timeout=LONG * 1000)

__all__ = ["BINDER", "FIRST_KERNEL", "NOTEBOOKS", "ROOT", "Desk", "agree", "api", "lab", "sign_in"]

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
#: `run.py browser --binder` names the Python of another environment, whose JupyterLab and kernel are tried.
BINDER = os.environ.get("SMD_LAB_PYTHON", "")
#: The kernel that was in that environment before our requirements, where `run.py` has kept it.
FIRST_KERNEL = next(map(str, Path(BINDER).parents[1].glob("first-kernel")), "") if BINDER else ""
#: Screenshots to look at are put into the folder that this variable names.
SHOTS = os.environ.get("SMD_SHOTS")
#: Where axe-core is: its axe.min.js.
AXE = os.environ.get("SMD_AXE")

TOKEN = "browser-test"
NEWS = ("@jupyterlab/apputils-extension/notification.jupyterlab-settings", '{"fetchNews": "false", "checkForUpdates": false}')
STATE = ("@jupyter-widgets/jupyterlab-manager/plugin.jupyterlab-settings", '{"saveState": true}')

#: anywidget 0.11 takes no message for a widget any more whose script was not loaded within 2 s: an empty form would stay empty.
PATIENT = f"""{{
    const after = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = time => after(Math.max(time, {LONG * 1000:.0f}));
}}"""
READY = """async () => {
    await jupyterapp.restored;
    const it = jupyterapp.shell.currentWidget;
    await it.context.ready;
    await it.sessionContext.ready;
}"""
RUN = """async ([from, to]) => {
    const book = jupyterapp.shell.currentWidget.content;
    const code = [...book.widgets.keys()].filter(at => book.widgets[at].model.type === 'code');
    for (const at of code.slice(from, to)) {
        book.activeCellIndex = at;
        await jupyterapp.commands.execute('notebook:run-cell');
    }
}"""
ASK = """async source => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const told = [];
    const asked = kernel.requestExecute({code: source, silent: false, store_history: false});
    asked.onIOPub = message => told.push(message.content.text ?? '');
    const reply = await asked.done;
    if (reply.content.status !== 'ok') throw new Error(reply.content.evalue);
    return told.join('');
}"""
SAVE = """async () => {
    const it = jupyterapp.shell.currentWidget;
    await it.context.save();
    return it.model.toJSON();
}"""
#: Scroll to a cell, and tell whether its figure can be seen: while cells run, the notebook scrolls by itself, and hides what is far away.
SHOWN = """([number, figure]) => {
    jupyterapp.shell.currentWidget.content.scrollToItem(number, 'start');
    return (document.querySelector(figure)?.getBoundingClientRect().height ?? 0) > 0;
}"""
#: How many colours a picture has, and how much of it is of another colour than its corner.
COLOURS = """async picture => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + picture;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const dots = new Uint32Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer);
    return [new Set(dots).size, dots.filter(dot => dot !== dots[0]).length / dots.length];
}"""


@contextmanager
def lab(folder: Path, base: str = "/", kernel: Path | None = None) -> Iterator[str]:
    """Run JupyterLab in a folder of its own; give the address that its notebooks are opened at.

    `kernel` is a folder that stands before what is installed.
    """
    for name, text in (NEWS, STATE):
        file = folder / "settings" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    port = free_port()
    python = Path(BINDER or sys.executable)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL_ENV"))}
    ways = [kernel, None if BINDER else ROOT]  # what Binder has is installed: nothing of this folder helps it
    variables = {
        **inherited,
        **CANARIES,
        "SMD_CLIENT_ID": "canary-client-id",
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(str(one) for one in ways if one),
        "HOME": str(folder),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERHUB_SERVICE_PREFIX": base if base != "/" else "",
    }
    if BINDER:
        variables["BINDER_REPO_URL"] = "https://github.com/example/smd-notebook"
    command = [
        *(str(python), "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={folder}", f"--ServerApp.base_url={base}", "--LabApp.expose_app_in_browser=True"),
    ]
    with (folder / "lab.log").open("wb") as log, subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log) as server:
        try:
            address = f"http://127.0.0.1:{port}{base}"
            for _ in range(6000):
                try:
                    urllib.request.urlopen(f"{address}api?token={TOKEN}", timeout=60).close()
                    break
                except OSError:
                    assert server.poll() is None, (folder / "lab.log").read_text()
                    time.sleep(0.1)
            yield f"{address}{{}}.ipynb?token={TOKEN}"
        finally:
            server.terminate()
            server.wait(LONG)


class Desk:
    """A browser with the notebook open; it notes every request and every complaint."""

    def __init__(self, chromium: Any, url: str, width: int = 1100) -> None:
        self.context = chromium.new_context(viewport={"width": width, "height": 1800 if SHOTS else 900})
        self.file = Path()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.context.on("console", self._note)
        self.context.set_default_timeout(LONG * 1000)
        self.context.add_init_script(PATIENT)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.goto(url)
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
        self.page.evaluate(READY)
        self.panel = self.page.locator(".smd-panel").first

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    # -- the notebook --------------------------------------------------------------------------------------------------------------------

    def run(self, start: int = 0, stop: int | None = None) -> None:
        """Run code cells from one to before another, one after the other."""
        self.page.evaluate(RUN, [start, 1000 if stop is None else stop])

    def ask(self, source: str) -> str:
        """Let the kernel run something that no cell holds; return what it prints."""
        told: str = self.page.evaluate(ASK, source)
        return told

    def idle(self) -> None:
        """Wait until the kernel has nothing more to do."""
        self.page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")

    def restart(self) -> None:
        """Restart the kernel, with nothing asked."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")

    def saved(self) -> dict[str, Any]:
        """Save the notebook with the state of its widgets; return what is saved."""
        model: dict[str, Any] = self.page.evaluate(SAVE)
        return model

    def drawn(self, number: int, colours: int = 0, share: float = 0.0) -> None:
        """Scroll to a cell, and wait until the figure below it is drawn: it has more colours, and more of it is not background."""
        figure = f'.jp-Notebook .jp-Cell[data-windowed-list-index="{number}"] .js-plotly-plot'
        self.page.wait_for_function(SHOWN, arg=[number, figure], polling=500)
        self.coloured(self.page.locator(figure), colours, share)

    def coloured(self, figure: Any, colours: int, share: float) -> None:
        """Wait until a figure has more colours than these, and more of it is not background."""
        figure.locator(".main-svg .plot, .main-svg .subplot").first.wait_for(state="attached")
        assert figure.locator(".main-svg").count() >= 1
        until = time.monotonic() + 60
        while True:
            found = self.page.evaluate(COLOURS, _encoded(figure.screenshot()))
            if found[0] > colours and found[1] > share:
                return
            assert time.monotonic() < until, found
            self.page.wait_for_timeout(200)

    # -- the form ------------------------------------------------------------------------------------------------------------------------

    def status(self, pattern: str) -> None:
        """Wait until the form's status line says so."""
        api.expect(self.panel.locator("[role=status]")).to_have_text(re.compile(pattern))

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
            self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            self.page.wait_for_timeout(600)
            self.accessible()
            self.panel.screenshot(path=Path(SHOTS, f"{name}-{theme.rpartition(' ')[2].lower()}.png"))
        self.page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
        self.page.wait_for_timeout(600)

    def accessible(self) -> None:
        """Let axe-core look at the form, where there is one."""
        if not AXE:
            return
        self.page.evaluate(Path(AXE).read_text(encoding="utf-8"))
        look = "async panel => (await axe.run(panel)).violations.map(one => [one.impact, one.id, one.nodes.map(node => node.html)])"
        found = self.panel.evaluate(look)
        assert [one for one in found if one[0] in ("serious", "critical")] == []

    # -- what it comes to ----------------------------------------------------------------------------------------------------------------

    def forget_the_gone(self) -> None:
        """Forget the complaints that somebody was asked who had gone: by the browser, or by a hub's proxy."""
        self.complaints = [one for one in self.complaints if "ERR_CONNECTION_REFUSED" not in one and "status of 500" not in one]

    def check(self) -> None:
        """Nothing but this machine was asked, and nothing complained."""
        hosts = {urlsplit(url).hostname for url in self.asked if not url.startswith(("data:", "blob:"))}
        assert hosts == {"127.0.0.1"}
        assert self.complaints == []
        self.context.close()


def _encoded(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


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
