"""Duration curves and ramps: figures known beforehand, and arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import smd_notebook as smd
from smd_notebook.analysis import duration_curve, ramps, resample
from smd_notebook.errors import ConfigurationError, SmdError, SmdWarning, UnitError

from .tidy import ZONE, lapse2024, lapse_frame, regular, tidy


def register() -> pd.DataFrame:
    return regular("2024-01-01", 4, 1.0, channel="register", measure="register")


# Duration curve ---------------------------------------------------------------------------------------------------------------------


def test_half_of_the_time_lapse_takes_400_watts_or_more():
    curve = duration_curve(lapse_frame())
    assert curve.loc[curve["share"] >= 0.5, "load"].iloc[0] == 400
    watts = np.sort(lapse2024()["load"] * 4.0)[::-1]
    assert curve["load"].tolist() == watts.tolist()
    assert curve["hours"].tolist() == (np.arange(1, 35137) / 4).tolist()
    assert curve["share"].iloc[-1] == 1
    assert curve["start"].iloc[0] == pd.Timestamp("2024-01-05T01:30-08:00")
    assert smd.cite(curve).endswith("values as computed")
    assert "coverage 1.0" in smd.cite(curve)


def test_long_intervals_weigh_more():
    start, end = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 01:15"], ["2024-01-01 01:00", "2024-01-01 01:15", "2024-01-01 02:00"]
    curve = duration_curve(tidy(start, [200, 100, np.nan], end=end))
    assert curve["load"].tolist() == [400, 200]  # 100 Wh in a quarter of an hour, 200 Wh in an hour
    assert curve["share"].tolist() == [0.2, 1]
    assert curve["hours"].tolist() == [0.25, 1.25]
    assert "coverage 0.625" in smd.cite(curve)


def test_curve_of_gas_power_and_meters_side_by_side():
    frame = pd.concat(
        [
            regular("2024-01-01", 2, [24.0, 48.0], length="1D", service="gas", unit="therm", channel="gas delivered"),
            regular("2024-01-01", 2, [1.0, 2.0], length="1h", measure="power", unit="kW", usage_point="2", channel="power"),
            regular("2024-01-01", 2, [1.0, 2.0], length="1h", unit="VAh", usage_point="3", channel="apparent"),
        ],
        ignore_index=True,
    )
    curve = duration_curve(frame)
    assert curve["unit"].tolist() == ["therm/h"] * 2 + ["W"] * 2 + ["VAh/h"] * 2
    assert curve["load"].tolist() == [2, 1, 2000, 1000, 2, 1]
    assert curve["usage_point"].tolist() == ["1", "1", "2", "2", "3", "3"]


def test_curve_of_bins_takes_those_that_are_covered():
    frame = lapse_frame().drop(index=[0, 1])
    curve = duration_curve(resample(frame, "1h"))
    assert len(curve) == 8783
    half = duration_curve(resample(frame, "1h"), min_coverage=0.5)
    assert len(half) == 8784
    assert half["hours"].iloc[-1] == 8783.5  # the half hour that was metered is half an hour
    load = lapse2024()["load"]
    first = half[half["start"] == pd.Timestamp("2024-01-01", tz=ZONE)]
    assert first["load"].item() == pytest.approx(2 * (load[2] + load[3]))


def test_curve_of_nothing():
    assert duration_curve(regular("2024-01-01", 0, 1.0)).empty
    assert duration_curve(regular("2024-01-01", 3, np.nan)).empty
    assert list(duration_curve(regular("2024-01-01", 0, 1.0)).columns) == list(duration_curve(lapse_frame()[:9]).columns)


@pytest.mark.parametrize("function", [duration_curve, ramps])
def test_what_has_no_load_is_refused_or_left_out_with_a_warning(function):
    with pytest.raises(UnitError, match="'register': a register shows"):
        function(register())
    with pytest.raises(UnitError, match="not known"):
        function(regular("2024-01-01", 4, 1.0, measure="other"))
    with pytest.warns(SmdWarning, match="'register': a register shows.*left out") as caught:
        both = function(pd.concat([register(), lapse_frame()[:9]], ignore_index=True))
    assert caught[0].filename == __file__
    pd.testing.assert_frame_equal(both, function(lapse_frame()[:9]))
    with pytest.raises(ConfigurationError, match="not list"):
        function([1])
    with pytest.raises(ConfigurationError, match="min_coverage"):
        function(lapse_frame()[:9], min_coverage=2)
    with pytest.raises(SmdError, match="overlap"):
        function(pd.concat([lapse_frame()[:9], lapse_frame()[:9]], ignore_index=True))


# Ramps ------------------------------------------------------------------------------------------------------------------------------


def test_ramps_of_lapse():
    table = ramps(lapse_frame()).set_index("metric")
    steps = np.diff(lapse2024()["load"] * 4.0)
    expected = {"max_up": steps.max(), "max_down": steps.min(), "mean_abs": np.abs(steps).mean()}
    expected |= {"p5": np.quantile(steps, 0.05), "p95": np.quantile(steps, 0.95)}
    assert table["value"].to_dict() == pytest.approx(expected)
    assert (table["per_hour"] == 4 * table["value"]).all()
    assert set(table["n"]) == {35135}
    instants = pd.date_range("2024-01-01", "2025-01-01", freq="15min", tz=ZONE, inclusive="left")
    assert table.loc["max_up", "at"] == instants[1:][steps.argmax()]
    assert table["at"].isna().tolist() == [False, False, True, True, True]


def test_no_ramp_across_a_gap_or_between_unlike_lengths():
    start = ["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 01:00", "2024-01-01 02:00", "2024-01-01 03:00"]
    end = ["2024-01-01 00:15", "2024-01-01 00:30", "2024-01-01 02:00", "2024-01-01 03:00", "2024-01-01 03:15"]
    table = ramps(tidy(start, [10, 30, 500, 100, 1], end=end))
    assert table["interval"].tolist() == [pd.Timedelta("15min")] * 5 + [pd.Timedelta("1h")] * 5
    quarter, hour = table[:5].set_index("metric"), table[5:].set_index("metric")
    assert (quarter.loc["max_up", "value"], quarter.loc["max_up", "per_hour"], quarter.loc["max_up", "n"]) == (80, 320, 1)
    assert (hour.loc["max_down", "value"], hour.loc["max_down", "per_hour"]) == (-400, -400)


def test_one_interval_has_no_ramp():
    table = ramps(regular("2024-01-01", 1, 1.0))
    assert table["n"].tolist() == [0] * 5
    assert table[["value", "per_hour", "at", "interval"]].isna().all().all()
    assert ramps(regular("2024-01-01", 0, 1.0)).empty
