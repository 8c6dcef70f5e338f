"""Looking around in a feed as a person does: by keyboard and mouse, on wide and narrow screens, and on to the code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from smd_notebook.scan import scan_notebook
from tests.browser.desk import NOTEBOOKS, Desk, api

pytestmark = pytest.mark.browser

FIGURE = "application/vnd.plotly.v1+json"


@pytest.fixture
def around(desk: Callable[..., Desk]) -> Callable[..., Desk]:
    """Give a function that opens the notebook on load profiles, and runs its first cell and the one with the form."""
    cells = json.loads((NOTEBOOKS / "04_load_profiles.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    place = next(at for at, source in enumerate(code) if "smd.Explore(" in source)

    def show(**how: Any) -> Desk:
        one = desk("04_load_profiles", **how)
        one.run(0, 1)
        one.run(place, place + 1)
        one.panel = one.page.locator(".smd-explore")
        one.status("2025-07-01 to 2025-07-31: 2,976 readings")
        return one

    return show


def plots(it: Desk, number: int) -> list[Any]:
    """Return the figures, each of which has to be drawn."""
    found = it.panel.locator(".js-plotly-plot")
    api.expect(found).to_have_count(number)
    for plot in found.all():
        plot.scroll_into_view_if_needed()
        it.coloured(plot, 4, 0.02)
    return list(found.all())


def test_look_around_and_keep_the_code(around: Callable[..., Desk]) -> None:
    it = around(width=1400)
    plots(it, 4)
    it.shot("explore")
    api.expect(it.panel.locator(".js-plotly-plot").first).to_have_attribute("aria-label", re.compile("^Heat map of the mean power of"))

    it.panel.get_by_label("Period").focus()  # by keyboard
    it.page.keyboard.type("May")
    while it.panel.get_by_label("Period").input_value() != "2025-05":  # letters that came too slowly are words of their own
        it.page.wait_for_timeout(1500)
        it.page.keyboard.type("May")
    it.status("2025-05-01 to 2025-05-31: 2,976 readings, America/Los_Angeles.$")
    api.expect(it.panel.get_by_label("Period")).to_be_focused()
    it.page.keyboard.press("Tab")
    api.expect(it.panel.get_by_label("First day")).to_be_focused()
    quality = it.panel.get_by_role("checkbox", name="Quality")
    quality.focus()
    it.page.keyboard.press("Space")
    map_ = plots(it, 3)[0]
    api.expect(quality).to_be_focused()

    drawn = map_.locator(".nsewdrag").first  # by mouse: from the middle of the map to its end
    drawn.scroll_into_view_if_needed()
    box = drawn.bounding_box()
    mouse = it.page.mouse
    mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3)
    mouse.down()
    mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] * 0.7, steps=6)
    mouse.up()
    it.status("2025-05-1[67] to 2025-05-31: 1,[45].. readings, America/Los_Angeles.$")
    api.expect(it.panel.get_by_label("Period")).to_have_value("own")

    it.button("Write this as a code cell").click()
    it.status("The code is in a new cell below.")
    cells = it.saved()["cells"]
    at = next(number for number, cell in enumerate(cells) if cell["source"].startswith("explorer = ")) + 1
    assert cells[at]["source"] == it.ask("print(explorer.code)").strip()
    assert 'home.select(channel="electricity delivered", start="2025-05-1' in cells[at]["source"]
    it.page.evaluate("at => { jupyterapp.shell.currentWidget.content.activeCellIndex = at; }", at)
    it.page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    outputs = it.saved()["cells"][at]["outputs"]
    assert [FIGURE in one["data"] for one in outputs] == [True] * 3
    assert it.ask("print([f.layout.title.text for f in explorer.figures.values()])").strip() == repr(
        [one["data"][FIGURE]["layout"]["title"]["text"] for one in outputs]
    )

    it.context.grant_permissions(["clipboard-read", "clipboard-write"])
    it.button("Copy the code").click()
    it.status("The code is copied.")
    assert it.page.evaluate("navigator.clipboard.readText()") == it.ask("print(explorer.code)").strip()

    first = it.panel.get_by_label("First day")
    first.fill("2031-01-01")
    it.status("Choose days from 2025-01-01 to 2025-12-31.")
    it.shot("explore-wrong-day")
    saved = it.saved()
    assert "saved" not in saved  # a name that no notebook has
    assert len(json.dumps(saved)) < 3_000_000
    assert [str(hit) for hit in scan_notebook(it.file, secrets={})] == []

    it.restart()
    it.panel.get_by_label("Period").select_option("all")
    it.status("The kernel does not answer")
    it.check()


def test_a_narrow_screen(around: Callable[..., Desk]) -> None:
    it = around(width=400)
    it.shot("explore-narrow")
    assert it.panel.locator(".smd-panel").evaluate("panel => panel.scrollWidth <= panel.clientWidth")  # nothing sticks out
    plots(it, 4)
    plot = it.panel.locator(".js-plotly-plot").first
    plot.focus()
    moved = "() => { let at = document.activeElement; while (at && !at.scrollLeft) at = at.parentElement; return Boolean(at); }"
    assert not it.page.evaluate(moved)
    for _ in range(6):
        it.page.keyboard.press("ArrowRight")
    it.page.wait_for_function(moved)  # what does not fit is reached by keyboard
    it.check()
