"""What the tests with a browser share: Chromium, and one JupyterLab for all of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

#: What Chromium would ask by itself, and no page of ours; it reaches nobody but this machine in any case.
CHROMIUM = {"accounts.google.com", "content-autofill.googleapis.com", "update.googleapis.com"}
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start the system's Chromium; in the end read in its own log whom it asked, whatever page or worker or extension wanted it."""
    api = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium here")
    log = tmp_path_factory.mktemp("chromium") / "net.json"
    with api.sync_playwright() as playwright:
        alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS.split(), alone, f"--log-net-log={log}"])
        yield browser
        browser.close()
    hosts = {urlsplit(url).hostname for url in re.findall(r'"url":"((?:https?|wss?)://[^"]*)"', log.read_text(errors="replace"))}
    assert hosts - CHROMIUM <= {"127.0.0.1"}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Run JupyterLab as on a laptop, or as on Binder."""
    from tests.browser.desk import BINDER, lab

    folder = tmp_path_factory.mktemp("place")
    with lab(folder, "/user/name/" if BINDER else "/") as address:
        yield folder, address


@pytest.fixture
def desk(chromium: Any, place: tuple[Path, str]) -> Iterator[Callable[..., Any]]:
    """Give a function that opens a copy of a notebook."""
    from tests.browser.desk import NOTEBOOKS, Desk

    opened = []

    def open_at(notebook: str, *, view: str = "doc", width: int = 1100, at: tuple[Path, str] = place) -> Any:
        folder, address = at
        name = f"{notebook}-{len(list(folder.glob('*.ipynb')))}"
        shutil.copy(NOTEBOOKS / f"{notebook}.ipynb", folder / f"{name}.ipynb")
        one = Desk(chromium, address.format(f"{view}/tree/{name}"), width)
        one.file = folder / f"{name}.ipynb"
        opened.append(one)
        return one

    yield open_at
    for one in opened:
        one.context.close()
