"""Duration curves, ramps and coincidence: figures known beforehand, and arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.analysis import coincidence, duration_curve, ramps, resample
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
    assert "coverage 1.0; period 2024-01-01 to 2024-12-31;" in smd.cite(curve)


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
    half = lapse_frame()[: 2 * 96].assign(value=lambda rows: rows["value"].where(rows.index < 96))
    assert "coverage 0.5;" in smd.cite(ramps(half))
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


# Coincidence ------------------------------------------------------------------------------------------------------------------------


def homes(*values: list[float]) -> pd.DataFrame:
    return pd.concat([regular("2024-01-01", len(one), one, usage_point=str(n)) for n, one in enumerate(values, 1)], ignore_index=True)


def group(table: pd.DataFrame) -> dict[str, float]:
    return table[table["usage_point"] == "all"].set_index("metric")["value"].to_dict()


def test_coincidence_by_hand():
    table = coincidence(homes([1.0, 5, 2, 0], [4.0, 1, 3, 0], [2.0, 2, 3, 1]))
    # sums of power: 28, 32, 32, 4 W; of the highest: 20 + 16 + 12
    assert group(table) == {"group_max": 32, "sum_of_max": 48, "coincidence_factor": pytest.approx(2 / 3), "diversity_factor": 1.5}
    own = table[table["metric"] == "own_max"]
    assert own["value"].tolist() == [20, 16, 12]
    assert [at.strftime("%H:%M") for at in own["at"]] == ["00:15", "00:00", "00:30"]
    coincident = table[table["metric"] == "coincident"]
    assert coincident["value"].tolist() == [20, 4, 8]
    assert {at.strftime("%H:%M") for at in coincident["at"]} == {"00:15"}  # the first of two highest
    assert set(table["interval"]) == {pd.Timedelta("15min")}
    assert (table["coverage"] == 1).all()
    assert smd.cite(table).endswith("values as computed")
    assert group(coincidence(homes([1.0, 5], [1.0, 5])))["coincidence_factor"] == 1


def test_instants_at_which_a_meter_is_missing():
    frame = homes([1.0, 5, 2, 0], [4.0, np.nan, 3, 0], [2.0, 2, 3, 1])
    table = coincidence(frame)
    assert group(table)["group_max"] == 32  # 00:30: 8 + 12 + 12
    assert group(table)["sum_of_max"] == 8 + 16 + 12  # the 20 W at 00:15 do not count
    assert table["coverage"].iloc[0] == 0.75
    two = coincidence(frame, min_share=2 / 3)
    assert two["coverage"].iloc[0] == 1
    assert group(two)["sum_of_max"] == 48
    assert two.query("metric == 'coincident'")["value"].tolist() == [8, 12, 12]
    apart = coincidence(pd.concat([homes([1.0]), regular("2024-01-02", 1, 1.0, usage_point="2")], ignore_index=True))
    assert apart["value"].isna().all()
    assert (apart["coverage"] == 0).all()


def test_what_does_not_coincide():
    with pytest.raises(ConfigurationError, match="two channels"):
        coincidence(lapse_frame()[:96])
    with pytest.raises(ConfigurationError, match="min_share"):
        coincidence(homes([1.0], [2.0]), min_share=0)
    gas = regular("2024-01-01", 4, 1.0, service="gas", unit="therm", channel="gas")
    with pytest.raises(UnitError, match="unlike units"):
        coincidence(pd.concat([homes([1.0]), gas], ignore_index=True))
    for other in (regular("2024-01-01", 1, 1.0, length="1h", usage_point="2"), regular("2024-01-01 00:05", 1, 1.0, usage_point="2")):
        with pytest.raises(UnitError, match="line up"):
            coincidence(pd.concat([homes([1.0]), other], ignore_index=True))
    hours = resample(pd.concat([homes([1.0] * 4), regular("2024-01-01", 1, 8.0, length="1h", usage_point="2")], ignore_index=True), "1h")
    assert group(coincidence(hours))["coincidence_factor"] == 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=6, max_size=6), min_size=2, max_size=4), st.randoms())
def test_coincidence_lies_between_its_bounds_whatever_the_order(values, dice):
    frame = homes(*[[float(one) for one in row] for row in values])
    found = group(coincidence(frame))
    shuffled = values.copy()
    dice.shuffle(shuffled)
    assert group(coincidence(homes(*[[float(one) for one in row] for row in shuffled]))) == pytest.approx(found, nan_ok=True)
    if found["sum_of_max"]:
        assert 1 / len(values) - 1e-12 <= found["coincidence_factor"] <= 1 + 1e-12
        assert found["coincidence_factor"] * found["diversity_factor"] == pytest.approx(1)
    else:
        assert np.isnan(found["coincidence_factor"])


def test_bins_in_part_coincide():
    """One meter begins at 2:00, so that its first four hours are covered by half; 1 kW and 2 kW are 3 kW at any time."""
    late = regular("2024-01-15 02:00", 10, 1000.0, length="1h", usage_point="late")
    early = regular("2024-01-15", 12, 2000.0, length="1h", usage_point="early")
    table = coincidence(resample(pd.concat([late, early]), "4h"), min_coverage=0.5)
    assert group(table)["group_max"] == 3000
    assert group(table)["coincidence_factor"] == 1
    assert table["at"].iloc[0] == pd.Timestamp("2024-01-15", tz=ZONE)
