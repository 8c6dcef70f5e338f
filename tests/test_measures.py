"""Metrics: figures known beforehand, numpy and arithmetic by hand, gaps, gas, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import metrics, resample
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, lapse2024, lapse_frame, regular, tidy


def by_name(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("metric")


def test_metrics_of_lapse():
    table = by_name(metrics(lapse_frame()))
    value = table["value"]
    assert (value["total"], value["max"], value["min"], value["days"]) == (12_084_108, 7644, 240, 366)
    assert value["mean"] == pytest.approx(12_084_108 / 8784, rel=1e-14)
    assert value["load_factor"] == pytest.approx(0.179970611616, abs=5e-13)
    assert value["base_daily_q05"] == 248.0
    assert value["base_night"] == pytest.approx(1710.288, abs=5e-4)
    assert value["weekend_weekday"] == pytest.approx(0.674643977840, abs=5e-13)
    assert (table["coverage"] == 1).all()
    assert table.loc["max", "at"] == pd.Timestamp("2024-01-05T01:30-08:00")
    assert table.loc[["max", "load_factor"], "interval"].tolist() == [pd.Timedelta("15min")] * 2
    assert "one interval" in table.loc["max", "definition"]
    assert table["unit"].to_dict()["total"] == "Wh"
    assert set(table["unit"][["load_factor", "weekend_weekday", "night_day", "summer_winter"]]) == {"1"}
    assert smd.cite(metrics(lapse_frame())).endswith("values as computed")


def test_the_same_as_numpy():
    """What definitions.md gives no figure for."""
    watts = lapse2024()["load"] * 4.0
    when = pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left")
    value = by_name(metrics(lapse_frame()))["value"]
    assert value["soft_max"] == np.quantile(watts, 0.97)
    assert value["soft_min"] == np.quantile(watts, 0.03)
    summer = when.month.isin([6, 7, 8, 9])
    assert value["summer_winter"] == pytest.approx(watts[summer].mean() / watts[~summer].mean(), rel=1e-13)
    days = [watts[when.day_of_year == day] for day in range(1, 367)]
    assert value["base_near_base"] == np.median([np.quantile(day, 0.025) for day in days])
    ratios = []
    for day in range(1, 367):
        hour = when[when.day_of_year == day].hour
        ratios.append(days[day - 1][(hour >= 1) & (hour < 5)].mean() / days[day - 1][(hour >= 15) & (hour < 19)].mean())
    assert value["night_day"] == pytest.approx(np.mean(ratios), rel=1e-13)


def test_months():
    table = metrics(lapse_frame(), period="1MS")
    assert len(table) == 12 * 14
    assert table.query("metric == 'total'")["value"].tolist() == resample(lapse_frame(), "1MS")["value"].tolist()
    assert table.query("metric == 'days'")["value"].tolist() == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    peaks = resample(lapse_frame(), "1MS")
    assert table.query("metric == 'max'")["at"].tolist() == peaks["max_at"].tolist()
    # in one month there is one season
    assert table.query("metric == 'summer_winter'")["value"].isna().all()
    assert table.query("metric == 'base_night'")["value"].notna().all()


def test_periods_of_bills_and_edges():
    feed = smd.sample("solar-home")
    table = metrics(feed, period="bill").query("metric == 'total' and channel == 'gas delivered'")
    stated = feed.bills().query("service == 'gas'")
    assert table["value"].tolist() == pytest.approx(stated["energy"].tolist(), rel=1e-9)
    assert table["start"].tolist() == stated["start"].tolist()
    halves = metrics(lapse_frame(), period=["2024-01-01", "2024-07-01", "2025-01-01"]).query("metric == 'total'")
    assert halves["value"].sum() == 12_084_108
    # an interval across an edge is in both periods
    astride = metrics(tidy(["2024-01-01 00:45"], [100], length="30min"), period="1h")
    assert astride.query("metric == 'total'")["value"].tolist() == [50, 50]
    assert astride.query("metric == 'max'")["at"].tolist() == list(pd.DatetimeIndex(["2024-01-01 00:45", "2024-01-01 01:00"], tz=ZONE))
    assert astride.query("metric == 'max'")["interval"].tolist() == [pd.Timedelta("30min")] * 2


# Peaks ------------------------------------------------------------------------------------------------------------------------------


def test_demand_windows():
    frame = regular("2024-01-01 00:15", 7, [100, 300, 300, 100, 50, 50, 0])
    clock = by_name(metrics(frame, demand_window="30min"))
    # by the clock: 00:30 to 01:00 is 300 and 300, and the first quarter has no whole window
    assert (clock.loc["max", "value"], clock.loc["max", "at"]) == (1200, pd.Timestamp("2024-01-01 00:30", tz=ZONE))
    assert clock.loc["min", "value"] == 100
    assert clock.loc["load_factor", "interval"] == pd.Timedelta("30min")
    assert clock.loc["load_factor", "value"] == pytest.approx(900 / 1.75 / 1200)
    assert "30min" in clock.loc["max", "definition"]
    frame = regular("2024-01-01 00:15", 7, [300, 300, 100, 100, 50, 50, 0])
    assert by_name(metrics(frame, demand_window="30min")).loc["max", "value"] == 800
    sliding = by_name(metrics(frame, demand_window="sliding 30min"))
    assert (sliding.loc["max", "value"], sliding.loc["max", "at"]) == (1200, pd.Timestamp("2024-01-01 00:15", tz=ZONE))
    assert sliding.loc["min", "value"] == 100
    # the year's highest hour of lapse2024, by an hour that begins at any quarter
    watts = lapse2024()["load"] * 4.0
    hours = np.lib.stride_tricks.sliding_window_view(watts, 4).mean(axis=1)
    assert by_name(metrics(lapse_frame(), demand_window="sliding 1h")).loc["max", "value"] == hours.max()


def test_a_window_is_a_text():
    with pytest.raises(ConfigurationError, match="not known"):
        metrics(regular("2024-01-01", 4, 100.0), demand_window=pd.Timedelta("30min"))


def test_no_window_across_a_gap_or_shorter_than_an_interval():
    gappy = regular("2024-01-01", 4, [100, 900, 900, 100]).drop(index=[1])
    for window in ("30min", "sliding 30min"):
        peak = by_name(metrics(gappy, demand_window=window)).loc["max"]
        assert (peak["value"], peak["at"]) == (2000, pd.Timestamp("2024-01-01 00:30", tz=ZONE))
    for window in ("15min", "sliding 15min", "sliding 90min"):
        hours = by_name(metrics(regular("2024-01-01", 3, 100.0, length="1h"), demand_window=window))
        assert hours.loc[["max", "load_factor"], ["value", "at", "interval"]].isna().all().all()
    power = regular("2024-01-01", 4, [1.0, 3, 3, 1], measure="power", unit="kW")
    assert by_name(metrics(power, demand_window="30min")).loc["max", "value"] == 2000
    assert by_name(metrics(power, demand_window="sliding 30min")).loc["max", "value"] == 3000


def test_load_factor_needs_one_length():
    start, end = ["2024-01-01 00:00", "2024-01-01 01:00"], ["2024-01-01 01:00", "2024-01-01 01:15"]
    table = by_name(metrics(tidy(start, [200, 100], end=end)))
    assert table.loc["max", ["value", "interval"]].tolist() == [400, pd.Timedelta("15min")]
    assert np.isnan(table.loc["load_factor", "value"])
    assert table.loc["mean", "value"] == 240
    # days are of one length, however long the clock made them
    days = by_name(metrics(resample(lapse_frame(), "1D")))
    assert days.loc["load_factor", "interval"] == pd.Timedelta("1D")
    assert days.loc["load_factor", "value"] == pytest.approx(12_084_108 / 8784 / days.loc["max", "value"])
    assert days.loc["weekend_weekday", "value"] == pytest.approx(0.674643977840, abs=5e-13)
    assert days.loc[["base_daily_q05", "base_near_base", "base_night", "night_day"], "value"].isna().all()


# Gaps -------------------------------------------------------------------------------------------------------------------------------


def test_missing_days_stay_missing():
    frame = lapse_frame()
    gap = (frame["start"] >= "2024-06-01 00:00-07:00") & (frame["start"] < "2024-07-16 00:00-07:00")  # 45 days
    for gappy in (frame[~gap], frame.assign(value=frame["value"].where(~gap))):
        table = by_name(metrics(gappy))
        assert table.loc["days", "value"] == 366 - 45
        assert table.loc["total", "value"] == frame["value"][~gap].sum()
        assert table.loc["mean", "coverage"] == pytest.approx(1 - 45 / 366)
        assert table.loc["base_daily_q05", "coverage"] == pytest.approx(1 - 45 / 366)
        months = metrics(gappy, period="1MS")
        june = by_name(months[months["start"] == pd.Timestamp("2024-06-01", tz=ZONE)])
        assert june.loc["days", "value"] == 0
        assert june["value"].drop("days").isna().all()
        assert (june["coverage"] == 0).all()


def test_eleven_hours_are_no_day_unless_asked():
    frame = regular("2024-01-01", 48, 10.0, length="1h").drop(index=range(24, 37))
    assert by_name(metrics(frame)).loc["days", "value"] == 1
    assert by_name(metrics(frame, min_coverage=0.4)).loc["days", "value"] == 2
    binned = resample(frame, "1D")
    assert by_name(metrics(binned)).loc["total", "value"] == 240
    asked = by_name(metrics(binned, min_coverage=0.4))
    assert asked.loc["total", "value"] == 350
    assert asked.loc["mean", "value"] == 10
    assert asked.loc["mean", "coverage"] == pytest.approx(35 / 48)


# Other channels ---------------------------------------------------------------------------------------------------------------------


def test_gas_power_and_several_meters():
    gas = regular("2024-01-01", 14, [2.4] * 5 + [4.8] * 2 + [2.4] * 5 + [4.8] * 2, length="1D", service="gas", unit="therm", channel="gas")
    power = regular("2024-01-01", 48, [1.0, 3.0] * 24, length="1h", measure="power", unit="kW", channel="power", usage_point="2")
    table = metrics(pd.concat([gas, power, lapse_frame(usage_point="3")], ignore_index=True))
    assert table["usage_point"].unique().tolist() == ["1", "2", "3"]
    one, two = (by_name(table[table["usage_point"] == point]) for point in ("1", "2"))
    assert one.loc["total", ["value", "unit"]].tolist() == [pytest.approx(43.2), "therm"]
    assert one.loc["max", ["value", "unit"]].tolist() == [pytest.approx(0.2), "therm/h"]
    assert one.loc["weekend_weekday", "value"] == pytest.approx(2)
    assert np.isnan(one.loc["base_night", "value"])
    assert np.isnan(two.loc["total", "value"])  # power is not added up
    assert two.loc[["mean", "max", "load_factor"], "value"].tolist() == pytest.approx([2000, 3000, 2 / 3])


def test_metrics_of_nothing():
    assert metrics(regular("2024-01-01", 0, 1.0)).empty
    blank = by_name(metrics(regular("2024-01-01", 96, np.nan)))
    assert blank["value"].drop("days").isna().all()
    assert blank.loc["days", "value"] == 0
    assert (blank["coverage"] == 0).all()


def test_received_energy_has_no_ratio_where_there_is_none():
    zero = by_name(metrics(regular("2024-01-01", 96 * 7, 0.0, flow="received")))
    assert zero.loc[["load_factor", "weekend_weekday", "night_day", "base_daily_q05"], "value"].isna().all()
    assert zero.loc["base_near_base", "value"] == 0


@pytest.mark.parametrize("window", ["1MS", "soon", "sliding", "30h"])
def test_windows_that_make_no_sense(window):
    with pytest.raises(ConfigurationError):
        metrics(lapse_frame()[:96], demand_window=window)


def test_labels_do_not_matter():
    """Another name, another place among others: the same numbers."""
    frame = pd.concat([lapse_frame("load")[:960], lapse_frame("solar", flow="received")[:960]], ignore_index=True)
    one = metrics(frame)
    other = metrics(frame.iloc[::-1].reset_index(drop=True))
    for channel in frame["channel"].unique():
        pair = [table[table["channel"] == channel].reset_index(drop=True) for table in (one, other)]
        pd.testing.assert_frame_equal(*pair)
    renamed = metrics(frame.assign(channel=frame["channel"].str.upper(), usage_point="x"))
    assert renamed["value"].tolist() == pytest.approx(one["value"].tolist(), nan_ok=True)


def test_no_sliding_window_with_a_bin_in_part():
    """Of the hour from 1:00 only the first half was metered, at 1800 W: no two hours with it are metered in full."""
    halves = regular("2024-01-15", 10, [50.0, 50, 900, 0, 10, 10, 10, 10, 10, 10], length="30min").drop(index=3)
    found = by_name(smd.metrics(resample(halves, "1h"), demand_window="sliding 2h", min_coverage=0.4))
    assert found["value"]["max"] == 20
    assert found["at"]["max"] == pd.Timestamp("2024-01-15 02:00", tz=ZONE)


def test_a_first_day_in_part_counts_like_a_last_one():
    """22, 24 and 22 hours: nine tenths of each day."""
    found = by_name(smd.metrics(regular("2024-01-15 02:00", 68, 100.0, length="1h"), min_coverage=0.9))
    assert (found["value"]["days"], found["coverage"]["days"]) == (3, 1)
    assert found["value"]["base_near_base"] == 100
