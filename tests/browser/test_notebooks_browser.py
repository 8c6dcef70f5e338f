"""The notebooks as a newcomer has them: all cells run in JupyterLab, figures drawn, nothing asked but this machine, nothing given away."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable

import pytest

from smd_notebook.scan import scan_notebook
from tests.browser.desk import Desk, agree
from tests.hygiene import CANARIES

pytestmark = pytest.mark.browser

FIGURE = "application/vnd.plotly.v1+json"
#: What the practice utility's client holds, and a notebook must not.
SECRETS = """
held = client.tokens.store
print(client.credentials.client_secret.reveal())
for key in held.keys():
    token = held.get(key)
    print(token.access_token.reveal(), token.refresh_token.reveal() if token.refresh_token else "")
"""


def figures(it: Desk) -> list[int]:
    """Return the cells below which there is a figure; no cell may have failed."""
    cells = it.saved()["cells"]
    outputs = [(number, one) for number, cell in enumerate(cells) for one in cell.get("outputs", ())]
    assert [one.get("evalue") for _, one in outputs if one["output_type"] == "error"] == []
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")
    return [number for number, one in outputs if FIGURE in one.get("data", {})]


def look(it: Desk, least: int) -> None:
    """Look at each figure: it has colours, and more on it than a frame."""
    found = figures(it)
    assert len(found) >= least
    for number in found:
        it.drawn(number, 20, 0.02)


def given_away(it: Desk, *secrets: str) -> list[str]:
    """Save the notebook with the state of its widgets; say what the file gives away."""
    it.saved()
    known = {value: f"the value of {name}" for name, value in CANARIES.items()} | dict.fromkeys(secrets, "a secret of this run")
    return [str(hit) for hit in scan_notebook(it.file, secrets=known)]


def test_a_newcomer_meets_the_heat_map(desk: Callable[..., Desk], capsys: pytest.CaptureFixture[str]) -> None:
    """The notebook's address is opened, and all its cells are run from the menu: three clicks with the one on the address."""
    began = time.monotonic()
    it = desk("01_first_look", view="lab")
    opened = time.monotonic() - began
    it.page.get_by_role("menuitem", name="Run", exact=True).click()
    it.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    heatmap = next(at for at, cell in enumerate(json.loads(it.file.read_text())["cells"]) if "plot.heatmap" in "".join(cell["source"]))
    it.drawn(heatmap)
    took = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(f"\nThe notebook is open after {opened:.1f} s, the heat map drawn after {took:.1f} s.\n")
    it.idle()
    look(it, 2)
    assert given_away(it) == []
    it.check()


def test_load_profiles_are_drawn(desk: Callable[..., Desk]) -> None:
    it = desk("04_load_profiles")
    it.run()
    look(it, 6)
    assert given_away(it) == []
    it.check()


def test_consent_by_hand_and_on_to_the_end(desk: Callable[..., Desk]) -> None:
    """Saved in the middle with the form open, and at the end with it closed, the notebook holds none of the secrets that it ran with."""
    it = desk("02_authorize")
    it.run(0, 3)
    it.button("Ask the customer").click()
    it.link()
    state = it.ask("print(auth._token.reveal())").strip()
    assert len(state) > 20
    tab = it.portal()
    assert "Waiting for the customer" in json.dumps(it.saved())  # the form's state is saved with the notebook
    assert given_away(it, state) == []
    answers: list[str] = []
    it.context.on("request", lambda request: answers.append(request.url) if "/callback?" in request.url else None)
    agree(tab)
    it.status("^Authorized")
    tab.close()
    codes = re.findall(r"[?&](?:authorization_)?code=([^&]+)", answers[0])
    tokens = it.ask(SECRETS).split()
    assert codes
    assert len(tokens) >= 4  # the client's secret and token, and two tokens of the customer
    assert given_away(it, state, *codes, *tokens) == []
    it.run(3)
    assert figures(it) == []
    assert "auth.close()" in it.saved()["cells"][-2]["source"]
    assert given_away(it, state, *codes, *tokens) == []
    it.check()
