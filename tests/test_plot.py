"""Figures: what is drawn, what is said about it, and what must never be in them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from smd_notebook import plot
from smd_notebook.analysis import heatmap, net, resample
from smd_notebook.errors import ConfigurationError, Finding, UnitError
from smd_notebook.plot import base

from .tidy import ZONE, lapse2024, lapse_frame, regular, tidy

METER = "4007471111"


@pytest.fixture(scope="module")
def home() -> pd.DataFrame:
    """A year of delivered and received, with ten and a half days missing in February."""
    frame = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True).assign(usage_point=METER)
    return frame[(frame["start"] < "2024-02-10 00:00-08:00") | (frame["start"] >= "2024-02-20 12:00-08:00")]


# The matrix of a heat map -----------------------------------------------------------------------------------------------------------


def test_matrix_of_lapse():
    matrix = heatmap(lapse_frame(), slot="1h")
    assert matrix.shape == (366, 24)
    assert matrix.isna().sum().sum() == 1
    assert np.isnan(matrix.loc["2024-03-10", "02:00"])
    assert matrix.loc["2024-11-03", "01:00"] == 344
    assert matrix.loc["2024-03-10", ["01:00", "03:00"]].tolist() == [334, 362]
    assert (matrix.index.name, matrix.columns.name, matrix.columns[-1]) == ("date", "slot", "23:00")
    assert str(matrix.index[0]) == "2024-01-01 00:00:00"


def test_matrix_in_native_slots():
    matrix = heatmap(lapse_frame())
    load = lapse2024()["load"]
    assert matrix.shape == (366, 96)
    assert matrix.columns[:3].tolist() == ["00:00", "00:15", "00:30"]
    assert matrix.isna().sum().sum() == 4
    assert matrix.iloc[0].tolist() == (load[:96] * 4).tolist()
    assert matrix.iloc[-1].tolist() == (load[-96:] * 4).tolist()


def test_missing_is_never_0():
    values = np.ones(96)
    values[8:12] = np.nan
    matrix = heatmap(pd.concat([regular("2024-01-01", 96, values), regular("2024-01-04", 96, 0.0)], ignore_index=True))
    assert matrix.isna().sum(axis=1).tolist() == [4, 96, 96, 0]
    assert (matrix.iloc[3] == 0).all()


def test_matrix_of_power_and_of_seconds():
    power = heatmap(regular("2024-01-01", 48, 1.5, length="30min", measure="power", unit="kW"))
    assert power.shape == (1, 48)
    assert (power == 1500).all().all()
    fine = heatmap(regular("2024-01-01", 20, 1.0, length="30s"))
    assert fine.columns[:2].tolist() == ["00:00", "00:00:30"]


def test_half_past_and_half_hour_zones():
    matrix = heatmap(tidy(pd.date_range("2024-04-06T13:00Z", periods=96, freq="15min"), 25.0, zone="Australia/Lord_Howe"))
    assert (matrix.iloc[0, :94] == 100).all()  # 01:30 and 01:45 come twice, which takes two quarters of the end
    assert matrix.iloc[0, 94:].isna().all()


def test_which_channel():
    gas = regular("2024-01-01", 24, 1.0, length="1h", channel="gas", service="gas", unit="therm")
    back = regular("2024-01-01", 24, 2.0, length="1h", channel="r", flow="received")
    here = regular("2024-01-01", 24, 3.0, length="1h", channel="d")
    frame = pd.concat([gas, back, here], ignore_index=True)
    assert heatmap(frame).iloc[0, 0] == 3
    assert heatmap(frame, channel="r").iloc[0, 0] == 2
    assert heatmap(pd.concat([gas, back], ignore_index=True)).iloc[0, 0] == 2
    with pytest.raises(UnitError, match="electric"):
        heatmap(gas)
    with pytest.raises(UnitError, match="electric"):
        heatmap(frame, channel="gas")
    with pytest.raises(ConfigurationError, match="'x'") as caught:
        heatmap(frame, channel="x")
    assert "'d', 'gas', 'r'" in str(caught.value)
    with pytest.raises(ConfigurationError, match="2 usage points"):
        heatmap(pd.concat([here, here.assign(usage_point="2")], ignore_index=True), channel="d")


def test_what_has_no_time_of_day():
    daily = regular("2024-01-01", 5, 1.0, length="24h")
    mixed = pd.concat([regular("2024-01-01", 4, 1.0), regular("2024-01-02", 4, 1.0, length="1h")], ignore_index=True)
    for frame, slot, why in ((daily, None, "a day or longer"), (daily, "1h", "a day or longer"), (mixed, None, "one length")):
        with pytest.raises(ConfigurationError, match=why) as caught:
            heatmap(frame, slot=slot)
        assert caught.value.hint
    assert heatmap(mixed, slot="15min").shape == (2, 96)
    for slot in ("1D", "5h", "1MS"):
        with pytest.raises(ConfigurationError, match="do not divide"):
            heatmap(mixed, slot=slot)


# Every figure -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures(home) -> dict[str, go.Figure]:
    gas = regular("2024-01-01", 60, 1.25, length="24h", channel="gas", service="gas", unit="therm", flow="unstated", usage_point=METER)
    return {
        "daily": plot.energy(home),
        "monthly": plot.energy(pd.concat([home, gas], ignore_index=True), bins="1MS"),
        "gas": plot.energy(gas),
        "hours": plot.energy(home[home["start"] >= "2024-12-01 00:00-08:00"], bins="1h"),
        "heat": plot.heatmap(home),
        "net": plot.heatmap(net(home), slot="1h"),
    }


def test_all_of_them(figures):
    for name, figure in figures.items():
        assert isinstance(figure, go.Figure)
        text = figure.to_json()
        assert METER not in text, name
        assert list(figure.layout.modebar.remove) == ["sendChartToCloud"], name
        assert figure.layout.meta["alt"] == figure.layout.meta["caption"]
        assert figure.layout.xaxis.title.text == f"Local {'time' if name == 'hours' else 'date'} ({ZONE})", name
        assert "2024-" in figure.layout.title.text
        assert "overage" in figure.layout.title.subtitle.text
        for trace in figure.data:
            for values in (trace.x, trace.y, getattr(trace, "z", None)):
                kind = getattr(values, "dtype", None)
                assert kind is None or kind == "float32" or kind.kind == "M", (name, kind)
        assert "-08:00" not in text
        assert "-07:00" not in text
        assert len(text) < 300_000


def test_units_are_on_the_axes(figures):
    titles = {name: figures[name].layout.yaxis.title.text for name in ("daily", "monthly", "gas", "hours", "heat")}
    assert titles == {
        "daily": "Energy (kWh per day)",
        "monthly": "Energy (kWh per month)",
        "gas": "Energy (therm per day)",
        "hours": "Energy (kWh per hour)",
        "heat": "Local time of day",
    }
    assert figures["heat"].data[0].colorbar.title.text == "Power (kW)"


# Energy -----------------------------------------------------------------------------------------------------------------------------


def test_daily_bars(figures, home):
    delivered, received, crosses = figures["daily"].data
    days = resample(home, "1D")
    into = days[days["flow"] == "delivered"]
    np.testing.assert_allclose(delivered.y, into["value"] / 1000, rtol=1e-6)
    assert (np.asarray(received.y)[~np.isnan(received.y)] <= 0).all()
    np.testing.assert_allclose(received.customdata[:, 0], days[days["flow"] == "received"]["value"] / 1000, rtol=1e-6)
    assert [str(time)[:16] for time in delivered.x[[0, 69, 70, -1]]] == [
        *("2024-01-01T00:00", "2024-03-10T00:00", "2024-03-11T00:00", "2024-12-31T00:00"),
    ]
    assert (delivered.name, received.name, crosses.name) == ("electricity delivered", "electricity received", "no value")
    assert len(crosses.x) == 20  # ten days, both channels
    opacity = np.asarray(delivered.marker.opacity)
    assert (opacity == 1).sum() == 366 - 11
    assert into["coverage"].to_numpy()[50] == 0.5
    assert opacity[50] < 1
    assert "lighter: day metered in part" in figures["daily"].layout.title.subtitle.text


def test_bars_fill_their_bins(figures):
    bars = figures["monthly"].data[0]
    days = np.asarray(bars.width) / 0.9 / 86_400_000
    np.testing.assert_allclose(days, [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    np.testing.assert_allclose(np.asarray(bars.offset) / np.asarray(bars.width), 0.05 / 0.9)
    assert figures["monthly"].layout.xaxis.range == ("2024-01-01T00:00:00.000000", "2025-01-01T00:00:00.000000")
    assert "1 channel of another unit not shown" in figures["monthly"].layout.title.subtitle.text


def test_bars_of_one_direction_stand_side_by_side():
    frame = pd.concat([regular("2024-01-01", 96, 1.0), regular("2024-01-01", 96, 2.0, usage_point=METER)], ignore_index=True)
    one, two = plot.energy(frame).data
    assert [bar.name for bar in (one, two)] == ["electricity delivered (meter 1)", "electricity delivered (meter 2)"]
    assert two.offset[0] == pytest.approx(one.offset[0] + one.width[0])
    assert one.marker.color != two.marker.color


def test_a_day_of_zeros_is_a_day_and_not_negative():
    axes = plot.energy(regular("2024-01-01", 96, 0.0)).layout
    assert axes.yaxis.range == (0, 1)
    assert axes.xaxis.dtick == 86_400_000  # ms: no hours below the bar of a day


def test_one_channel_and_titles(home):
    figure = plot.energy(home, channel="electricity received")
    assert figure.layout.title.text == "Electricity received: energy per day, 2024-01-01 to 2024-12-31"
    assert np.nanmin(figure.data[0].y) >= 0  # alone it stands upright
    assert plot.energy(home, title="At home").layout.title.text == "At home"
    assert plot.heatmap(home, title="At home").layout.title.text == "At home"


def test_resampled_frames_keep_their_bins(home):
    weekly = plot.energy(resample(home, "1W", min_coverage=0.9))
    assert weekly.layout.yaxis.title.text == "Energy (kWh per week)"
    assert len(weekly.data[0].y) == 53
    assert "without a value" in weekly.layout.title.subtitle.text


def test_the_hour_that_comes_twice_is_drawn_in_utc():
    frame = lapse_frame()
    autumn = frame[(frame["start"] >= "2024-11-03 00:00-07:00") & (frame["start"] < "2024-11-04 00:00-08:00")]
    figure = plot.energy(autumn, bins="1h")
    assert figure.layout.xaxis.title.text == f"Time (UTC; meters in {ZONE})"
    assert len(np.unique(figure.data[0].x)) == 25
    assert plot.energy(autumn).layout.xaxis.title.text == f"Local date ({ZONE})"


@pytest.mark.parametrize(
    ("bins", "each"), [("1YS", "year"), ("15min", "15 min"), ("4h", "4 h"), (["2024-01-01", "2024-01-03", "2024-02-14"], "bin")]
)
def test_names_of_bins(bins, each):
    assert plot.energy(regular("2024-01-01", 4000, 1.0), bins=bins).layout.yaxis.title.text == f"Energy (kWh per {each})"


def test_units_of_other_channels():
    water = regular("2024-01-01", 48, 1.0, length="1h", service="water", measure="volume", unit="m3", channel="water")
    assert plot.energy(water).layout.yaxis.title.text == "Volume (m3 per day)"
    reactive = regular("2024-01-01", 48, 1.0, length="1h", unit="VAh")
    assert plot.energy(reactive).layout.yaxis.title.text == "Energy (VAh per day)"
    unknown = regular("2024-01-01", 48, 1.0, length="1h", unit=None)
    assert plot.energy(unknown).layout.yaxis.title.text == "Energy (unit not stated per day)"


def test_no_readings_are_told_as_that():
    none = regular("2024-01-01", 0, 1.0)
    for draw in (
        plot.series,
        plot.heatmap,
        plot.quality,
        plot.profile,
        plot.duration,
        plot.peak_days,
        plot.energy,
        plot.monthly,
        plot.flows,
    ):
        with pytest.raises(ConfigurationError, match="nothing to draw: no readings") as told:
            draw(none)
        assert "resources" in told.value.hint
    with pytest.raises(ConfigurationError, match="there are no readings"):
        heatmap(none)


def test_nothing_to_draw():
    frame = regular("2024-01-01", 4, 1.0)
    for given, channel in ((frame.iloc[:0], None), (frame.assign(measure="power", unit="W"), None), (frame, "x")):
        with pytest.raises(ConfigurationError, match="to draw"):
            plot.energy(given, channel=channel)
    # a register beside it is left out, and does not spoil the rest
    register = regular("2024-01-01", 4, 1.0, measure="register", channel="dial")
    assert len(plot.energy(pd.concat([frame, register], ignore_index=True)).data) == 1


# Heat maps --------------------------------------------------------------------------------------------------------------------------


def test_heat_map(figures, home):
    figure = figures["heat"]
    trace = figure.data[0]
    assert figure.layout.title.text == "Electricity delivered (1 of 2 channels): mean power, 2024-01-01 to 2024-12-31"
    assert trace.z.shape == (96, 366)
    np.testing.assert_allclose(trace.z, heatmap(home).to_numpy().T / 1000, rtol=1e-6)
    assert (trace.x0, trace.dx, trace.y[:2]) == ("2024-01-01", 86_400_000, ("00:00", "00:15"))
    assert trace.zmin == 0
    assert trace.zmax == pytest.approx(np.nanmax(trace.z))
    assert figure.layout.plot_bgcolor == base.MISSING
    assert trace.hoverongaps is False
    assert "grey" in figure.layout.title.subtitle.text
    assert json.loads(figure.to_json())["data"][0]["colorscale"][0][1] == "#00224e"  # Cividis begins so


def test_net_diverges_from_0(figures):
    trace = figures["net"].data[0]
    assert trace.zmin == -trace.zmax < 0
    assert np.nanmin(trace.z) < 0


def test_heat_maps_of_little():
    one_day = plot.heatmap(regular("2024-01-01", 96, 0.0))
    assert one_day.layout.xaxis.dtick == 86_400_000
    assert (one_day.data[0].zmin, one_day.data[0].zmax) == (0, 1)
    assert "grey" not in one_day.layout.title.subtitle.text
    assert np.isnan(plot.heatmap(regular("2024-01-01", 96, np.nan)).data[0].z).all()


class Hopeless:
    """A feed whose times are those of its download."""

    noticed = (Finding("clock-unrecoverable", "error", "the times are not the meter's"),)

    def tidy(self) -> pd.DataFrame:
        raise AssertionError("a figure looks at the clock first")


@pytest.mark.parametrize("name", sorted(set(plot.__all__) - {"bill", "cohort"}))
def test_no_figure_of_a_clock_that_cannot_be_right(name):
    arguments = {"tou": ("tariff",), "temperature": (pd.Series(dtype="f8"),)}.get(name, ())
    with pytest.raises(ConfigurationError, match="not the meter's"):
        getattr(plot, name)(Hopeless(), *arguments)


@pytest.mark.parametrize("name", sorted(set(plot.__all__) - {"bill"}))
def test_what_is_no_frame_is_refused(name):
    arguments = {"tou": ("tariff",), "temperature": (pd.Series(dtype="f8"),)}.get(name, ())
    for wrong in (3, pd.DataFrame({"a": [1]})):
        with pytest.raises(ConfigurationError):
            getattr(plot, name)(wrong, *arguments)


def test_importing_the_package_stays_light():
    code = """
import sys, smd_notebook
assert not {"pandas", "numpy", "plotly"} & set(sys.modules)
smd_notebook.analysis.resample
assert "plotly" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("share", "written"), [(0.6158, "61.6 %"), (0.99996, "99.9 %"), (1.0, "100 %"), (0.0, "0.0 %"), (0.0004, "< 0.1 %"), (0.0028, "0.3 %")]
)
def test_parts_of_a_whole_are_rounded_but_only_all_of_it_is_100(share: float, written: str) -> None:
    assert base.part(share) == written
