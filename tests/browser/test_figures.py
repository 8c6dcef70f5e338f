"""Figures as Chromium draws them: no upload, no request, and gaps that stay gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import smd_notebook as smd
from tests import test_plot_homes as homes
from tests.patience import LONG

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    feed = smd.sample("solar-home")
    frame = feed.tidy()
    with_gap = frame[(frame["start"] < "2025-02-03") | (frame["start"] >= "2025-03-20")]
    tariff = smd.analysis.load_tariff("EV2-A", on="2026-03-01")
    lines = smd.analysis.bill(feed, tariff, cycles="1MS", rates_as_of="2026-03-01", export_price=0.05)
    return {
        "series": smd.plot.series(with_gap),
        "energy": smd.plot.energy(with_gap),
        "flows": smd.plot.flows(with_gap),
        "heatmap": smd.plot.heatmap(with_gap),
        "quality": smd.plot.quality(with_gap),
        "peak_days": smd.plot.peak_days(feed),
        "profile": smd.plot.profile(feed),
        "duration": smd.plot.duration(feed, channel="electricity delivered"),
        "tou": smd.plot.tou(feed, tariff),
        "bill": smd.plot.bill(lines),
        "cohort, a fan": smd.plot.cohort(homes.profiles()),
        "cohort, ranked": smd.plot.cohort(homes.curves(10)),
        "cohort, a map": smd.plot.cohort(homes.days()),
        "cohort, together": smd.plot.cohort(homes.together()),
    }


BUTTONS = "all => all.map(one => one.getAttribute('data-title') || '')"
BOXES = """() => [...document.querySelectorAll('.gtitle, .gtitle-subtitle, .xtitle, .ytitle, .legend, .annotation')].map(one => {
    const box = one.getBoundingClientRect();
    return [one.textContent, box.left, box.top, box.right, box.bottom];
}).filter(one => one[3] > one[1])"""


def drawn(chromium: Any, figure: Any, path: Path) -> dict[str, Any]:
    """Draw a figure from one HTML file; return the buttons, what the page asked for besides, and where texts are."""
    figure.write_html(path, include_plotlyjs=True)
    page = chromium.new_page(viewport={"width": 1000, "height": 1000})
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_default_timeout(LONG * 1000)
    page.goto(path.as_uri())
    page.wait_for_selector(".main-svg .xtitle, .main-svg .annotation-text")
    found = {
        "buttons": page.eval_on_selector_all(".modebar-btn", BUTTONS),
        "asked": [url for url in asked if not url.startswith(("file:", "data:", "blob:"))],
        "boxes": page.evaluate(BOXES),
        "bottom": page.evaluate("document.querySelector('.main-svg').getBoundingClientRect().bottom"),
    }
    page.close()
    assert problems == []
    return found


@pytest.fixture(scope="module")
def pages(chromium: Any, figures: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("figures")
    return {name: drawn(chromium, figure, folder / f"{name}.html") for name, figure in figures.items()}


def test_no_figure_offers_an_upload_or_fetches_anything(pages: dict[str, dict[str, Any]]) -> None:
    for name, page in pages.items():
        assert any("Download" in button for button in page["buttons"]), name  # there is a mode bar
        assert not [button for button in page["buttons"] if any(word in button.lower() for word in ("share", "cloud", "edit"))], name
        assert page["asked"] == [], name


def test_the_button_would_be_there(chromium: Any, tmp_path: Path) -> None:
    """Without the figure's own word plotly 7 offers the upload; if it no longer does, the test above proves nothing."""
    import plotly
    from plotly import graph_objects as go

    if int(plotly.__version__.split(".")[0]) < 7:
        pytest.skip("plotly 6 offers no upload")
    plain = go.Figure(go.Scatter(y=[1, 2]), layout={"xaxis": {"title": {"text": "x"}}})
    assert any("share" in button.lower() for button in drawn(chromium, plain, tmp_path / "plain.html")["buttons"])


def test_no_two_texts_lie_on_each_other(pages: dict[str, dict[str, Any]]) -> None:
    """Titles, axis titles and the legend keep out of each other's way, and inside the figure."""
    for name, page in pages.items():
        assert len(page["boxes"]) >= 3, name
        for number, (text, left, top, right, low) in enumerate(page["boxes"]):
            assert low <= page["bottom"] + 1, (name, text)
            assert left >= -1, (name, text)
            for other, left2, top2, right2, low2 in page["boxes"][number + 1 :]:
                assert right <= left2 + 1 or right2 <= left + 1 or low <= top2 + 1 or low2 <= top + 1, (name, text, other)
