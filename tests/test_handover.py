"""What other programs get: nothing missing becomes a number."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import to_opendsm, to_pysam, to_r
from smd_notebook.errors import ConfigurationError, SmdError, UnitError

from .tidy import ZONE, lapse2024, lapse_frame, regular

HOURS = pd.date_range("2024-01-01", "2025-01-01", freq="h", tz=ZONE, inclusive="left")
WARM = pd.Series(20.0, index=HOURS)


def test_forty_five_missing_days_stay_forty_five() -> None:
    """Of 366 days 45 are gone, as rows that are not there and as NaN."""
    frame = lapse_frame()
    day = frame["start"].dt.strftime("%m-%d")
    gone = day.between("05-01", "06-14")
    without, empty = frame[~gone], frame.assign(value=frame["value"].where(~gone))
    for one in (without, empty):
        out = to_opendsm(one, WARM)
        assert (len(out), int(out["observed"].isna().sum())) == (366, 45)
        assert out["observed"].sum() == pytest.approx(frame.loc[~gone, "value"].sum() / 1000)
        assert json.loads(out.attrs["passport"])["inputs"]["days missing"] == 45
    assert out["temperature"].tolist() == [68.0] * 366
    assert str(out.index.tz) == ZONE


def test_a_day_of_11_hours_is_none_and_one_of_13_is_scaled_when_asked() -> None:
    frame = regular("2024-05-01", 72, 1000.0, length="1h")
    frame.loc[:12, "value"] = np.nan
    frame.loc[24:34, "value"] = np.nan
    assert to_opendsm(frame, WARM)["observed"].isna().tolist() == [True, True, False]
    scaled = to_opendsm(frame, WARM, scale="caltrack")["observed"]
    assert np.isnan(scaled.iloc[0])
    assert scaled.iloc[1:].tolist() == pytest.approx([24, 24])


def test_opendsm_takes_one_channel() -> None:
    gas = regular("2024-01-01", 366, 2.0, length="1D", channel="gas", service="gas", unit="therm")
    both = pd.concat([lapse_frame(), gas], ignore_index=True)
    with pytest.raises(ConfigurationError, match="one channel, and there are 2"):
        to_opendsm(both, WARM)
    with pytest.raises(ConfigurationError, match="'K' is not known"):
        to_opendsm(both, WARM, unit="K", channel="gas")
    with pytest.raises(UnitError, match="is called 'water'"):
        to_opendsm(both, WARM, channel="water")


def test_a_year_for_pysam() -> None:
    """Standard time: the hours of summer lie an hour behind the wall clock, and none is missing or double."""
    out = to_pysam(lapse_frame(), year=2024, leap_day="drop")
    hourly = lapse2024()["load"].reshape(-1, 4).sum(axis=1) / 1000  # elapsed hours, which standard time counts
    expected = np.delete(hourly, slice(59 * 24, 60 * 24))
    assert out["load"].to_numpy() == pytest.approx(expected)
    assert len(out) == 8760
    with pytest.raises(ConfigurationError, match="8784 hours"):
        to_pysam(lapse_frame(), year=2024)
    with pytest.raises(ConfigurationError, match="refuse"):
        to_pysam(lapse_frame(), year=2024, leap_day="keep")


def test_pysam_gets_no_holes() -> None:
    frame = regular("2023-01-01", 8760, 500.0, length="1h")
    assert to_pysam(frame, year=2023)["load"].tolist() == [0.5] * 8760
    with pytest.raises(SmdError, match="24 hours of 2023 were not wholly metered, the first at 2023-02-01T08:00Z"):
        to_pysam(frame.drop(index=range(31 * 24, 32 * 24)), year=2023)


def test_days_for_r(tmp_path: Path) -> None:
    frame = lapse_frame().drop(index=range(96, 192))
    to_r(frame, tmp_path / "days.csv")
    with (tmp_path / "days.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 366
    assert [row["date"] for row in rows if row["value"] == "NA"] == ["2024-01-02"]
    spring = next(row for row in rows if row["date"] == "2024-03-10")
    assert (spring["hours"], spring["value"], spring["start_utc"]) == ("23.0", "16493.0", "2024-03-10T08:00:00Z")
    with pytest.raises(UnitError):
        to_r(frame, tmp_path / "x.csv", channel="none")


def test_meters_that_share_a_label_are_told_apart_by_usage_point() -> None:
    frame = pd.concat([regular("2024-01-01", 48, 1.0, length="1h", usage_point=point) for point in "12"])
    with pytest.raises(ConfigurationError, match="usage_point"):
        to_opendsm(frame, pd.Series(15.0, index=pd.date_range("2024-01-01", periods=48, freq="h", tz=ZONE)))
