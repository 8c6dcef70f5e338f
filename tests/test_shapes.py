"""Shapes of days: the table known beforehand, arithmetic by hand, days on which the clock changes, and gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import resample, shape_metrics
from smd_notebook.errors import ConfigurationError, SmdWarning

from .tidy import lapse_frame, regular, tidy

NUMBERS = ["near_base", "near_peak", "base_peak_ratio", "high_duration", "high_span", "rise_time", "fall_time"]


def test_two_days_of_lapse():
    days = shape_metrics(lapse_frame()).set_index("date")
    assert len(days) == 366
    table = {
        "2024-01-10": [240.0, 2198.5, 4.0, 0.25, 0.25, 16],
        "2024-07-31": [244.0, 6958.5, 7.0, 0.25, 1.25, 28],
    }
    for day, (base, peak, duration, rise, fall, n_high) in table.items():
        row = days.loc[day]
        assert row[["near_base", "near_peak", "high_duration", "rise_time", "fall_time"]].tolist() == [base, peak, duration, rise, fall]
        assert (row["n"], row["n_high"], row["unit"], row["coverage"]) == (96, n_high, "W", 1)
        assert row["high_span"] == duration  # slots 68 to 83, and 52 to 79: without a break
        assert row["base_peak_ratio"] == pytest.approx(base / peak)
    assert smd.cite(shape_metrics(lapse_frame())).endswith("values as computed")


def test_one_day_by_hand():
    # hours: 0..3 at 100 W, 4 at 500, 5..6 at 1000, 7 at 400, 8 at 1000, 9..22 at 300, 23 at 100
    watts = [100] * 4 + [500] + [1000] * 2 + [400] + [1000] + [300] * 14 + [100]
    row = shape_metrics(regular("2024-01-10", 24, watts, length="1h")).iloc[0]
    assert (row["near_base"], row["near_peak"]) == (100, 1000)  # threshold 550, base up to 280
    assert row["high_duration"] == 3
    assert row["high_span"] == 4  # 05:00 to 09:00
    assert row["rise_time"] == 2  # the last at base begins at 03:00, the first high one at 05:00
    assert row["fall_time"] == 15  # the last high one begins at 08:00, the next at base at 23:00


def test_what_is_not_seen_is_missing():
    # high from the start, and no base afterwards: neither rise nor fall began within the day
    row = shape_metrics(regular("2024-01-10", 24, [1000.0] * 12 + [600.0] * 11 + [100.0], length="1h")).iloc[0]
    assert np.isnan(row["rise_time"])
    assert row["fall_time"] == 12
    flat = shape_metrics(regular("2024-01-10", 24, 0.0, length="1h")).iloc[0]
    assert (flat["near_base"], flat["high_duration"]) == (0, 24)
    assert flat[["base_peak_ratio", "rise_time", "fall_time"]].isna().all()


def test_days_on_which_the_clock_changes():
    days = shape_metrics(lapse_frame()).set_index("date")
    assert days.loc["2024-03-10", ["n", "coverage"]].tolist() == [92, 1]
    assert days.loc["2024-11-03", ["n", "coverage"]].tolist() == [100, 1]
    assert days.loc[["2024-03-10", "2024-11-03"], NUMBERS].notna().all().all()


def test_missing_days_stay_missing():
    frame = lapse_frame()
    gap = (frame["start"] >= "2024-06-01 00:00-07:00") & (frame["start"] < "2024-07-16 00:00-07:00")  # 45 days
    for gappy in (frame[~gap], frame.assign(value=frame["value"].where(~gap))):
        days = shape_metrics(gappy)
        assert len(days) == 366
        assert days[NUMBERS].isna().all(axis=1).sum() == 45
        assert (days["coverage"] == 0).sum() == 45


def test_a_day_that_is_covered_in_part():
    frame = regular("2024-01-10", 24, np.arange(24.0), length="1h").drop(index=range(11, 24))
    assert shape_metrics(frame)[NUMBERS].isna().all().all()
    asked = shape_metrics(frame, min_coverage=0.4).iloc[0]
    assert asked["coverage"] == pytest.approx(11 / 24)
    assert asked["near_peak"] == np.quantile(np.arange(11.0), 0.975)
    nearly = regular("2024-01-10", 96, 1.0).drop(index=range(5))
    assert shape_metrics(nearly)["near_base"].tolist() == [4]


def test_intervals_across_midnight_and_of_unlike_lengths():
    start = ["2024-01-10 23:30", "2024-01-11 00:30"]
    days = shape_metrics(tidy(start, [100.0, 300.0], length="1h"), min_coverage=0)
    assert days["n"].tolist() == [1, 2]
    assert days["high_duration"].tolist() == [0.5, 1.0]
    # half an hour at 100 W stands at 0, an hour at 300 W at 1
    assert days["near_base"].tolist() == pytest.approx([100, 105])


def test_gas_bins_and_several_meters():
    gas = regular("2024-01-01", 3, 24.0, length="1D", service="gas", unit="therm", channel="gas delivered")
    hourly = regular("2024-01-01", 24, 2.0, length="1h", service="gas", unit="therm", channel="gas by the hour", usage_point="2")
    with pytest.warns(SmdWarning, match="'gas delivered'.*longer than 1 h"):
        days = shape_metrics(pd.concat([gas, hourly], ignore_index=True))
    assert days[["usage_point", "near_base", "unit"]].to_numpy().tolist() == [["2", 2.0, "therm/h"]]
    with pytest.raises(ConfigurationError, match="longer than 1 h"):
        shape_metrics(gas)
    with pytest.raises(ConfigurationError, match="longer than 1 h"):
        shape_metrics(resample(lapse_frame()[:960], "1D"))
    assert len(shape_metrics(resample(lapse_frame()[:960], "1h"))) == 10
    assert shape_metrics(regular("2024-01-01", 0, 1.0)).empty
