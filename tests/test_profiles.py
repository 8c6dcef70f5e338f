"""Profiles: figures known beforehand, arithmetic by hand, days on which the clock changes, and gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import duration_curve, metrics, profile, ramps, resample, shape_metrics
from smd_notebook.errors import ConfigurationError, SmdWarning

from .tidy import ZONE, lapse2024, lapse_frame, regular, tidy

PGE_HOLIDAYS = {  # as PG&E's tariffs list them
    2024: "01-01 02-19 05-27 07-04 09-02 11-11 11-28 12-25",
    2025: "01-01 02-17 05-26 07-04 09-01 11-11 11-27 12-25",
    2026: "01-01 02-16 05-25 07-03 09-07 11-11 11-26 12-25",
}


def test_summer_weekday_evening_of_lapse():
    shape = profile(lapse_frame(), slot="15min")
    evening = shape[(shape["season"] == "summer") & (shape["day_type"] == "weekday") & (shape["slot"] == "18:00")].iloc[0]
    assert evening["n"] == 86
    assert evening["mean"] == pytest.approx(5268.2791, abs=5e-5)
    assert evening["unit"] == "W"
    assert len(shape) == 4 * 96
    assert smd.cite(shape).endswith("values as computed")


@pytest.mark.parametrize("function", [profile, duration_curve, shape_metrics, ramps, metrics])
def test_the_unit_of_a_result_is_a_string(function):
    """Only frames of intervals have the whole list of units as their categories."""
    one, two = function(lapse_frame()), function(pd.concat([lapse_frame(), regular("2024-01-01", 48, 1.0, service="gas", unit="therm")]))
    assert {str(frame["unit"].dtype) for frame in (one, two)} == {str(pd.Series(["W"], dtype="str").dtype)}
    assert set(one["unit"]) < set(two["unit"])


def test_the_same_as_pandas():
    watts = pd.Series(lapse2024()["load"] * 4.0, index=pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left"))
    hourly = watts.groupby(watts.index.tz_convert("UTC").floor("h")).mean().tz_convert(ZONE)
    shape = profile(lapse_frame(), by=("month", "weekday"), quantiles=(0, 0.1, 0.5, 1))
    groups = hourly.groupby([hourly.index.month, hourly.index.day_name(), hourly.index.strftime("%H:%M")])
    expected = pd.DataFrame({"n": groups.count(), "mean": groups.mean(), "p10": groups.quantile(0.1), "p50": groups.quantile(0.5)})
    shape = shape.astype({"weekday": "str", "slot": "str"}).set_index(["month", "weekday", "slot"]).sort_index()
    assert len(shape) == 12 * 7 * 24
    for name, column in expected.sort_index().items():
        np.testing.assert_allclose(shape[name], column.to_numpy(), rtol=1e-13)
    assert shape["p100"].max() == hourly.max()
    assert shape["p0"].min() == hourly.min()


def test_days_on_which_the_clock_changes():
    hours = profile(lapse_frame(), by=()).set_index("slot")["n"]
    assert hours["01:00"] == 367
    assert hours["02:00"] == 365
    assert set(hours.drop(["01:00", "02:00"])) == {366}


@pytest.mark.parametrize("slot", ["2h", "4h", "12h"])
def test_bins_that_grow_on_the_day_the_clock_goes_back_are_slots(slot):
    """Four hours of which the clock shows one twice are five hours long, and are the same slot whether they are binned before or here."""
    intervals = lapse_frame()
    binned = profile(resample(intervals, slot), slot=slot, by=())
    whole = profile(intervals, slot=slot, by=())
    assert binned["n"].tolist() == whole["n"].tolist() == [366] * len(whole)
    np.testing.assert_allclose(binned["mean"], whole["mean"], rtol=1e-13)
    hours = pd.date_range("2024-11-03", periods=25, freq="h", tz=ZONE)  # 100 Wh in each hour of the day but in the one that comes again
    autumn = tidy(hours, np.where(np.arange(25) == 2, 600.0, 100.0), length="1h")
    assert profile(resample(autumn, "4h"), slot="4h", by=())["mean"].tolist() == [200, 100, 100, 100, 100, 100]
    with pytest.raises(ConfigurationError, match="longer than 3 h"):
        profile(resample(intervals, "4h"), slot="3h")
    twice = tidy(["2024-11-03T08:00Z"], 1.0, length="2h")  # 01:00 to 02:00 on the wall
    with pytest.raises(ConfigurationError, match="longer than 1 h"):
        profile(twice, slot="1h")


def test_holidays():
    plain = profile(lapse_frame(), by="day_type")
    assert plain["day_type"].unique().tolist() == ["weekday", "weekend"]
    listed = [f"{year}-{day}" for year, days in PGE_HOLIDAYS.items() for day in days.split()]
    named = profile(lapse_frame(), by="day_type", holidays="US-PGE")
    assert named.query("day_type == 'holiday' and slot == '12:00'")["n"].item() == 8
    pd.testing.assert_frame_equal(named, profile(lapse_frame(), by="day_type", holidays=listed), check_exact=True)
    assert profile(lapse_frame(), by="day_type", holidays="US").query("day_type == 'holiday' and slot == '12:00'")["n"].item() == 11
    with pytest.raises(ConfigurationError, match="no holiday calendar"):
        profile(lapse_frame()[:96], holidays="XX-YY")
    with pytest.raises(ConfigurationError, match="not a date"):
        profile(lapse_frame()[:96], holidays=["tomorrow"])


@pytest.mark.parametrize("year", PGE_HOLIDAYS)
def test_holidays_of_pge(year):
    from smd_notebook.analysis.calendar import holiday_dates

    days = holiday_dates("US-PGE", [year]).view("M8[D]")
    weekdays = [str(day) for day in days if np.is_busday(day)]  # the package also lists the Saturday or Sunday itself
    assert weekdays == [f"{year}-{day}" for day in PGE_HOLIDAYS[year].split()]


def test_seasons():
    shape = profile(lapse_frame(), by="season", seasons={"cold": [12, 1, 2], "other": range(3, 12)})
    assert shape.query("slot == '12:00'")["n"].tolist() == [91, 275]
    assert shape["season"].cat.categories.tolist() == ["cold", "other"]
    for wrong in ({"summer": [6]}, {"all": range(1, 13), "june": [6]}):
        with pytest.raises(ConfigurationError, match="one season"):
            profile(lapse_frame()[:96], seasons=wrong)


def test_missing_days_stay_missing():
    frame = lapse_frame()
    gap = (frame["start"] >= "2024-06-01 00:00-07:00") & (frame["start"] < "2024-07-16 00:00-07:00")  # 45 days
    whole = profile(frame, by="season").query("season == 'summer'")
    for gappy in (frame[~gap], frame.assign(value=frame["value"].where(~gap))):
        summer = profile(gappy, by="season").query("season == 'summer'")
        assert (whole["n"].to_numpy() - summer["n"].to_numpy() == 45).all()
        assert f"coverage {round(321 / 366, 9)};" in smd.cite(profile(gappy))
        pd.testing.assert_frame_equal(profile(resample(gappy, "1h"), by="season"), profile(gappy, by="season"))


def test_a_slot_that_is_covered_in_part_counts_when_asked():
    frame = regular("2024-01-01", 8, [1.0, 1, 1, 1, 2, 2, 2, 2]).drop(index=[0])
    assert profile(frame, by=())["n"].tolist()[:2] == [0, 1]
    asked = profile(frame, by=(), min_coverage=0.75)
    assert asked["n"].tolist()[:2] == [1, 1]
    assert asked["mean"].tolist()[:2] == [4, 8]
    assert asked["mean"].isna().sum() == 22


def test_several_meters_gas_and_mixed_lengths():
    hourly = regular("2024-01-01", 48, 100.0, length="1h", usage_point="2")
    gas = regular("2024-01-01", 3, 24.0, length="1D", service="gas", unit="therm", channel="gas delivered", usage_point="3")
    frame = pd.concat([lapse_frame()[:192], hourly, gas], ignore_index=True)
    with pytest.warns(SmdWarning, match="'gas delivered'.*longer than 1 h(?s:.*)channel=.'electricity delivered', 'electricity load'"):
        shape = profile(frame, by=())
    assert shape["usage_point"].tolist() == ["1"] * 24 + ["2"] * 24
    assert set(shape["mean"][24:]) == {100}
    with pytest.raises(ConfigurationError, match=r"longer than 15 min"):
        profile(gas, slot="15min")
    days = profile(frame, slot="1D", by=())
    assert days["slot"].tolist() == ["00:00"] * 3
    assert (days["mean"].iloc[2], days["unit"].iloc[2], days["n"].iloc[2]) == (1, "therm/h", 3)
    power = tidy(["2024-01-01 00:00", "2024-01-01 00:30"], [1, 3], length="30min", measure="power", unit="kW")
    assert profile(power, by=())["mean"].iloc[0] == 2000


def test_arguments_that_make_no_sense():
    frame = lapse_frame()[:96]
    for wrong in (
        {"by": ("hour",)},
        {"by": ("month", "month")},
        {"quantiles": (5,)},
        {"slot": "7h"},
        {"slot": "1MS"},
        {"min_coverage": -1},
    ):
        with pytest.raises(ConfigurationError):
            profile(frame, **wrong)


def test_profile_of_nothing():
    for nothing in (regular("2024-01-01", 0, 1.0), regular("2024-01-01", 96, np.nan)):
        shape = profile(nothing)
        assert shape.empty
        assert list(shape.columns) == list(profile(lapse_frame()[:96]).columns)
