"""Series and peak days: steps where they belong, gaps as gaps, and clocks that jump."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook import plot
from smd_notebook.analysis import heatmap, resample
from smd_notebook.errors import ConfigurationError, SmdError, UnitError
from smd_notebook.plot import base

from .tidy import ZONE, lapse2024, lapse_frame, regular, tidy

METER = "4007471111"
QUARTER = 900_000  # ms


def lines(figure) -> list:
    """Return the traces of the channels."""
    return [trace for trace in figure.data if trace.name != "not metered"]


def times(trace) -> np.ndarray:
    """Return where the steps of a trace begin, and the end of the last."""
    if trace.x is not None:
        return np.asarray(trace.x, dtype="M8[us]")
    return np.datetime64(trace.x0, "us") + np.arange(len(trace.y)) * np.timedelta64(int(trace.dx * 1000), "us")


def grey(figure) -> list[tuple[str, str]]:
    """Return from when to when it is grey."""
    (trace,) = [trace for trace in figure.data if trace.name == "not metered"]
    corners = np.asarray(trace.x, dtype="M8[us]")
    return [(str(corners[i])[:16], str(corners[i + 2])[:16]) for i in range(0, corners.size, 6)]


# Series -----------------------------------------------------------------------------------------------------------------------------


def test_a_year_of_steps():
    figure = plot.series(lapse_frame(usage_point=METER))
    load = lapse2024()["load"]
    # the wall clock's year: to March 10 02:00, from 03:00 to November 3 02:00, and from 01:00 again
    assert [len(trace.y) - 1 for trace in figure.data] == [69 * 96 + 8, 35136 - 69 * 96 - 8 - (58 * 96 + 23 * 4), 58 * 96 + 23 * 4]
    np.testing.assert_allclose(np.concatenate([trace.y[:-1] for trace in figure.data]), load * 4 / 1000, rtol=1e-6)
    for trace in figure.data:
        assert (trace.line.shape, trace.y.dtype, trace.dx, trace.y[-1] == trace.y[-2]) == ("hv", "float32", QUARTER, True)
        assert (np.diff(times(trace)) > np.timedelta64(0, "us")).all()
    assert [str(times(trace)[0])[:16] for trace in figure.data] == ["2024-01-01T00:00", "2024-03-10T03:00", "2024-11-03T01:00"]
    assert [str(times(trace)[-1])[:16] for trace in figure.data] == ["2024-03-10T02:00", "2024-11-03T02:00", "2025-01-01T00:00"]
    assert [trace.showlegend for trace in figure.data] == [True, False, False]
    assert figure.layout.yaxis.title.text == "Power (kW)"
    assert figure.layout.xaxis.title.text == f"Local time ({ZONE})"
    assert figure.layout.title.text == "Electricity load: power, 2024-01-01 to 2024-12-31"
    assert figure.layout.title.subtitle.text == "Mean of each 15-min interval; coverage 100 %."
    assert figure.layout.xaxis.rangeslider.visible
    text = figure.to_json()
    assert METER not in text
    assert "-08:00" not in text
    assert len(text) < 250_000


def test_what_is_missing_is_grey_and_crossed_by_no_line():
    frame = lapse_frame()
    frame = frame[(frame["start"] < "2024-02-10 00:00-08:00") | (frame["start"] >= "2024-02-20 12:00-08:00")]
    frame.loc[frame.index[:4], "value"] = np.nan
    figure = plot.series(frame)
    assert grey(figure) == [("2024-01-01T00:00", "2024-01-01T01:00"), ("2024-02-10T00:00", "2024-02-20T12:00")]
    assert str(times(lines(figure)[0])[-1])[:16] == "2024-02-10T00:00"
    assert [str(times(trace)[0])[:16] for trace in lines(figure)][:2] == ["2024-01-01T01:00", "2024-02-20T12:00"]
    assert sum(len(trace.y) - 1 for trace in lines(figure)) == 35136 - 4 - int(10.5 * 96)
    assert "coverage 97.1 %" in figure.layout.title.subtitle.text  # 1 - (10.5 + 1/24) / 366
    assert "grey: not metered" in figure.layout.meta["alt"]


def test_many_gaps_are_one_trace_with_holes():
    keep = np.arange(96 * 10) % 16 != 5
    frame = regular("2024-01-01", 960, np.arange(960.0))[keep].reset_index(drop=True)
    figure = plot.series(frame)
    (trace,) = lines(figure)
    assert trace.y.dtype == "float32"
    holes = np.flatnonzero(np.isnan(trace.y))
    assert len(grey(figure)) == 60
    assert len(trace.y) == 900 + 2 * 61  # each run has its end, and a hole after it
    begin = times(trace)
    assert (np.diff(begin) >= np.timedelta64(0, "us")).all()
    first = holes[0]
    assert [str(begin[i])[11:16] for i in (first - 2, first - 1, first, first + 1)] == ["01:00", "01:15", "01:15", "01:30"]
    np.testing.assert_allclose(trace.y[first - 2 : first + 2], [4 * 0.004, 4 * 0.004, np.nan, 6 * 0.004], rtol=1e-6)


def test_longer_steps_go_on_across_the_day_on_which_the_clock_changes():
    days = plot.series(resample(lapse_frame(), "1D"))
    (trace,) = days.data
    assert len(trace.y) == 367 or len(trace.y) == 368  # with the end
    assert trace.y[69] == pytest.approx(0.717086957)  # the day of 23 hours, by definitions
    four = plot.series(resample(lapse_frame(), "4h"), slider=False)
    begin = times(four.data[0])
    assert (np.diff(begin[: len(four.data[0].y)]) >= np.timedelta64(0, "us")).all()
    assert len(four.data) == 1
    assert not four.layout.xaxis.rangeslider.visible


def test_hours_of_autumn():
    frame = lapse_frame()
    autumn = frame[(frame["start"] >= "2024-11-03 00:00-07:00") & (frame["start"] < "2024-11-03 04:00-08:00")]
    figure = plot.series(resample(autumn, "1h"))
    assert "two lines where the clock shows an hour twice" in figure.layout.title.subtitle.text
    first, second = figure.data
    assert [str(time)[11:16] for time in times(first)] == ["00:00", "01:00", "02:00"]
    assert [str(time)[11:16] for time in times(second)] == ["01:00", "02:00", "03:00", "04:00"]
    np.testing.assert_allclose(first.y, [0.347, 0.321, 0.321])  # of definitions.md, and the end
    np.testing.assert_allclose(second.y[:2], [0.367, 0.326])


def test_both_directions_and_others():
    gas = regular("2024-01-01", 60, 1.25, length="24h", channel="gas", service="gas", unit="therm")
    home = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received"), gas], ignore_index=True)
    figure = plot.series(home)
    assert {trace.name for trace in figure.data} == {"electricity delivered", "electricity received"}
    assert max(np.max(trace.y) for trace in figure.data if trace.name == "electricity received") == 0
    assert "1 other channel not shown" in figure.layout.title.subtitle.text
    assert "received energy downwards" in figure.layout.title.subtitle.text
    alone = plot.series(home, channel="electricity received")
    assert min(np.min(trace.y) for trace in alone.data) == 0
    gas_figure = plot.series(home, channel="gas")
    assert gas_figure.layout.yaxis.title.text == "Energy (therm per day)"
    assert set(gas_figure.data[0].y) == {np.float32(1.25)}


def test_power_and_zones():
    power = regular("2024-01-01", 96, 1500.0, measure="power", unit="W")
    assert set(plot.series(power).data[0].y) == {1.5}
    here = regular("2024-01-01", 96, 1.0)
    there = tidy(here["start"], 1.0, zone="America/New_York", tz="UTC", usage_point="2")
    both = pd.concat(
        [here.assign(start=here["start"].dt.tz_convert("UTC"), end=here["end"].dt.tz_convert("UTC")), there], ignore_index=True
    )
    figure = plot.series(both)
    assert figure.layout.xaxis.title.text == f"Time (UTC; meters in {ZONE}, America/New_York)"
    assert str(times(figure.data[0])[0])[:16] == "2024-01-01T08:00"
    assert [trace.name for trace in figure.data] == ["electricity delivered (meter 1)", "electricity delivered (meter 2)"]


def test_series_refuses():
    frame = regular("2024-01-01", 96, 1.0)
    with pytest.raises(ConfigurationError, match="called 'x'"):
        plot.series(frame, channel="x")
    with pytest.raises(ConfigurationError, match="to draw"):
        plot.series(frame.assign(measure="register"))
    with pytest.raises(ConfigurationError, match="no values"):
        plot.series(frame.assign(value=np.nan))
    twice = pd.concat([frame, frame.iloc[:1]], ignore_index=True)
    with pytest.raises(SmdError, match="overlap") as told:
        plot.series(twice)
    assert 'smd.resample(x, "1h", overlaps="first")' in told.value.hint  # which then is drawn
    assert len(plot.series(resample(twice, "1h", overlaps="first")).data) == 1
    edges = pd.DatetimeIndex(["2024-01-01", "2024-02-20", "2024-04-30"])
    long = tidy(edges[:-1], 1.0, end=edges[1:], service="gas", unit="therm")
    with pytest.raises(ConfigurationError, match="unlike lengths"):
        plot.series(long)


# Peak days --------------------------------------------------------------------------------------------------------------------------


def test_peak_days():
    frame = lapse_frame(usage_point=METER)
    figure = plot.peak_days(frame, n=3)
    load = lapse2024()["load"]
    *days, median = figure.data
    assert days[0].name == "2024-01-05 (Fri): 7.64 kW at 01:30"  # the year's maximum, by definitions.md
    np.testing.assert_allclose(days[0].y[:-1], load[4 * 96 : 5 * 96] * 4 / 1000, rtol=1e-6)
    assert len(days) == 3
    assert len({trace.line.dash for trace in days}) == len({trace.line.color for trace in days}) == 3
    plain = np.median(np.delete(load[: 69 * 96].reshape(-1, 96), [], axis=0), axis=0)
    winter = plot.peak_days(frame.iloc[: 69 * 96]).data[-1]
    np.testing.assert_allclose(winter.y[:-1], plain * 4 / 1000, rtol=1e-6)
    assert median.name == "median of 366 days"
    assert figure.layout.xaxis.title.text == f"Local time of day ({ZONE})"
    assert (figure.layout.xaxis.ticktext[0], figure.layout.xaxis.ticktext[-1]) == ("00:00", "24:00")
    assert METER not in figure.to_json()
    assert plot.peak_days(heatmap(frame), n=3).data[0].y.tolist() == days[0].y.tolist()


def test_peak_days_with_holes():
    frame = regular("2024-01-01", 96 * 3, np.arange(288.0)).drop(index=range(280, 284)).drop(index=range(96, 192))
    figure = plot.peak_days(frame, slot="1h")
    assert [trace.name[:10] for trace in figure.data] == ["2024-01-03", "2024-01-01", "median of "]
    assert np.isnan(figure.data[0].y[22])
    assert figure.data[-1].name == "median of 2 days"
    with pytest.raises(ConfigurationError, match="1 or more"):
        plot.peak_days(frame, n=0)
    with pytest.raises(ConfigurationError, match="no values"):
        plot.peak_days(frame.assign(value=np.nan))
    with pytest.raises(UnitError):
        plot.peak_days(regular("2024-01-01", 24, 1.0, length="1h", service="gas", unit="therm"))


def test_a_matrix_without_its_passport_is_refused():
    matrix = heatmap(lapse_frame(), slot="1h")
    assert plot.heatmap(matrix).data[0].z.shape == (24, 366)
    bare = matrix.copy()
    bare.attrs.clear()
    for function in (plot.heatmap, plot.peak_days):
        with pytest.raises(ConfigurationError, match="passport"):
            function(bare)
    assert plot.quality(smd.analysis.quality_map(lapse_frame())).layout.title.text.startswith("Electricity load: quality")


# Both directions --------------------------------------------------------------------------------------------------------------------


def test_flows_and_their_net():
    home = pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True)
    home = home.drop(index=home.index[(home["flow"] == "received") & (home["start"] < "2024-01-03 00:00-08:00")])
    up, down, dots = plot.flows(home).data
    sums = {name: values[0:].sum() / 1000 for name, values in lapse2024().items()}
    assert up.y.astype("f8").sum() == pytest.approx(sums["delivered"], rel=1e-6)
    assert down.y.max() < 0
    assert (len(up.y), len(dots.y)) == (12, 11)  # of January one flow is there in part, so that there is no net
    np.testing.assert_allclose(dots.y, np.asarray(up.y[1:]) + np.asarray(down.y[1:]), rtol=1e-5)
    assert dots.x[0].astype("M8[D]").astype(str) == "2024-02-15"
    assert dots.marker.color == base.COLOURS[6]
    with pytest.raises(ConfigurationError, match="no usage point"):
        plot.flows(lapse_frame())
    with pytest.raises(ConfigurationError, match="2 usage points"):
        plot.flows(pd.concat([home, home.assign(usage_point="2")], ignore_index=True))


def test_months():
    figure = plot.monthly(lapse_frame().iloc[40 * 96 :])
    by_hand = [713_575, 775_757, 758_404, 950_649, 1_217_688, 1_610_865, 1_600_632, 1_207_969, 937_567, 760_193, 775_157]  # definitions.md
    np.testing.assert_allclose(figure.data[0].y[1:] * 1000, by_hand[1:], rtol=1e-6)
    assert figure.data[0].marker.opacity[0] < figure.data[0].marker.opacity[1] == 1
    assert len(plot.monthly(resample(lapse_frame(), "1MS")).data[0].y) == 12
    with pytest.raises(ConfigurationError, match="no months"):
        plot.monthly(resample(lapse_frame(), "1D"))


@pytest.mark.parametrize(
    ("length", "bins", "said"),
    [("30D", "1D", "readings of up to 30 d spread evenly"), ("30D", "1MS", "up to 30 d"), ("1h", "1D", ""), ("1h", "15min", "up to 1 h")],
)
def test_bars_say_what_was_not_metered_bar_by_bar(length, bins, said):
    reads = regular("2024-01-01", 2, 60.0, length=length, service="gas", channel="gas", unit="therm")
    notes = plot.energy(reads, bins=bins).layout.title.subtitle.text
    assert (said in notes) if said else "spread" not in notes
