"""Profiles and duration curves: the numbers of the analysis, drawn as steps and areas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from smd_notebook import plot
from smd_notebook.analysis import duration_curve, profile, resample
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, lapse2024, lapse_frame, regular

METER = "4007471111"


# Profiles ---------------------------------------------------------------------------------------------------------------------------


def panels(figure) -> dict[str, list]:
    """Return the traces of each panel by its title."""
    titles = [note.text for note in figure.layout.annotations if not note.text.startswith("Local")]
    axes = list(dict.fromkeys(trace.xaxis for trace in figure.data))
    return {title: [trace for trace in figure.data if trace.xaxis == axis] for title, axis in zip(titles, axes, strict=True)}


def test_profile():
    frame = lapse_frame(usage_point=METER)
    figure = plot.profile(frame, slot="15min")
    found = panels(figure)
    assert list(found) == ["Summer, weekday: 86 days", "Summer, weekend: 36 days", "Winter, weekday: 176 days", "Winter, weekend: 68 days"]
    outer, inner, median, mean = found["Summer, weekday: 86 days"]
    assert (median.line.shape, median.y.dtype, median.dx) == ("hv", "float32", 0.25)
    assert mean.y[72] == pytest.approx(5.2682791)  # of definitions.md: 18:00
    # by hand: the 86 weekdays from June to September, at 18:00
    index = pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left")
    at_six = (index.strftime("%H:%M") == "18:00") & (index.day_of_week < 5)
    evenings = lapse2024()["load"][at_six & (index.month >= 6) & (index.month <= 9)]
    assert len(evenings) == 86
    for band, (low, high) in ((outer, (10, 90)), (inner, (25, 75))):
        corners = np.asarray(band.y)[np.asarray(band.x) == 18]  # upper and lower, of the slots before and after
        assert len(corners) == 4
        for share in (low, high):
            assert np.isclose(corners, np.percentile(evenings, share) * 4 / 1000).any()
        assert band.fill == "toself"
    assert [trace.name for trace in found["Summer, weekday: 86 days"]] == ["10 to 90 % of days", "25 to 75 % of days", "median", "mean"]
    assert [trace.showlegend for trace in figure.data] == [True] * 4 + [False] * 12
    assert figure.layout.yaxis.title.text == figure.layout.yaxis3.title.text == "Power (kW)"
    assert figure.layout.annotations[-1].text == f"Local time of day ({ZONE})"
    assert figure.layout.yaxis.range[1] > max(float(np.nanmax(trace.y)) for trace in figure.data)
    assert METER not in figure.to_json()
    assert "Summer, weekday, 86 days" not in figure.layout.meta["alt"]
    assert "summer, weekday, 86 days" in figure.layout.meta["alt"]
    assert list(figure.layout.modebar.remove) == ["sendChartToCloud"]


def test_profile_of_what_was_never_metered():
    frame = regular("2024-01-01", 96 * 4, 100.0)
    night = frame[(frame["start"].dt.hour >= 6) & (frame["start"].dt.hour != 12)]
    outer, _, median, mean = plot.profile(night, by=()).data
    assert np.isnan(median.y[:6]).all()
    assert np.isnan(mean.y[12])
    assert mean.y[6] == pytest.approx(0.4)
    assert np.isnan(outer.y).sum() == 1  # two areas, with a hole between
    assert np.nanmin(outer.x) == 6


def test_profiles_by_month_and_of_results():
    table = profile(lapse_frame(), by=["month"], quantiles=(0.05, 0.95))
    figure = plot.profile(table, title="At home")
    assert list(panels(figure))[:2] == ["January: 31 days", "February: 29 days"]
    assert [trace.name for trace in figure.data[:2]] == ["5 to 95 % of days", "mean"]
    assert figure.layout.title.text == "At home"
    assert figure.layout.height > 800
    assert plot.profile(resample(lapse_frame(), "1h"), by="weekday").layout.annotations[0].text == "Monday: 53 days"


def test_profiles_of_gas_and_of_several_channels():
    gas = regular("2024-01-01", 240, 0.5, length="1h", channel="gas", service="gas", unit="therm")
    frame = pd.concat([gas, lapse_frame("received", flow="received"), lapse_frame("delivered")], ignore_index=True)
    figure = plot.profile(frame)
    assert figure.layout.title.text == "Electricity delivered (1 of 3 channels): daily profile"
    other = plot.profile(frame, channel="gas")
    assert other.layout.yaxis.title.text == "Rate (therm/h)"
    assert set(np.asarray(other.data[-1].y)) == {np.float32(0.5)}
    with pytest.raises(ConfigurationError, match="called 'x'"):
        plot.profile(frame, channel="x")
    with pytest.raises(ConfigurationError, match="2 usage points"):
        plot.profile(pd.concat([gas, gas.assign(usage_point="2")], ignore_index=True), channel="gas")
    with pytest.raises(ConfigurationError, match="nothing"):
        plot.profile(gas.iloc[:0])


# Duration curves --------------------------------------------------------------------------------------------------------------------


def test_duration():
    frame = lapse_frame(usage_point=METER)
    figure = plot.duration(frame)
    (curve,) = figure.data
    load = np.sort(lapse2024()["load"])[::-1] * 4 / 1000
    assert len(curve.y) <= 2000
    assert (curve.y[0], curve.y[-1]) == (np.float32(load[0]), np.float32(load[-1]))
    assert (curve.x[0], curve.x[-1]) == (0, 100)
    assert (curve.line.shape, curve.y.dtype, curve.x.dtype) == ("vh", "float32", "float32")
    # every point that is drawn lies on the curve
    rank = np.rint(np.asarray(curve.x[1:], dtype="f8") / 100 * load.size).astype(int) - 1
    np.testing.assert_allclose(curve.y[1:], load[rank], rtol=1e-6)
    assert (np.diff(curve.y) <= 0).all()
    assert (np.diff(curve.x) > 0).all()
    # and between them no load is left out that a reader could see
    drawn = np.asarray(curve.y)[np.searchsorted(rank, np.arange(load.size)) + 1]
    assert np.abs(drawn - load).max() < 0.02
    assert "0.4 kW or more in half of the time" in figure.layout.meta["alt"]  # of definitions.md
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("Share of the metered time (%)", "Power (kW)")
    assert "mean of each 15-min interval" in figure.layout.title.subtitle.text
    assert METER not in figure.to_json()


def test_durations_of_several_and_of_results():
    gas = regular("2024-01-01", 240, 0.5, length="1h", channel="gas", service="gas", unit="therm")
    frame = pd.concat([lapse_frame("received", flow="received"), lapse_frame("delivered"), gas], ignore_index=True)
    curve = duration_curve(frame)
    figure = plot.duration(curve)
    assert [trace.name for trace in figure.data] == ["electricity received", "electricity delivered"]
    assert len({trace.line.dash for trace in figure.data}) == 2
    assert plot.duration(curve, channel="gas").layout.yaxis.title.text == "Rate (therm/h)"
    assert plot.duration(frame, channel="gas").layout.title.text == "Gas: load duration curve"
    with pytest.raises(ConfigurationError, match="called 'x'"):
        plot.duration(curve, channel="x")


def test_duration_with_gaps_and_mixed_lengths():
    frame = pd.concat([regular("2024-01-01", 4, 100.0), regular("2024-01-01 03:00", 1, 800.0, length="1h")], ignore_index=True)
    figure = plot.duration(frame)
    (curve,) = figure.data
    assert curve.y.tolist()[:2] == pytest.approx([0.8, 0.8])
    assert curve.x.tolist()[:2] == [0, 50]  # an hour of two
    assert "overage 50.0 %" in figure.layout.title.subtitle.text


def test_nothing_but_missing_values_is_refused():
    with pytest.raises(ConfigurationError) as told:
        plot.profile(regular("2024-01-01", 1, 250.0))
    assert "metered whole" in told.value.hint  # a quarter of an hour is none of its hours
    frame = regular("2024-01-01", 48, np.nan, length="1h")
    for draw in (plot.profile, plot.duration):
        with pytest.raises(ConfigurationError, match="no values to draw"):
            draw(frame)
