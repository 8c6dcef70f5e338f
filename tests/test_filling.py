"""Filling: what is new is flagged, what was there is as it was, and what cannot be filled stays open."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smd_notebook as smd
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, lapse_frame, regular, tidy


def test_a_straight_line_by_hand() -> None:
    frame = regular("2024-01-01", 8, [10, 20, 0, 0, 0, 60, 70, 80])
    filled = smd.fill(frame.drop(index=[2, 3, 4]))
    assert filled["value"].tolist() == [10, 20, 30, 40, 50, 60, 70, 80]
    assert filled["quality"].tolist() == ["valid"] * 2 + ["interpolated"] * 3 + ["valid"] * 3
    assert (filled["start"] == frame["start"]).all()
    assert (filled["end"] == frame["end"]).all()
    assert (filled["duration"] == frame["duration"]).all()


def test_frames_of_arrow_types_are_filled() -> None:
    pytest.importorskip("pyarrow")
    frame = regular("2024-01-01", 8, [10, 20, 0, 0, 0, 60, 70, 80]).convert_dtypes(dtype_backend="pyarrow")
    filled = smd.fill(frame.drop(index=[2, 3, 4]))
    assert filled["value"].tolist() == [10, 20, 30, 40, 50, 60, 70, 80]
    assert (filled["duration"] == frame["duration"]).all()


def test_energy_is_filled_by_rate_and_power_by_value() -> None:
    start = ["2024-01-01 00:00", "2024-01-01 02:00"]
    end = ["2024-01-01 01:00", "2024-01-01 02:30"]
    energy = tidy(start, [1000, 250], end=end)  # 1000 W before, 500 W after; the gap takes the shorter step
    filled = smd.fill(energy)
    # the middles lie at 0:30, 1:15, 1:45 and 2:15: on the line from 1000 W to 500 W over 105 minutes
    expected = [0.5 * (1000 - 500 * 45 / 105), 0.5 * (1000 - 500 * 75 / 105)]
    assert filled["value"].tolist() == pytest.approx([1000, *expected, 250])
    power = regular("2024-01-01", 4, [1000, 0, 0, 400], measure="power", unit="W").drop(index=[1, 2])
    assert smd.fill(power)["value"].tolist() == pytest.approx([1000, 800, 600, 400])


def test_limit() -> None:
    frame = regular("2024-01-01", 96, np.arange(96.0))
    gappy = frame.drop(index=[*range(10, 18), *range(40, 49)])  # two hours, and two and a quarter
    assert len(smd.fill(gappy)) == 96 - 9
    assert len(smd.fill(gappy, limit="2.25h")) == 96
    assert len(smd.fill(gappy, limit=pd.Timedelta("15min"))) == len(gappy)
    findings = smd.check(smd.fill(gappy))
    assert findings["code"].tolist().count("gap") == 1
    assert findings[findings["code"] == "quality"]["n"].tolist() == [8]


def test_similar_days_by_hand() -> None:
    # weekdays use 100 and more by the day, weekends 1; Wednesday the 10th lacks its 8 o'clock
    days = pd.date_range("2024-01-01", periods=14, freq="D", tz=ZONE)
    value = np.repeat(np.where(days.day_of_week < 5, 100.0 + days.day, 1.0), 24)
    frame = regular("2024-01-01", 14 * 24, value, length="1h")
    gappy = frame.drop(index=[9 * 24 + 8])
    for k, expected in ((1, 109), (2, 110), (3, (109 + 111 + 108) / 3), (5, (109 + 111 + 108 + 112 + 105) / 5)):
        filled = smd.fill(gappy, "similar_days", days=k)
        row = filled.iloc[9 * 24 + 8]
        assert (row["quality"], row["value"]) == ("estimated", pytest.approx(expected)), k
    weekend = smd.fill(frame.drop(index=range(6 * 24, 6 * 24 + 5)), "similar_days", limit="5h")
    assert weekend["value"].iloc[6 * 24 : 6 * 24 + 5].tolist() == [1.0] * 5


def test_guesses_are_not_made_of_guesses() -> None:
    value = np.repeat([100.0, 200, 300, 400, 500], 24)  # Monday to Friday
    quality = np.repeat(np.array(["valid", "estimated", "valid", "valid", "valid"], dtype=object), 24)
    frame = regular("2024-01-01", 120, value, length="1h", quality=quality)
    filled = smd.fill(frame.drop(index=[50]), "similar_days", days=2)
    assert filled["value"][50] == (400 + 100) / 2  # not Tuesday's 200; of Monday and Friday, both two days away, the earlier


def test_days_on_which_the_clock_changes() -> None:
    frame = lapse_frame()
    for day, n in (("2024-03-10", 92), ("2024-11-03", 100)):
        at = frame.index[frame["start"].dt.strftime("%Y-%m-%d") == day]
        gappy = frame.drop(index=at)
        filled = smd.fill(gappy, "similar_days", limit="25h")
        assert len(filled) == 35136
        added = filled[filled["quality"] == "estimated"]
        assert len(added) == n
        assert (added["start"].to_numpy() == frame["start"][at].to_numpy()).all()
        # 02:00 of other Sundays is not put into an hour that the day does not have, and 01:00 counts for both
        sundays = frame[(frame["start"].dt.day_of_week >= 5) & ~frame.index.isin(at)]
        slot = sundays.groupby(sundays["start"].dt.strftime("%H:%M"))["value"].agg(["min", "max"])
        span = slot.loc[added["start"].dt.strftime("%H:%M")]
        assert (added["value"].to_numpy() >= span["min"].to_numpy()).all()
        assert (added["value"].to_numpy() <= span["max"].to_numpy()).all()
        assert smd.resample(filled, "1D")["coverage"].eq(1).all()
    # an hour missing across the change itself
    night = frame.index[(frame["start"] >= "2024-03-10 01:30-08:00") & (frame["start"] < "2024-03-10 03:30-07:00")]
    filled = smd.fill(frame.drop(index=night))
    assert (len(night), len(filled)) == (4, 35136)
    assert (filled["start"].to_numpy() == frame["start"].to_numpy()).all()


@pytest.mark.parametrize(("month", "hours"), [("2024-03", 71), ("2024-11", 73)])
def test_daily_readings_are_as_long_as_their_days(month: str, hours: int) -> None:
    days = pd.date_range(f"{month}-01", periods=31, freq="D", tz=ZONE)
    value = (days[1:] - days[:-1]) / pd.Timedelta("1h")  # one an hour
    frame = tidy(days[:-1], value, end=days[1:], service="gas", unit="therm")
    odd = int(np.flatnonzero(value != 24)[0])
    for method in ("linear", "similar_days"):
        filled = smd.fill(frame.drop(index=[odd - 1, odd, odd + 1]), method, limit="80h")
        unlike = ["quality", "tou_name"]  # before pandas 3 a missing name is None or NaN
        pd.testing.assert_frame_equal(filled.drop(columns=unlike), frame.drop(columns=unlike), check_freq=False)
        assert filled["value"].iloc[odd - 1 : odd + 2].sum() == pytest.approx(hours)
    assert len(smd.fill(frame.drop(index=[5]))) == 29  # longer than two hours


def test_rows_without_a_value_are_filled_in_place() -> None:
    value = np.arange(12.0)
    value[[3, 4]] = np.nan
    frame = regular("2024-01-01", 12, value).drop(index=[5])
    filled = smd.fill(frame)
    assert filled["value"].tolist() == pytest.approx(list(range(12)))
    assert filled["quality"].tolist().count("interpolated") == 3
    assert set(smd.check(filled)["code"]) == {"edge-day", "quality"}
    assert np.isnan(frame["value"].iloc[3])  # what was given is as it was
    across = regular("2024-01-01", 12, np.arange(12.0)).drop(index=[3, 4])
    odd = across.iloc[[2]].assign(start=lambda one: one["end"], end=lambda one: one["start"] + pd.Timedelta("7min"), value=np.nan)
    kept = smd.fill(pd.concat([across, odd], ignore_index=True))
    assert len(kept) == 11  # a row that lies across the step: nothing is put beside it


def test_what_cannot_be_filled_stays() -> None:
    frame = regular("2024-01-01", 24, np.arange(24.0), length="1h")
    # the ends of the data, a gap that is no multiple of the step, registers, bills
    assert len(smd.fill(frame.iloc[3:20])) == 17
    late = frame.copy()
    late.loc[10:, ["start", "end"]] += pd.Timedelta("20min")
    assert len(smd.fill(late)) == 24
    register = frame.assign(measure="register").drop(index=[5])
    assert len(smd.fill(register)) == 23
    bills = pd.DatetimeIndex(["2024-01-05", "2024-02-02", "2024-03-05", "2024-04-04", "2024-05-07"]).tz_localize(ZONE)
    months = tidy(bills[[0, 2, 3]], 1.0, end=bills[[1, 3, 4]])
    assert len(smd.fill(months, limit="90D")) == 3
    # no other day of the kind: a Saturday alone
    week = regular("2024-01-01", 6 * 24, np.arange(144.0), length="1h")
    assert len(smd.fill(week.drop(index=[130, 131]), "similar_days")) == 142
    overlapping = pd.concat([frame.drop(index=[11]), tidy(["2024-01-01 10:30"], 1.0, end=["2024-01-01 11:30"])], ignore_index=True)
    assert len(smd.fill(overlapping)) == 24


def test_later_results_count_what_was_filled() -> None:
    frame = lapse_frame().drop(index=[*range(1000, 1004), *range(5000, 5008)])
    filled = smd.fill(frame)
    months = smd.resample(filled, "1MS")
    assert months["n_flagged"].tolist() == [4, 8] + [0] * 10
    assert (months["coverage"] == 1).all()
    assert smd.resample(frame, "1MS")["n_flagged"].sum() == 0
    assert "filled 12" in smd.cite(filled)
    assert "limit 2h" in smd.cite(filled)


def test_other_columns_and_types() -> None:
    feed = smd.sample("apartment")
    frame = feed.tidy(raw=True)
    assert smd.fill(feed).equals(feed.tidy())
    gappy = frame.drop(index=[10, 11])
    filled = smd.fill(gappy)
    new = filled.iloc[[10, 11]]
    for name in ("tou", "tou_name", "tier", "cpp", "cost", "raw_value"):
        assert new[name].isna().all(), name
    for name in ("usage_point", "channel", "service", "zone", "unit", "currency", "power_of_ten"):
        assert [str(one) for one in new[name]] == [str(frame[name].iloc[10])] * 2, name
    assert (filled.dtypes.drop("raw_value") == frame.dtypes.drop("raw_value")).all()
    assert list(filled.columns) == list(frame.columns)
    plain = regular("2024-01-01", 8, 1.0).assign(quality="fine").drop(index=3)
    assert smd.fill(plain)["quality"].iloc[3] == "interpolated"


def test_several_channels_in_document_order() -> None:
    here, there = (regular("2024-01-01", 12, np.arange(12.0) * k, channel=name) for k, name in ((1, "a"), (10, "b")))
    both = pd.concat([here.drop(index=[4, 5]), there.drop(index=[7])]).sort_values("start", kind="stable", ignore_index=True)
    filled = smd.fill(both)
    for name, one in (("a", here), ("b", there)):
        rows = filled[filled["channel"] == name]
        assert rows["value"].tolist() == pytest.approx(one["value"].tolist())
        assert rows["start"].is_monotonic_increasing


def test_arguments() -> None:
    frame = regular("2024-01-01", 8, 1.0)
    for arguments in ({"method": "cubic"}, {"limit": "soon"}, {"limit": "-2h"}, {"limit": None}, {"days": 0}):
        with pytest.raises(ConfigurationError) as caught:
            smd.fill(frame, **arguments)
        assert caught.value.hint
    with pytest.raises(ConfigurationError, match="bins"):
        smd.fill(smd.resample(frame, "1h"))
    assert smd.fill(frame.iloc[:0]).empty


STEPS = ("5min", "15min", "30min", "1h")
ZONES = (ZONE, "Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe")


@settings(max_examples=50)
@given(st.data())
def test_existing_rows_are_conserved(data: st.DataObject) -> None:
    step, zone = data.draw(st.sampled_from(STEPS)), data.draw(st.sampled_from(ZONES))
    method = data.draw(st.sampled_from(["linear", "similar_days"]))
    n = data.draw(st.integers(10, 600))
    first = data.draw(st.sampled_from(["2024-03-09", "2024-11-01", "2024-07-01", "2024-10-26", "2024-04-05"]))
    value = np.random.default_rng(n).uniform(0, 10, n)
    frame = regular(first, n, value, length=step, zone=zone)
    gone = data.draw(st.sets(st.integers(1, n - 2), max_size=n // 2))
    gappy = frame.drop(index=sorted(gone))
    limit = data.draw(st.sampled_from(["15min", "2h", "3D"]))
    filled = smd.fill(gappy, method, limit=limit)
    old = filled[~filled["quality"].isin(["interpolated", "estimated"])]
    pd.testing.assert_frame_equal(old.reset_index(drop=True), gappy.reset_index(drop=True), check_categorical=False)
    new = filled[filled["quality"].isin(["interpolated", "estimated"])]
    assert set(new["start"]) <= set(frame["start"][sorted(gone)])
    assert filled["start"].is_monotonic_increasing
    assert not filled.duplicated(["start"]).any()
    assert (new["value"] >= value.min() - 1e-9).all()
    assert (new["value"] <= value.max() + 1e-9).all()
    left = smd.check(filled)
    left = left[left["code"] == "gap"]
    if method == "linear":
        assert (left["value"] > pd.Timedelta(limit) / pd.Timedelta("1h")).all()
