"""Bins: figures known beforehand, a slow independent binning to compare with, and conservation of energy."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.analysis import net, resample, wide
from smd_notebook.analysis.bins import COLUMNS
from smd_notebook.analysis.spread import Intervals, _check
from smd_notebook.errors import ConfigurationError, SmdError, SmdWarning, TimeZoneError, UnitError

from .tidy import ZONE, lapse2024, lapse_frame, regular, tidy

PARIS = "Europe/Paris"


def on(frame: pd.DataFrame, day: str) -> pd.DataFrame:
    return frame[frame["start"].dt.strftime("%Y-%m-%d") == day]


def clock(times: pd.Series) -> list[str]:
    return times.dt.strftime("%H:%M").tolist()


# lapse2024: figures that pandas, polars and plain Python agree on -------------------------------------------------------------------


@pytest.mark.parametrize(("bins", "n"), [("15min", 35136), ("1h", 8784), ("1D", 366), ("1W", 53), ("1MS", 12), ("1YS", 1)])
def test_lapse_counts_and_total(bins, n):
    binned = resample(lapse_frame(), bins)
    assert len(binned) == n
    assert binned["value"].sum() == 12_084_108
    whole = binned.iloc[1:-1] if bins == "1W" else binned  # the year begins on a Monday and ends on a Tuesday
    assert (whole["coverage"] == 1).all()
    assert binned["n_intervals"].sum() == 35136


def test_lapse_sums_of_all_series():
    sums = {"load": 12_084_108, "solar": 5_508_000, "delivered": 9_748_676, "received": 3_172_568}
    assert {name: int(series.sum()) for name, series in lapse2024().items()} == sums
    frame = pd.concat([lapse_frame(name) for name in sums], ignore_index=True)
    assert resample(frame, "1YS").set_index("channel")["value"].to_dict() == {f"electricity {name}": total for name, total in sums.items()}


@pytest.mark.parametrize(
    ("day", "energy", "count", "hours", "mean"), [("2024-03-10", 16493, 92, 23, 717.086957), ("2024-11-03", 17510, 100, 25, 700.4)]
)
def test_days_on_which_the_clock_changes(day, energy, count, hours, mean):
    row = on(resample(lapse_frame(), "1D"), day).iloc[0]
    assert (row["value"], row["n_intervals"], row["coverage"]) == (energy, count, 1)
    assert row["end"] - row["start"] == pd.Timedelta(f"{hours}h")
    assert row["mean_power"] == pytest.approx(mean, abs=5e-7)


def test_hours_on_which_the_clock_changes():
    hourly = resample(lapse_frame(), "1h")
    autumn = on(hourly, "2024-11-03").iloc[:4]
    assert [stamp.isoformat()[11:] for stamp in autumn["start"]] == ["00:00:00-07:00", "01:00:00-07:00", "01:00:00-08:00", "02:00:00-08:00"]
    assert autumn["value"].tolist() == [347, 321, 367, 326]
    spring = on(hourly, "2024-03-10")
    assert clock(spring["start"])[:3] == ["00:00", "01:00", "03:00"]
    assert spring["value"].iloc[1:3].tolist() == [334, 362]
    assert len(spring) == 23


def test_months():
    months = resample(lapse_frame(), "1MS")
    assert months["value"].tolist() == [
        *(775652, 713575, 775757, 758404, 950649, 1217688, 1610865, 1600632, 1207969, 937567, 760193, 775157),
    ]
    hours = (months["end"] - months["start"]) / pd.Timedelta("1h")
    assert (hours.iloc[2], hours.iloc[10]) == (743, 721)


def test_highest_power_of_the_year_and_its_instant():
    year = resample(lapse_frame(), "1YS").iloc[0]
    assert year["max_power"] == 7644
    assert year["max_at"] == pd.Timestamp("2024-01-05T01:30-08:00")
    assert year["native_interval"] == pd.Timedelta("15min")


def test_first_day_is_covered_in_part():
    frame = lapse_frame()
    day = resample(frame[frame["start"] >= "2024-01-15 13:30-08:00"], "1D").iloc[0]
    assert (day["value"], day["n_intervals"], day["coverage"]) == (9987, 42, 0.4375)
    assert day["mean_power"] == pytest.approx(9987 / 10.5)


def test_four_hours_are_counted_from_midnight():
    binned = resample(lapse_frame(), "4h")
    for day, first in (("2024-03-10", 12), ("2024-11-03", 20), ("2024-11-04", 16)):
        rows = on(binned, day)
        assert clock(rows["start"]) == ["00:00", "04:00", "08:00", "12:00", "16:00", "20:00"]
        assert rows["n_intervals"].tolist() == [first, 16, 16, 16, 16, 16]
        assert (rows["coverage"] == 1).all()


def test_weeks_begin_on_monday():
    weeks = resample(lapse_frame(), "1W")
    assert set(weeks["start"].dt.day_of_week) == {0}
    assert (clock(weeks["start"]), weeks["start"].iloc[0]) == (["00:00"] * 53, pd.Timestamp("2024-01-01", tz=ZONE))
    assert weeks["coverage"].iloc[-1] == pytest.approx(2 / 7)


# Splitting --------------------------------------------------------------------------------------------------------------------------


def test_intervals_astride_hours_are_split():
    start = ["2024-01-05 10:07", "2024-01-05 10:37", "2024-01-05 12:07"]
    frame = tidy(start, [300, 900, 150], end=["2024-01-05 10:37", "2024-01-05 12:07", "2024-01-05 12:22"])
    binned = resample(frame, "1h")
    assert binned["value"].tolist() == pytest.approx([530, 600, 220])
    assert binned["coverage"].tolist() == pytest.approx([53 / 60, 1, 22 / 60])
    assert binned["n_intervals"].tolist() == [2, 1, 2]
    # 10:37 to 12:07 is longer than the hour: what the highest power within the hour was is not known
    assert binned["max_power"].isna().all()
    assert binned["max_at"].isna().all()
    assert binned["native_interval"].tolist() == [pd.Timedelta("90min")] * 3


def test_a_monthly_reading_over_days():
    days = resample(tidy(["2024-03-01"], [743], end=["2024-04-01"], unit="kWh"), "1D")
    march = days.set_index(days["start"].dt.day)["value"]
    assert march.loc[9:11].tolist() == pytest.approx([24, 23, 24], rel=1e-15)
    assert march.sum() == pytest.approx(743, rel=1e-15)
    assert days["mean_power"].tolist() == pytest.approx([1000] * 31)


def test_hours_into_quarters():
    quarters = resample(regular("2024-01-01", 2, [1200, 600], length="1h"), "15min")
    assert quarters["value"].tolist() == [300] * 4 + [150] * 4
    assert quarters["max_power"].isna().all()
    assert quarters["mean_power"].tolist() == [1200] * 4 + [600] * 4


def test_mixed_lengths_and_the_first_instant_of_the_maximum():
    start = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 01:15", "2024-01-01 02:00"]
    frame = tidy(start, [400, 300, 100, 1200], end=["2024-01-01 01:00", "2024-01-01 01:15", "2024-01-01 01:30", "2024-01-01 03:00"])
    day = resample(frame, "1D").iloc[0]
    assert (day["max_power"], day["max_at"]) == (1200, pd.Timestamp("2024-01-01 01:00", tz=ZONE))
    assert day["native_interval"] == pd.Timedelta("1h")
    assert day["coverage"] == pytest.approx(2.5 / 24)


def test_maximum_of_an_interval_astride_is_dated_within_the_bin():
    frame = tidy(["2024-01-01 00:45"], [100], length="30min")
    assert resample(frame, "1h")["max_at"].tolist() == list(pd.DatetimeIndex(["2024-01-01 00:45", "2024-01-01 01:00"], tz=ZONE))


# Bins: gaps, edges, zones -----------------------------------------------------------------------------------------------------------


def test_empty_bins_within_the_data_are_there_and_none_outside():
    frame = regular("2024-01-01", 96, 1.0)
    days = resample(pd.concat([frame, regular("2024-01-04", 96, 1.0)], ignore_index=True), "1D")
    assert days["value"].tolist()[::3] == [96, 96]
    assert days["value"].isna().tolist() == [False, True, True, False]
    assert days["coverage"].tolist() == [1, 0, 0, 1]
    assert days["n_intervals"].tolist() == [96, 0, 0, 96]
    assert days.loc[1, ["mean_power", "max_power", "max_at", "native_interval"]].isna().all()


def test_missing_values_cover_nothing():
    values = np.ones(96)
    values[:24] = np.nan
    day = resample(regular("2024-01-01", 96, values), "1D").iloc[0]
    assert (day["value"], day["coverage"], day["n_intervals"]) == (72, 0.75, 72)
    nothing = resample(regular("2024-01-01", 96, np.nan), "1D").iloc[0]
    assert np.isnan(nothing["value"])
    assert (nothing["coverage"], nothing["n_intervals"]) == (0, 0)


def test_flagged_intervals_are_counted():
    quality = ["valid", "validated", "revenue_quality", "raw", "estimated", "interpolated", "derived", "other", "manually_edited", None]
    hour = resample(regular("2024-01-01", 10, 1.0, length="6min", quality=quality), "1h").iloc[0]
    assert (hour["n_intervals"], hour["n_flagged"]) == (10, 5)


def test_min_coverage_and_caltrack():
    frame = pd.concat([regular("2024-01-01", 12, 10.0, length="1h"), regular("2024-01-02", 13, 10.0, length="1h")], ignore_index=True)
    assert resample(frame, "1D", min_coverage=0.5)["value"].tolist() == [120, 130]
    masked = resample(frame, "1D", min_coverage=0.51)
    assert masked["value"].isna().tolist() == [True, False]
    assert masked.loc[0, ["mean_power", "max_power", "max_at"]].isna().all()
    assert masked["coverage"].tolist() == [12 / 24, 13 / 24]
    scaled = resample(frame, "1D", scale="caltrack")["value"]
    assert np.isnan(scaled[0])  # exactly half is not more than half
    assert scaled[1] == pytest.approx(240)


@pytest.mark.parametrize(
    "edges",
    [
        ["2024-01-10", "2024-02-08", "2024-03-11"],
        pd.DatetimeIndex(["2024-01-10", "2024-02-08", "2024-03-11"]),
        pd.DatetimeIndex(["2024-01-10", "2024-02-08", "2024-03-11"]).tz_localize(ZONE),
        [datetime(2024, 1, 10, 8, tzinfo=UTC), datetime(2024, 2, 8, 8, tzinfo=UTC), datetime(2024, 3, 11, 7, tzinfo=UTC)],
    ],
)
def test_edges(edges):
    binned = resample(lapse_frame(), edges)
    daily = resample(lapse_frame(), "1D").set_index("start")["value"]
    assert binned["value"].tolist() == [daily["2024-01-10":"2024-02-07"].sum(), daily["2024-02-08":"2024-03-10"].sum()]
    assert clock(binned["start"]) == ["00:00", "00:00"]
    assert (binned["coverage"] == 1).all()


def test_edges_beyond_the_data_make_no_bins():
    frame = regular("2024-01-02 12:00", 4, 1.0)
    binned = resample(frame, pd.date_range("2023-12-30", periods=10, freq="D"))
    assert binned["start"].tolist() == [pd.Timestamp("2024-01-02", tz=ZONE)]
    assert resample(frame, ["2023-01-01", "2023-01-02"]).empty
    assert resample(frame, ["2025-01-01", "2025-01-02"]).empty


@pytest.mark.parametrize("edges", [["2024-11-03 01:00", "2024-11-03 05:00"], ["2024-03-10 02:10", "2024-03-10 02:20"]])
def test_naive_edges_that_the_clock_does_not_show_once(edges):
    with pytest.raises(TimeZoneError, match="twice"):
        resample(lapse_frame(), edges)


@pytest.mark.parametrize(
    "bins",
    [
        *("1M", "day", "", "0h", "25h", "2D", "3MS", "1.5h", "-1h", [], ["2024-01-01"], ["2024-01-02", "2024-01-01"], ["2024-01-01"] * 2),
        *(["2024-01-01", pd.NaT], ["2024-01-01", "2024-01-02T00:00Z"]),
        *(pd.Timedelta("1h"), pd.offsets.MonthBegin(), None, 3, ["2024-01-01", "noon"]),
    ],
)
def test_bins_that_are_refused(bins):
    with pytest.raises(ConfigurationError):
        resample(regular("2024-01-01", 4, 1.0), bins)


def test_bills_come_later():
    with pytest.raises(ConfigurationError, match="bills"):
        resample(regular("2024-01-01", 4, 1.0), "bill")


def test_other_zone():
    days = resample(lapse_frame(), "1D", tz="UTC")
    assert (len(days), str(days["start"].dt.tz), set(days["zone"])) == (367, "UTC", {"UTC"})
    assert days["coverage"].iloc[0] == pytest.approx(16 / 24)
    with pytest.raises(TimeZoneError, match="Mars"):
        resample(lapse_frame(), "1D", tz="Mars/Olympus")


def test_each_channel_in_its_own_zone():
    here = regular("2024-03-09", 72, 1.0, length="1h", tz="UTC")
    there = regular("2024-03-30", 71, 1.0, length="1h", zone=PARIS, tz="UTC", usage_point="2")
    both = pd.concat([here, there], ignore_index=True)
    both["zone"] = both["zone"].astype("category")
    days = resample(both, "1D")
    assert str(days["start"].dt.tz) == "UTC"
    assert days["zone"].tolist() == [ZONE] * 4 + [PARIS] * 3
    assert ((days["end"] - days["start"]) / pd.Timedelta("1h")).tolist() == [24, 23, 24, 24, 24, 23, 24]
    assert days["start"].iloc[[0, 4]].tolist() == [pd.Timestamp("2024-03-09T08:00Z"), pd.Timestamp("2024-03-29T23:00Z")]
    assert str(resample(both[both["zone"] == PARIS], "1D")["start"].dt.tz) == PARIS


@pytest.mark.parametrize(
    ("zone", "day", "hours", "first"),
    [
        ("America/Sao_Paulo", "2018-11-04", 23, "01:00"),  # midnight does not exist
        ("Asia/Beirut", "2022-03-27", 23, "01:00"),
        ("America/Havana", "2024-11-03", 25, "00:00"),  # midnight happens twice
        ("Australia/Lord_Howe", "2024-04-07", 24.5, "00:00"),
        ("Australia/Lord_Howe", "2024-10-06", 23.5, "00:00"),
        ("Pacific/Apia", "2011-12-31", 24, "00:00"),  # the day before does not exist
        ("Asia/Kathmandu", "2024-06-01", 24, "00:00"),
    ],
)
def test_unusual_days(zone, day, hours, first):
    start = pd.Timestamp(day).tz_localize("UTC") - pd.Timedelta("60h")
    frame = tidy(pd.date_range(start, periods=5 * 96, freq="15min"), 1.0, zone=zone)
    row = on(resample(frame, "1D"), day)
    assert len(row) == 1
    assert clock(row["start"]) == [first]
    assert (row["end"] - row["start"]).iloc[0] == pd.Timedelta(f"{hours}h")
    assert row["coverage"].iloc[0] == 1
    assert row["value"].iloc[0] == hours * 4


def test_half_hour_of_lord_howe():
    frame = tidy(pd.date_range("2024-04-06T13:00Z", periods=12, freq="15min"), 1.0, zone="Australia/Lord_Howe")
    quarters, hours = resample(frame, "15min"), resample(frame, "1h")
    assert clock(quarters["start"]) == [
        *("00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45", "01:30", "01:45", "02:00", "02:15"),
    ]
    assert clock(hours["start"]) == ["00:00", "01:00", "02:00"]
    assert hours["value"].tolist() == [4, 6, 2]
    assert hours["coverage"].tolist() == [1, 1, 0.5]


def test_midnight_twice_is_no_reason_to_split_four_hours():
    frame = tidy(pd.date_range("2024-11-03T04:00Z", periods=100, freq="15min"), 1.0, zone="America/Havana")
    assert resample(frame, "4h")["n_intervals"].tolist() == [20, 16, 16, 16, 16, 16]
    assert clock(resample(frame, "1h")["start"])[:3] == ["00:00", "00:00", "01:00"]


# Kinds of channels ------------------------------------------------------------------------------------------------------------------


def test_power_is_averaged_over_time():
    start = ["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 01:00"]
    end = ["2024-01-01 00:15", "2024-01-01 01:00", "2024-01-01 01:30"]
    binned = resample(tidy(start, [4, 8, 2], end=end, measure="power", unit="kW"), "1h")
    assert binned["value"].tolist() == [7, 2]
    assert binned["mean_power"].tolist() == [7000, 2000]
    assert binned["max_power"].tolist() == [8000, 2000]
    assert binned["coverage"].tolist() == [1, 0.5]
    assert resample(tidy(start, [4, 8, 2], end=end, measure="power", unit="kW"), "1h", scale="caltrack")["value"].tolist()[0] == 7


@pytest.mark.parametrize(
    ("kinds", "power"),
    [
        ({"unit": "Wh"}, 1.0),
        ({"unit": "kWh"}, 1000.0),
        ({"unit": "J"}, 1 / 3600),
        ({"unit": "Wh", "service": None}, 1.0),
        ({"unit": "Btu", "service": None}, None),
        ({"unit": "VAh"}, None),
        ({"unit": "VA", "measure": "power"}, None),
        ({"unit": None}, None),
        ({"unit": "therm", "service": "gas"}, None),
        ({"unit": "kWh", "service": "gas"}, None),
        ({"unit": "m3", "service": "water", "measure": "volume"}, None),
    ],
)
def test_power_in_watts_for_electricity_only(kinds, power):
    hour = resample(regular("2024-01-01", 1, 1.0, length="1h", **kinds), "1h").iloc[0]
    assert hour["value"] == 1
    if power is None:
        assert hour[["mean_power", "max_power", "max_at"]].isna().all()
    else:
        assert hour["mean_power"] == hour["max_power"] == pytest.approx(power)


@pytest.mark.parametrize(("measure", "why"), [("register", "running total"), ("other", "not known"), (None, "not known")])
def test_what_cannot_be_added_is_refused(measure, why):
    frame = pd.concat([lapse_frame(), regular("2024-01-01", 4, 1.0, channel="strange", measure=measure)], ignore_index=True)
    with pytest.raises(UnitError, match=why) as caught:
        resample(frame, "1D")
    assert "'strange'" in str(caught.value)


@pytest.mark.parametrize(("column", "value"), [("unit", "kWh"), ("flow", "received"), ("measure", "power"), ("service", None)])
def test_channels_that_mix_are_refused(column, value):
    frame = regular("2024-01-01", 4, 1.0)
    frame.loc[2, column] = value
    with pytest.raises(UnitError, match=column):
        resample(frame, "1D")


def test_channels_of_unlike_units_each_by_itself():
    gas = regular("2024-01-02", 2, 3.0, length="24h", channel="gas", service="gas", unit="therm", flow="unstated")
    one, two = regular("2024-01-01", 96, 1.0), regular("2024-01-01", 48, 1.0, length="30min", usage_point="2")
    frame = pd.concat([gas, one, two], ignore_index=True)
    binned = resample(frame, "1D")
    assert binned["channel"].tolist() == ["gas", "gas", "electricity delivered", "electricity delivered"]
    assert binned["usage_point"].tolist() == ["1", "1", "1", "2"]
    assert binned["value"].tolist() == [3, 3, 96, 48]
    assert binned["unit"].tolist() == ["therm", "therm", "Wh", "Wh"]
    shuffled = resample(frame.sample(frac=1, random_state=3), "1D").sort_values(["channel", "usage_point", "start"], ignore_index=True)
    columns = list(COLUMNS)
    expected = binned.sort_values(["channel", "usage_point", "start"], ignore_index=True)[columns]
    pd.testing.assert_frame_equal(shuffled[columns], expected)


@pytest.mark.parametrize("text", ["str", "string"])
def test_columns_and_types(text):
    frame = regular("2024-01-01", 96, 1.0).astype({"usage_point": text, "channel": text})
    for rows in (frame, frame.iloc[:0]):
        binned = resample(rows, "1h")
        assert tuple(binned.columns) == COLUMNS
        for name in ("usage_point", "channel", "service", "measure", "flow", "zone", "start", "end", "unit"):
            assert binned[name].dtype == frame[name].dtype, name
        assert binned["max_at"].dtype == frame["start"].dtype
        assert binned["native_interval"].dtype == "m8[us]"
        assert {str(binned[name].dtype) for name in ("value", "mean_power", "max_power", "coverage")} == {"float64"}
        assert {str(binned[name].dtype) for name in ("n_intervals", "n_flagged")} == {"int64"}
    assert binned.empty


def test_a_feed_is_taken_for_its_tidy_frame():
    class Feed:
        def tidy(self) -> pd.DataFrame:
            return regular("2024-01-01", 96, 1.0)

    assert resample(Feed(), "1D")["value"].tolist() == [96]


def test_what_is_no_tidy_frame():
    frame = regular("2024-01-01", 4, 1.0)
    with pytest.raises(ConfigurationError, match="in bins already"):
        resample(resample(frame, "1h"), "1D")
    with pytest.raises(ConfigurationError, match="no column quality"):
        resample(frame.drop(columns="quality"), "1D")
    with pytest.raises(ConfigurationError, match="not list"):
        resample([1, 2], "1D")
    with pytest.raises(TimeZoneError, match="no time zone"):
        resample(frame.assign(start=frame["start"].dt.tz_localize(None)), "1D")
    elsewhere = regular("2024-01-01", 4, 1.0, zone="Asia/Tokyo", usage_point="2")
    with pytest.raises(TimeZoneError, match="several zones"):
        resample(pd.concat([frame, elsewhere]), "1D")
    for wrong in ({"min_coverage": 2}, {"scale": "up"}, {"overlaps": "drop"}):
        with pytest.raises(ConfigurationError):
            resample(frame, "1D", **wrong)


def test_the_frame_that_is_given_does_not_change():
    frame = regular("2024-01-01", 96, 1.0)
    before = frame.copy()
    resample(frame.iloc[::-1], "1D", overlaps="mean")
    pd.testing.assert_frame_equal(frame, before)


# Overlaps and intervals without length -----------------------------------------------------------------------------------------------


def overlapping() -> pd.DataFrame:
    # 00:00 to 00:30 with 30 Wh, 00:15 to 00:45 with 60 Wh, then 00:45 to 01:00 twice, with 15 and 45 Wh
    start = ["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:45", "2024-01-01 00:45"]
    end = ["2024-01-01 00:30", "2024-01-01 00:45", "2024-01-01 01:00", "2024-01-01 01:00"]
    return tidy(start, [30, 60, 15, 45], end=end)


def test_overlaps_are_listed():
    with pytest.raises(SmdError, match="2 interval") as caught:
        resample(overlapping(), "1h")
    for text in ("2024-01-01T08:15:00Z to 2024-01-01T08:45:00Z", "2024-01-01T08:45:00Z", 'overlaps="first"', "electricity delivered"):
        assert text in str(caught.value)


def test_all_that_a_long_interval_overlaps_is_counted():
    frame = tidy(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"], 1.0, end=["2024-01-01 10:00"] + ["2024-01-01 03:30"] * 2)
    frame.loc[1, "end"] = frame.loc[1, "start"] + pd.Timedelta("1h")
    with pytest.raises(SmdError, match="2 interval"):
        resample(frame, "1D")


@pytest.mark.parametrize(
    ("policy", "value", "count"), [("first", 30 + 30 + 15, 3), ("last", 15 + 60 + 45, 3), ("mean", 15 + (15 + 30) / 2 + 30 + 30, 4)]
)
def test_overlap_policies(policy, value, count):
    hour = resample(overlapping(), "1h", overlaps=policy).iloc[0]
    assert hour["value"] == pytest.approx(value)
    assert hour["coverage"] == 1
    assert hour["n_intervals"] == count
    assert hour["native_interval"] == pd.Timedelta("30min")
    reverse = {"first": "last", "last": "first", "mean": "mean"}[policy]
    assert resample(overlapping().iloc[::-1], "1h", overlaps=reverse)["value"].iloc[0] == pytest.approx(value)


def test_overlap_of_power_and_with_a_hole():
    start, end = ["2024-01-01 00:00", "2024-01-01 00:00", "2024-01-01 00:45"], ["2024-01-01 00:30", "2024-01-01 00:30", "2024-01-01 01:00"]
    frame = tidy(start, [10, 20, 30], end=end, measure="power", unit="W", quality=["valid", "estimated", "valid"])
    for policy, value, flagged in (("first", 10, 0), ("last", 20, 1), ("mean", 15, 1)):
        hour = resample(frame, "1h", overlaps=policy).iloc[0]
        assert hour["value"] == pytest.approx((value * 2 + 30) / 3)
        assert (hour["coverage"], hour["n_intervals"], hour["n_flagged"]) == (0.75, 2, flagged)


def test_a_missing_value_overlaps_nothing():
    frame = tidy(["2024-01-01 00:00"] * 2, [np.nan, 5], length="1h")
    assert resample(frame, "1h")["value"].tolist() == [5]


@pytest.mark.parametrize("value", [5.0, 0.0, np.nan])
def test_intervals_without_a_time_are_left_out_with_a_warning(value):
    whole = regular("2024-01-01", 4, [1.0, 2, 3, 4])
    frame = pd.concat([whole, whole.iloc[:1].assign(start=pd.NaT, end=pd.NaT, value=value)], ignore_index=True).astype(whole.dtypes)
    for function in (lambda x: resample(x, "1h"), smd.metrics, smd.profile, smd.analysis.heatmap):
        with pytest.warns(SmdWarning, match="1 of 5 intervals have no time"):
            found = function(frame)
        pd.testing.assert_frame_equal(found, function(whole), check_like=True)
    assert len(smd.fill(frame)) == 5
    assert smd.check(frame)["code"].tolist()[0] == "time-missing"


def test_a_value_beyond_floats_is_infinite_in_its_bin_alone():
    assert resample(regular("2024-01-01", 8, [1.0, np.inf, 3, 4, 5, 6, 7, 8]), "1h")["value"].tolist() == [np.inf, 26]


def test_intervals_without_length():
    frame = regular("2024-01-01", 4, [1.0, 2, 3, 4])
    frame.loc[1, "end"] = frame.loc[1, "start"]
    with pytest.raises(SmdError, match=r"1 interval.*no length.*2024-01-01T08:15:00Z"):
        resample(frame, "1h", overlaps="first")
    frame.loc[1, "value"] = 0  # carries nothing, loses nothing
    hour = resample(frame, "1h").iloc[0]
    assert (hour["value"], hour["coverage"], hour["n_intervals"]) == (8, 0.75, 3)
    frame.loc[1, "end"] = frame.loc[0, "start"]
    with pytest.raises(SmdError, match="no length"):
        resample(frame, "1h")


def test_no_error_holds_a_reading_or_a_meter():
    frame = overlapping().assign(usage_point="4007471111")
    frame["value"] = 987654.25
    with pytest.raises(SmdError) as caught:
        resample(frame, "1h")
    assert not {"987654", "4007471111"} & {text for text in ("987654", "4007471111") if text in str(caught.value)}


# Billing periods ----------------------------------------------------------------------------------------------------------------


class Billed:
    """What resample asks of a Feed."""

    def __init__(self, frame: pd.DataFrame, *periods: tuple[str, str], point: str = "1", service: str | None = "electricity") -> None:
        self.frame, self.periods, self.point, self.service = frame, periods, point, service

    def tidy(self) -> pd.DataFrame:
        return self.frame

    def bills(self) -> pd.DataFrame:
        times = [pd.DatetimeIndex([period[side] for period in self.periods]).tz_localize(ZONE).as_unit("us") for side in (0, 1)]
        return pd.DataFrame(
            {
                "usage_point": self.point,
                "service": pd.Series([self.service] * len(self.periods), dtype="str"),
                "start": times[0],
                "end": times[1],
            }
        )


def test_bins_of_bills_hold_what_the_bills_say():
    feed = smd.sample("solar-home")
    binned = resample(feed, "bill")
    gas = binned[binned["service"] == "gas"]
    stated = feed.bills().query("service == 'gas'")
    assert gas["start"].tolist() == stated["start"].tolist()
    assert gas["value"].tolist() == pytest.approx(stated["energy"].tolist(), rel=1e-9)
    assert (gas["coverage"] == 1).all()
    assert gas["unit"].tolist() == ["therm"] * 12
    assert "bins bill" in smd.cite(binned)


def test_bills_with_a_hole_between_them_and_one_of_745_hours():
    # hours of 100 Wh: October 15 to November 15 has an hour more than its 31 days
    feed = Billed(regular("2024-10-01", 24 * 61 + 1, 100.0, length="1h"), ("2024-10-15", "2024-11-15"), ("2024-11-20", "2024-12-20"))
    binned = resample(feed, "bill")
    assert binned["value"].tolist() == [74_500, 1100 * 24]  # and the days from the 15th to the 20th are in no bill
    assert binned["coverage"].tolist() == [1, 11 / 30]
    twice = Billed(feed.frame, *feed.periods, ("2024-10-15", "2024-11-15"))
    pd.testing.assert_frame_equal(resample(twice, "bill"), binned)


def test_bills_that_make_no_bins():
    frame = regular("2024-10-01", 24, 100.0, length="1h")
    with pytest.raises(ConfigurationError, match="Feed itself"):
        resample(frame, "bill")
    for feed in (Billed(frame), Billed(frame, ("2024-10-01", "2024-11-01"), point="2"), Billed(frame, ("2024-10-01", "2024-10-01"))):
        with pytest.raises(ConfigurationError, match="no billing period"):
            resample(feed, "bill")
    with pytest.raises(ConfigurationError, match="no billing period"):
        resample(Billed(frame, ("2024-10-01", "2024-11-01"), service="gas"), "bill")
    with pytest.raises(SmdError, match="1 billing period"):
        resample(Billed(frame, ("2024-10-01", "2024-11-01"), ("2024-10-31", "2024-11-30")), "bill")
    assert resample(Billed(frame, ("2024-10-01", "2024-11-01"), service=None), "bill")["value"].tolist() == [2400]


@pytest.mark.parametrize(("energy", "time"), [(1 + 1e-6, 1), (1, 0.5)])
def test_what_bins_hold_is_checked(energy, time):
    """Were the arithmetic to lose or make energy or time, nothing would be returned."""
    start = np.arange(4) * 3600_000_000
    found = Intervals(start, start + 3600_000_000, np.ones(4), np.zeros(4, dtype=bool), np.full(4, 3600_000_000))
    edges = np.array([0, 4 * 3600_000_000])
    _check(found, edges, np.array([4.0]), np.array([4 * 3600e6]), additive=True)
    with pytest.raises(SmdError, match="do not hold"):
        _check(found, edges, np.array([4.0]) * energy, np.array([4 * 3600e6]) * time, additive=True)


# An independent binning in plain Python: minute by minute, with zoneinfo -----------------------------------------------------------

ZONES = [
    ZONE,
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Dublin",
    "America/Havana",
]
#: A little before clocks change, in these zones
NEAR = [
    *(datetime(2024, 3, 9, 22, tzinfo=UTC), datetime(2024, 11, 2, 22, tzinfo=UTC), datetime(2024, 4, 6, 10, tzinfo=UTC)),
    *(datetime(2024, 10, 5, 10, tzinfo=UTC), datetime(2018, 11, 3, 20, tzinfo=UTC), datetime(2018, 2, 17, 20, tzinfo=UTC)),
    *(datetime(2022, 3, 26, 18, tzinfo=UTC), datetime(2022, 10, 29, 18, tzinfo=UTC), datetime(2024, 3, 30, 22, tzinfo=UTC)),
    *(datetime(2024, 10, 26, 22, tzinfo=UTC), datetime(2023, 12, 31, 12, tzinfo=UTC), datetime(2024, 2, 28, 12, tzinfo=UTC)),
    datetime(2010, 11, 6, 20, tzinfo=UTC),  # in St. John's from 00:01 back to 23:01
]
MINUTE = timedelta(minutes=1)


def bin_of(wall: datetime, bins: str) -> tuple[object, ...]:
    if bins == "1W":
        return wall.isocalendar()[:2]
    if bins in ("1D", "1MS", "1YS"):
        return (wall.year, wall.month, wall.day)[: {"1YS": 1, "1MS": 2, "1D": 3}[bins]]
    return wall.date(), (wall.hour * 60 + wall.minute) // {"15min": 15, "1h": 60, "4h": 240, "90min": 90}[bins]


def boundaries(first: datetime, last: datetime, zone: str, bins: str) -> list[datetime]:
    """All instants at which a bin begins, from far before `first` to far after `last`, by looking at the clock every minute."""
    place, step = ZoneInfo(zone), {"15min": 15, "1h": 60, "4h": 240, "90min": 90}.get(bins, 0)
    reach = timedelta(days={"1W": 8, "1MS": 32, "1YS": 367}.get(bins, 2))
    instant, found = first - reach, []
    before = instant.astimezone(place)
    begun = {bin_of(before, bins)}
    while not found or found[-1] <= last:
        # hours of one date hold nothing new for bins of days and more
        near = step or any((instant + timedelta(hours=hours)).astimezone(place).date() != before.date() for hours in (3, 4, 5))
        instant += MINUTE if near else timedelta(hours=3)
        now = instant.astimezone(place)
        back = before.replace(tzinfo=None) + MINUTE - now.replace(tzinfo=None)
        again = False
        if step and back >= timedelta(minutes=step):
            # the clock was set back by a bin or more: what it shows again is binned again; shorter than that, bins just go on
            begun = {bin_of(now, bins)}
            again = (now.hour * 60 + now.minute) % step == 0
        elif back <= timedelta(0):
            again = bin_of(now, bins) not in begun
        if again:
            found.append(instant)
            begun.add(bin_of(now, bins))
        before = now
    return found


def slow(intervals: list[tuple[datetime, datetime, float]], zone: str, bins: str) -> list[tuple[datetime, datetime, float, float, int]]:
    out = []
    first, last = intervals[0][0], intervals[-1][1]
    for low, high in itertools.pairwise(boundaries(first, last, zone, bins)):
        if high <= first or low >= last:
            continue
        shares = [(min(e, high) - max(s, low), e - s, v) for s, e, v in intervals if min(e, high) > max(s, low) and not np.isnan(v)]
        covered = sum((time for time, _, _ in shares), timedelta(0))
        energy = sum(v * (time / whole) for time, whole, v in shares) if shares else np.nan
        out.append((low, high, energy, covered / (high - low), len(shares)))
    return out


@st.composite
def metered(draw):
    """Back-to-back or gappy intervals of whole minutes near a change of clocks."""
    begin = draw(st.sampled_from(NEAR)) + timedelta(minutes=draw(st.integers(0, 600)))
    lengths = draw(st.lists(st.sampled_from([1, 7, 15, 30, 60, 90, 240, 1440]), min_size=1, max_size=12))
    gaps = draw(st.lists(st.sampled_from([0, 0, 0, 0, 5, 60, 1500]), min_size=len(lengths), max_size=len(lengths)))
    values = draw(st.lists(st.one_of(st.integers(-50, 5000).map(float), st.just(np.nan)), min_size=len(lengths), max_size=len(lengths)))
    out = []
    for length, gap, value in zip(lengths, gaps, values, strict=True):
        out.append((begin, begin + timedelta(minutes=length), value))
        begin += timedelta(minutes=length + gap)
    return out


@given(metered(), st.sampled_from(ZONES), st.sampled_from(["15min", "1h", "90min", "4h", "1D", "1W", "1MS"]))
@settings(max_examples=120)
@example([(datetime(2024, 11, 3, 4, tzinfo=UTC), datetime(2024, 11, 3, 7, tzinfo=UTC), 1.0)], "America/Havana", "1h")
@example([(datetime(2024, 11, 3, 4, tzinfo=UTC), datetime(2024, 11, 3, 20, tzinfo=UTC), 1.0)], ZONE, "90min")
@example([(datetime(2010, 11, 7, 0, tzinfo=UTC), datetime(2010, 11, 8, 9, tzinfo=UTC), 1.0)], "America/St_Johns", "15min")
@example([(datetime(2010, 11, 7, 0, tzinfo=UTC), datetime(2010, 11, 8, 9, tzinfo=UTC), 1.0)], "America/St_Johns", "1D")
@example([(datetime(2024, 4, 6, 13, tzinfo=UTC), datetime(2024, 4, 6, 17, tzinfo=UTC), 7.0)], "Australia/Lord_Howe", "1h")
def test_the_same_as_a_slow_binning(intervals, zone, bins):
    start, end, value = zip(*intervals, strict=True)
    fast = resample(tidy(start, value, end=end, zone=zone), bins)
    expected = slow(intervals, zone, bins)
    assert [stamp.to_pydatetime() for stamp in fast["start"].dt.tz_convert("UTC")] == [row[0] for row in expected]
    assert [stamp.to_pydatetime() for stamp in fast["end"].dt.tz_convert("UTC")] == [row[1] for row in expected]
    np.testing.assert_allclose(fast["value"], [row[2] for row in expected], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(fast["coverage"], [row[3] for row in expected], rtol=1e-12)
    assert fast["n_intervals"].tolist() == [row[4] for row in expected]


@given(metered(), st.sampled_from(ZONES), st.sampled_from(["1min", "15min", "37min", "1h", "5h", "1D", "1W", "1MS", "1YS"]))
@settings(max_examples=150)
def test_no_energy_is_lost_or_made(intervals, zone, bins):
    start, end, value = zip(*intervals, strict=True)
    frame = tidy(start, value, end=end, zone=zone)
    binned = resample(frame, bins)
    size = np.nansum(np.abs(value))
    assert abs(binned["value"].sum() - np.nansum(value)) <= 1e-12 * size + 1e-12
    hours = ((binned["end"] - binned["start"]) * binned["coverage"]).dt.total_seconds().sum()
    valid = frame[frame["value"].notna()]
    assert hours == pytest.approx((valid["end"] - valid["start"]).dt.total_seconds().sum(), abs=1e-3)
    assert (binned["start"].iloc[1:].to_numpy() == binned["end"].iloc[:-1].to_numpy()).all()
    assert binned["coverage"].between(0, 1).all()


@given(metered(), metered(), st.sampled_from(["first", "last", "mean"]))
@settings(max_examples=60)
def test_overlap_policies_the_same_as_minute_by_minute(one, two, policy):
    intervals = [row for row in [*one, *two] if row[0] < one[0][0] + timedelta(days=4)]
    start, end, value = zip(*intervals, strict=True)
    fast = resample(tidy(start, value, end=end), "1MS", overlaps=policy)
    rates: dict[datetime, list[float]] = {}
    for low, high, amount in intervals:
        minutes = int((high - low) / MINUTE)
        if not np.isnan(amount):
            for minute in range(minutes):
                rates.setdefault(low + minute * MINUTE, []).append(amount / minutes)
    pick = {"first": lambda found: found[0], "last": lambda found: found[-1], "mean": np.mean}[policy]
    assert np.nansum(fast["value"]) == pytest.approx(sum(pick(found) for found in rates.values()), rel=1e-9, abs=1e-6)
    covered = ((fast["end"] - fast["start"]) * fast["coverage"]).dt.total_seconds().sum() / 60
    assert covered == pytest.approx(len(rates))


# Side by side -----------------------------------------------------------------------------------------------------------------------


def net_meter() -> pd.DataFrame:
    return pd.concat([lapse_frame("delivered"), lapse_frame("received", flow="received")], ignore_index=True)


def test_wide():
    hourly = resample(net_meter(), "1h")
    side = wide(hourly)
    assert side.shape == (8784, 2)
    assert list(side.columns) == ["electricity delivered", "electricity received"]
    assert side.columns.name == "channel"
    assert side.index.name == "start"
    assert str(side.index.tz) == ZONE
    assert side.sum().tolist() == [9_748_676, 3_172_568]
    assert side.loc["2024-11-03 01:00-08:00", "electricity delivered"] == on(hourly, "2024-11-03")["value"].iloc[2]
    assert wide(net_meter()).shape == (35136, 2)
    feed = smd.sample("lapse2024")
    pd.testing.assert_frame_equal(wide(feed), wide(feed.tidy()))


def test_wide_of_several_usage_points():
    frame = pd.concat([regular("2024-01-01", 4, 1.0), regular("2024-01-01 00:30", 4, 2.0, usage_point="2")], ignore_index=True)
    side = wide(frame)
    assert side.columns.tolist() == [("1", "electricity delivered"), ("2", "electricity delivered")]
    assert side.columns.names == ["usage_point", "channel"]
    assert side.isna().sum().tolist() == [2, 2]


@pytest.mark.parametrize(
    "other",
    [
        regular("2024-01-01", 4, 1.0, length="1h", channel="b"),  # another length
        regular("2024-01-01 00:05", 4, 1.0, channel="b"),  # another beginning
        regular("2024-01-01", 4, 1.0),  # the same channel twice
        regular("2024-01-01 00:15", 4, 1.0, length="5min", channel="b"),
    ],
)
def test_wide_refuses_unlike_steps(other):
    with pytest.raises(UnitError, match="line up"):
        wide(pd.concat([regular("2024-01-01", 8, 1.0), other], ignore_index=True))


def test_wide_of_nothing():
    assert wide(regular("2024-01-01", 0, 1.0)).shape == (0, 0)


def test_net_of_bins():
    hourly = resample(net_meter(), "1h")
    balance = net(hourly)
    assert balance["value"].sum() == 9_748_676 - 3_172_568
    assert set(balance["flow"]) == {"net"}
    assert set(balance["channel"]) == {"electricity net"}
    assert balance["value"].min() < 0
    np.testing.assert_allclose(balance["mean_power"], balance["value"])  # Wh of an hour are W
    assert balance[["max_power", "max_at"]].isna().all().all()
    assert tuple(balance.columns) == COLUMNS
    assert (balance.dtypes == hourly.dtypes).all()


def test_net_is_missing_unless_both_are_there():
    frame = net_meter()
    received = frame["flow"] == "received"
    gap = received & (frame["start"] >= "2024-06-01 10:00-07:00") & (frame["start"] < "2024-06-01 10:30-07:00")
    late = received & (frame["start"] < "2024-01-02 00:00-08:00")
    frame = frame[~gap & ~late]
    hours = net(resample(frame, "1h")).set_index("start")
    assert len(hours) == 8784
    assert np.isnan(hours.loc["2024-06-01 10:00-07:00", "value"])
    assert hours.loc["2024-06-01 10:00-07:00", "coverage"] == 0.5
    assert hours["value"].isna().sum() == 25
    assert hours.loc["2024-01-01 05:00-08:00", "coverage"] == 0
    # of the intervals the net is exact, and the month then knows what it covers
    month = resample(net(frame), "1MS").set_index("start").loc["2024-06-01 00:00-07:00"]
    assert month["coverage"] == pytest.approx(1 - 2 / (30 * 96))
    assert month["value"] == pytest.approx(hours["value"]["2024-06"].sum() + net_of_half_hour())


def net_of_half_hour() -> int:
    """Of the two quarters from 2024-06-01 10:30, which stay."""
    first = (31 + 29 + 31 + 30 + 31) * 96 + 10 * 4 + 2 - 4  # an hour is missing in March
    return int((lapse2024()["delivered"] - lapse2024()["received"])[first : first + 2].sum())


def test_net_of_intervals_keeps_the_worse_quality():
    quality = [["valid", "estimated"], ["derived", "valid"]]
    pair = [
        regular("2024-01-01", 2, [5.0, 1.0], quality=quality[0]),
        regular("2024-01-01", 2, [1.0, 3.0], quality=quality[1], flow="received", channel="electricity received"),
    ]
    balance = net(pd.concat(pair, ignore_index=True))
    assert balance["value"].tolist() == [4, -2]
    assert balance["quality"].tolist() == ["derived", "estimated"]
    assert list(balance.columns) == list(pair[0].columns)


def test_net_of_a_feed_is_that_of_its_frame():
    feed = smd.sample("lapse2024").select(usage_point="lapse2024-net", end="2024-01-02")
    pd.testing.assert_frame_equal(net(feed), net(feed.tidy()))


@pytest.mark.parametrize("function", [wide, net])
def test_wide_and_net_refuse_what_is_no_frame_of_intervals(function):
    for other, words in (("usage.xml", "not str"), (pd.DataFrame({"value": [1.0]}), "no column usage_point, channel")):
        with pytest.raises(ConfigurationError, match=words):
            function(other)


def test_net_needs_one_of_each():
    one = regular("2024-01-01", 4, 1.0)
    with pytest.raises(ConfigurationError, match="both"):
        net(one)
    back = regular("2024-01-01", 4, 1.0, flow="received", channel="r")
    with pytest.raises(ConfigurationError, match="several"):
        net(pd.concat([one, back, back.assign(channel="r2")], ignore_index=True))
    with pytest.raises(UnitError, match="line up"):
        net(pd.concat([one, regular("2024-01-01", 4, 1.0, length="1h", flow="received", channel="r")], ignore_index=True))


def test_results_concatenate():
    days = resample(regular("2024-01-01", 96, 1.0), "1D")
    more = resample(regular("2024-02-01", 96, 1.0), "1D")
    assert (pd.concat([days, more], ignore_index=True).dtypes == days.dtypes).all()
