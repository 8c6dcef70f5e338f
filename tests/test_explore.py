"""`Explore` without a browser: what its page would send is sent here, and what it would show is read here."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import ipywidgets
import pytest
from plotly import graph_objects as go

import smd_notebook as smd
from smd_notebook import plot
from smd_notebook.errors import ConfigurationError, Finding
from smd_notebook.widgets import explore
from smd_notebook.widgets.choices import VIEWS, Choice, Extent, midnight, span_of
from smd_notebook.widgets.explore import Explore
from tests.build import START, block, blocks, feed_xml, meter_reading, reading, reading_type, small, usage_point

HOME = "solar-home-1-electricity"


@pytest.fixture(scope="module")
def solar() -> smd.Feed:
    return smd.sample("solar-home")


@pytest.fixture
def explorer(solar: smd.Feed) -> Explore:
    return Explore(solar)


def view(one: Explore) -> dict[str, Any]:
    return dict(one._chooser.view)


def tell(one: Explore, do: str = "choose", **given: Any) -> None:
    """Send what the page sends."""
    turn = view(one)["turn"] + 1
    one._chooser._handle_custom_msg({"do": do, "with": given, "turn": turn}, [])
    assert view(one)["turn"] == turn  # the page waits for an answer


def shown(one: Explore) -> dict[str, str]:
    """Return the text of what stands in each place, and the kind of it."""
    found = {}
    for name, output in one._outputs.items():
        if output in one._grid.children:
            found[name] = " ".join(part["data"]["text/plain"] for part in output.outputs)
    return found


def state(one: Explore) -> str:
    """Return what Jupyter would save of all widgets that belong to it."""
    return json.dumps([part.get_state() for part in (one._page, one._chooser, one._grid, *one._outputs.values())], default=str)


# -- the code draws what is on the screen ----------------------------------------------------------------------------------------------


def run(code: str, feed: smd.Feed, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Execute a cell; return the figures that it shows."""
    told: list[str] = []
    monkeypatch.setattr(go.Figure, "show", lambda figure: told.append(figure.to_json()))
    exec(compile(code, "cell", "exec"), {"feed": feed})
    return told


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"period": "2025-03", "compare": ["weekday"], "views": list(VIEWS)},
        {"channel": "electricity received", "start": "2025-10-30", "end": date(2025, 11, 4), "compare": []},
        {"channel": "gas delivered"},
        {"channel": "gas delivered", "period": "2025-01", "views": list(VIEWS)},
    ],
    ids=["all", "month", "own-days", "gas", "gas-refused"],
)
def test_the_code_draws_what_is_on_the_screen(
    explorer: Explore, solar: smd.Feed, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.choose(**given)
    drawn = explorer.figures
    assert len(drawn) >= 3
    assert run(explorer.code, solar, monkeypatch) == [figure.to_json() for figure in drawn.values()]
    assert view(explorer)["code"] == explorer.code


def test_usage_points_that_share_labels_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = smd.merge([smd.sample("apartment", seed=seed).select(channel="electricity delivered") for seed in (1, 2)])
    one = Explore(feed)
    assert view(one)["meters"] == [["0", "Meter 1: electricity"], ["1", "Meter 2: electricity"]]
    tell(one, meter="1", period="2025-02", views=["heatmap", "duration"])
    assert view(one)["channels"] == [["electricity delivered (2)"] * 2]
    assert run(one.code, feed, monkeypatch) == [figure.to_json() for figure in one.figures.values()]
    assert view(one)["status"].startswith("Electricity delivered (2), 2025-02-01 to 2025-02-28: 672 readings")  # 28 days of 24
    before = one.code
    one.choose(usage_point="apartment-1-electricity")
    one.choose(usage_point="apartment-2-electricity")
    assert one.code == before


def test_the_code_names_the_feed_as_the_notebook_does(explorer: Explore, solar: smd.Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"_": solar, "_3": explorer, "other": smd.sample("apartment")}
    monkeypatch.setattr(explore, "get_ipython", lambda: SimpleNamespace(user_ns=names))
    assert "part = feed.select(" in explorer.code
    names["around"] = explorer
    assert "part = around.feed.select(" in explorer.code
    names["my_home"] = solar
    assert "part = my_home.select(" in explorer.code


def test_the_button_hands_the_code_over(explorer: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(explorer._chooser, "send", sent.append)
    tell(explorer, "write")
    assert sent == [{"code": explorer.code, "shown": explorer._page.model_id}]


# -- one choice for all figures --------------------------------------------------------------------------------------------------------


def test_one_span_for_all_figures(explorer: Explore) -> None:
    tell(explorer, period="2025-07", views=list(VIEWS))
    figures = explorer.figures
    assert list(figures) == list(VIEWS)
    for name in ("heatmap", "energy", "quality"):
        assert "2025-07-01 to 2025-07-31" in figures[name].layout.title.text
        assert figures[name].layout.xaxis.range[0][:10] in ("2025-06-30", "2025-07-01")
    panels = [panel.text for panel in figures["profile"].layout.annotations][:2]
    assert panels == ["Summer, weekday: 23 days", "Summer, weekend: 8 days"]  # of July 2025
    july = explorer.feed.select(channel="electricity delivered", start="2025-07-01", end="2025-08-01").tidy()
    assert figures["duration"].data[0].y[0] == pytest.approx(july["value"].max() * 4 / 1000)  # quarter hours, in kW
    assert sum(figures["energy"].data[0].y) == pytest.approx(july["value"].sum() / 1000, rel=1e-5)
    assert (view(explorer)["start"], view(explorer)["end"], view(explorer)["period"]) == ("2025-07-01", "2025-07-31", "2025-07")


def test_what_the_page_chooses(explorer: Explore) -> None:
    tell(explorer, start="2025-06-05", end="2025-06-20")  # as when somebody zooms
    assert view(explorer)["period"] == "own"
    tell(explorer, start="2025-07-01")  # after the last day: to the end of the data
    assert (view(explorer)["start"], view(explorer)["end"]) == ("2025-07-01", "2025-12-31")
    tell(explorer, end="2025-06-30")
    assert (view(explorer)["start"], view(explorer)["end"]) == ("2025-01-01", "2025-06-30")
    tell(explorer, channel="gas delivered")  # the same days, and the figures that suit it
    assert view(explorer)["status"].startswith("Gas delivered, 2025-01-01 to 2025-06-30: 181 readings")
    assert list(explorer.figures) == ["duration", "energy", "quality"]
    tell(explorer, start="2025-06-30", end="2025-06-30")
    assert ": 1 reading, " in view(explorer)["status"]
    tell(explorer, start="2024-01-01", end="2026-12-31")  # no further than the data
    assert view(explorer)["period"] == "all"
    tell(explorer, meter="0", compare="month", views=["profile"])
    assert view(explorer)["compare"] == "month"
    assert list(shown(explorer)) == ["profile"]
    assert len({panel.text for panel in explorer.figures["profile"].layout.annotations if "days" in panel.text}) == 12
    tell(explorer, compare="")
    assert "all days" in shown(explorer)["profile"]
    tell(explorer, views=[])
    assert shown(explorer) == explorer.figures == {}


def test_what_cannot_be_chosen_is_said_and_changes_nothing(explorer: Explore) -> None:
    before = view(explorer)
    for given, said in [
        ({"start": "2031-01-01"}, "2025-12-31"),
        ({"start": "yesterday noon"}, "is no date"),
        ({"start": "2025-03-02", "end": "2025-03-01"}, "comes after"),
        ({"period": "2025-13"}, "is no period"),
        ({"period": "2024"}, "no data from 2024-01-01"),
        ({"channel": "water delivered"}, "'electricity delivered'"),
        ({"compare": "mood"}, "season, day_type"),
        ({"views": ["pie"]}, "heatmap, profile"),
        ({"meter": "7"}, "IndexError"),
    ]:
        tell(explorer, **given)
        assert said in " ".join(view(explorer)["problem"]), given
        assert explorer.error is not None
        assert {name: view(explorer)[name] for name in ("channel", "start", "end", "views", "code")} == {
            name: before[name] for name in ("channel", "start", "end", "views", "code")
        }
    tell(explorer, period="2025-05")
    assert view(explorer)["problem"] == []
    assert explorer.error is None
    with pytest.raises(ConfigurationError, match="2024"):
        explorer.choose(period="2024")


# -- any feed --------------------------------------------------------------------------------------------------------------------------


def test_a_figure_that_does_not_suit_says_why_in_its_place(explorer: Explore) -> None:
    explorer.choose(channel="gas delivered", views=["heatmap", "profile", "energy"])
    assert list(explorer.figures) == ["energy"]
    assert "Heat map: not drawn." in shown(explorer)["heatmap"]
    assert "smd.plot.energy" in shown(explorer)["heatmap"]  # what to do
    assert "longer than 1 h" in shown(explorer)["profile"]
    assert "heatmap" not in explorer.code
    assert isinstance(explorer.error, smd.SmdError)


def test_what_goes_wrong_and_what_is_warned_of_is_shown(explorer: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> go.Figure:
        raise ValueError("<b>odd</b>")

    def warned(*given: Any, **more: Any) -> go.Figure:
        smd.errors.warn("mind this")
        return duration(*given, **more)

    duration = plot.duration
    monkeypatch.setattr(plot, "heatmap", broken)
    monkeypatch.setattr(plot, "duration", warned)
    tell(explorer, period="2025-04")
    assert "ValueError: <b>odd</b>" in shown(explorer)["heatmap"]
    assert "<b>" not in explorer._outputs["heatmap"].outputs[0]["data"]["text/html"]
    assert view(explorer)["notes"] == ["mind this"]
    assert list(explorer.figures) == ["profile", "duration", "quality"]


def test_gaps_are_noted_where_they_are(solar: smd.Feed) -> None:
    power = solar.select(channel="electricity delivered")
    feed = smd.merge([power.select(end="2025-02-01"), power.select(start="2025-03-01")])
    one = Explore(feed)
    assert view(one)["notes"] == ["warning: gap: nothing was metered for 28 d; feed.findings says more"]
    tell(one, period="2025-05")
    assert view(one)["notes"] == []
    tell(one, period="2025-02")
    assert view(one)["problem"] == ["There are no readings from 2025-02-01 to 2025-02-28.", "Choose other days."]


def test_a_feed_without_intervals_says_what_it_holds() -> None:
    one = Explore(smd.read(b'<ReadingType xmlns="http://naesb.org/espi"><uom>72</uom></ReadingType>'))
    assert view(one)["status"] == "There are no intervals to look at in this feed; it holds ReadingType."
    assert (one.figures, one.code, repr(one)) == ({}, "", "<Explore: no intervals>")
    tell(one, "write")
    tell(one, period="all")
    assert "no channel" in view(one)["problem"][0]


def test_a_frame_is_no_feed(solar: smd.Feed) -> None:
    with pytest.raises(ConfigurationError, match="only a Feed"):
        Explore(solar.tidy())  # type: ignore[arg-type]


def test_a_clock_that_is_lost_is_not_drawn(solar: smd.Feed) -> None:
    lost = smd.Feed(solar.document, findings=(Finding("clock-unrecoverable", "error", "the times are not the meter's"),))
    one = Explore(lost)
    assert "not the meter's" in view(one)["problem"][0]
    assert one.figures == {}


@pytest.mark.filterwarnings("ignore::smd_notebook.SmdWarning")
def test_feeds_of_all_kinds() -> None:
    """Water, power, registers, no zone, no unit, no times: each figure is drawn or says why not."""
    hours = [reading(START + number * 3600, 100 + number) for number in range(24)]
    codes = "<e:accumulationBehaviour>{}</e:accumulationBehaviour><e:flowDirection>{}</e:flowDirection><e:uom>{}</e:uom>"
    kinds = {"water": (4, 1, 42), "power": (12, 1, 38), "register": (1, 1, 72)}
    feeds = {name: small(*hours, codes=codes.format(*kind)) for name, kind in kinds.items()}
    feeds["no zone"] = small(*hours, clock=None)
    feeds["no unit"] = feed_xml(usage_point(), meter_reading(), blocks(block(*hours)))
    for name, text in feeds.items():
        one = Explore(smd.read(text.encode(), clock="utc"))
        one.choose(views=list(VIEWS))
        places = shown(one)
        assert list(places) == list(VIEWS), name
        assert all(view in one.figures or "not drawn" in said for view, said in places.items()), name
        assert "quality" in one.figures, name
        assert view(one)["status"].endswith(", UTC." if name.startswith("no ") else ", America/Los_Angeles."), name
        assert not any("Error:" in said for said in places.values()), (name, places)  # all refusals are our own
    untimed = feed_xml(usage_point(), meter_reading(), reading_type(), blocks(block(reading(None, 1, None))))
    assert "no readings with a time" in view(Explore(smd.read(untimed.encode(), clock="utc")))["problem"][0]


def test_days_that_begin_at_one_o_clock(solar: smd.Feed) -> None:
    """In Cairo the clock jumps over midnight: 2025-04-25 begins at 01:00."""
    one = Explore(smd.Feed(solar.document, tz="Africa/Cairo"))
    one.choose(start="2025-04-25", end="2025-04-25")
    assert 'start="2025-04-25T01:00:00+03:00", end="2025-04-26"' in one.code
    assert view(one)["status"].startswith("Electricity delivered, 2025-04-25 to 2025-04-25: 92 readings")  # 23 hours
    assert midnight(date(2024, 11, 3), "America/Havana") == "2024-11-03T00:00:00-04:00"  # shown twice; the first is meant


# -- large feeds -----------------------------------------------------------------------------------------------------------------------


def test_many_readings_are_binned_before_they_are_drawn() -> None:
    extent = Extent(date(2015, 1, 1), date(2024, 12, 31), "America/Los_Angeles", (900.0,), electric=True)
    ten = Choice("electricity delivered")
    options = {name: ten.options(name, extent, 350_400) for name in VIEWS}
    assert options == {"heatmap": {"slot": "1h"}, "profile": {}, "duration": {}, "energy": {"bins": "1MS"}, "quality": {"slot": "1h"}}
    first = span_of("2016", extent)
    assert first == (date(2016, 1, 1), date(2016, 12, 31))
    year = Choice("electricity delivered", *first)
    assert {name: year.options(name, extent, 35_136) for name in VIEWS} == {name: {} for name in VIEWS}


def test_amounts_of_months_are_not_drawn_by_the_day() -> None:
    extent = Extent(date(2024, 1, 1), date(2024, 3, 31), "UTC", (29 * 86_400.0, 31 * 86_400.0), electric=False)
    assert Choice("water delivered").options("energy", extent, 3) == {"bins": "1MS"}
    days = Extent(date(2024, 10, 1), date(2024, 11, 30), "America/Los_Angeles", (86_400.0, 90_000.0), electric=False)
    assert Choice("gas delivered").options("energy", days, 61) == {}  # one of them has 25 hours


def test_slots_are_no_shorter_than_intervals() -> None:
    mixed = Extent(date(2024, 1, 1), date(2024, 3, 1), "UTC", (900.0, 3600.0, 10_800.0), electric=True)
    assert Choice("x").options("heatmap", mixed, 100) == {"slot": "1h"}
    assert Choice("x").options("profile", mixed, 100) == {"slot": "3h"}


# -- in a kernel -----------------------------------------------------------------------------------------------------------------------


def test_the_kernel_hears_other_things_between_two_figures(solar: smd.Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def noted(name: str) -> Callable[..., go.Figure]:
        function = getattr(plot, name)

        def draw(*given: Any, **more: Any) -> go.Figure:
            drawn.append(name)
            return function(*given, **more)

        return draw

    async def main() -> None:
        one = Explore(solar)
        assert len(one._figures) == 4  # the cell itself shows figures
        drawn.clear()
        tell(one, period="2025-06")
        assert drawn == []  # the answer comes first
        assert view(one)["busy"]
        assert "Drawing: heat map" in view(one)["status"]
        while len(drawn) < 2:
            await asyncio.sleep(0)
        tell(one, period="2025-07")  # somebody has changed their mind: what is left of June is not drawn
        while view(one)["busy"]:
            await asyncio.sleep(0)
        assert drawn == ["heatmap", "profile", "heatmap", "profile", "duration", "quality"]
        assert "2025-07-01" in one.figures["heatmap"].layout.title.text
        tell(one, period="2025-08")
        assert "2025-08-01" in one.figures["heatmap"].layout.title.text  # whoever asks for figures gets all of them

    for name in ("heatmap", "profile", "duration", "quality"):
        monkeypatch.setattr(plot, name, noted(name))
    asyncio.run(main())


def test_what_is_saved_names_no_usage_point_and_no_figure_twice(explorer: Explore) -> None:
    saved = state(explorer)
    assert HOME not in saved
    assert "Meter 1: electricity" in saved
    assert len(saved) < 700_000
    assert "Plotly" not in saved  # the library itself: megabytes


def test_without_a_widget_manager(explorer: Explore, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = explorer._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer._page.model_id
    assert bundle["text/plain"].startswith(
        "<Explore: electricity delivered, 2025-01-01 to 2025-12-31; heatmap, profile, duration, quality>\nWithout buttons: "
    )
    monkeypatch.setattr(ipywidgets.VBox, "_repr_mimebundle_", lambda *_, **__: None)
    assert explorer._repr_mimebundle_() == {"text/plain": repr(explorer)}
    explorer.close()


def test_clicks_are_handled_beside_the_cell_that_runs(solar: smd.Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab sends them to another thread of the kernel: what is warned of there is heard in the cell, and nothing is drawn twice."""
    drawing, go_on, drawn = threading.Event(), threading.Event(), []

    def slow(*given: Any, **more: Any) -> go.Figure:
        drawing.set()
        assert go_on.wait(300)
        drawn.append("duration")
        return duration(*given, **more)

    explorer, duration = smd.Explore(solar), plot.duration
    monkeypatch.setattr(plot, "duration", slow)
    click = threading.Thread(target=tell, args=(explorer,), kwargs={"period": "2025-04", "views": ["duration"]})
    click.start()
    assert drawing.wait(300)
    with pytest.warns(smd.SmdWarning, match="heard"):
        smd.errors.warn("heard")
    threading.Timer(0.1, go_on.set).start()
    assert list(explorer.figures) == ["duration"]
    click.join(300)
    assert drawn == ["duration"]
    assert explorer.error is None
    explorer.close()
