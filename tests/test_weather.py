"""Temperature files, and means of local days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import read_temperature
from smd_notebook.analysis.weather import daily_mean
from smd_notebook.errors import ConfigurationError, TimeZoneError

from .tidy import ZONE


def epw(folder: Path, *, years: tuple[int, ...] = (2023,), hours: int = 48) -> Path:
    header = ["LOCATION,Somewhere,CA,USA,TMY3,724940,37.62,-122.4,-8.0,2.0"] + [f"LINE {number}" for number in range(7)]
    rows = []
    for hour in range(hours):
        day, of_day = divmod(hour, 24)
        value = 99.9 if hour == 5 else hour / 2
        rows.append(f"{years[day % len(years)]},1,{day + 1},{of_day + 1},0,flags,{value},3.0,60,101300")
    path = folder / "weather.epw"
    path.write_text("\n".join(header + rows) + "\n", encoding="utf-8")
    return path


def test_an_epw_file(tmp_path: Path) -> None:
    """Hour 1 begins at midnight of local standard time, eight hours behind UTC; 99.9 is missing."""
    found = read_temperature(epw(tmp_path))
    assert found.index[0] == pd.Timestamp("2023-01-01 08:00Z")
    assert found.index[-1] == pd.Timestamp("2023-01-03 07:00Z")
    assert found.iloc[1] == 0.5
    assert np.isnan(found.iloc[5])
    assert found.isna().sum() == 1


def test_a_typical_year_needs_a_year(tmp_path: Path) -> None:
    path = epw(tmp_path, years=(1998, 2003))
    with pytest.raises(ConfigurationError, match="typical year, made of 2 years"):
        read_temperature(path)
    assert read_temperature(path, year=2024).index[24] == pd.Timestamp("2024-01-02 08:00Z")


def test_an_epw_with_a_day_too_many(tmp_path: Path) -> None:
    path = epw(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("2023,1,2,", "2023,2,29,"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="days that the year has not"):
        read_temperature(path)
    assert read_temperature(path, year=2024).index[-1] == pd.Timestamp("2024-03-01 07:00Z")


def test_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "time,station,outdoor\n2024-11-03T01:00-08:00,x,4\n2024-11-03T01:00-07:00,x,5.5\n2024-11-03T10:00Z,x,\n", encoding="utf-8"
    )
    found = read_temperature(path, column="outdoor")
    assert found.index.strftime("%H:%MZ").tolist() == ["08:00Z", "09:00Z", "10:00Z"]
    assert found.tolist()[:2] == [5.5, 4.0]
    assert np.isnan(found.iloc[2])


def test_a_csv_of_wall_clock_times(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,t\n2024-07-01 00:00,20\n2024-07-01 01:00,19\n", encoding="utf-8")
    assert read_temperature(path, tz=ZONE).index[0] == pd.Timestamp("2024-07-01 07:00Z")
    with pytest.raises(TimeZoneError, match="no offset"):
        read_temperature(path)
    path.write_text("time,t\n2024-11-03 01:00,20\n2024-11-03 01:30,19\n", encoding="utf-8")
    with pytest.raises(TimeZoneError, match="come twice"):
        read_temperature(path, tz=ZONE)


@pytest.mark.parametrize(
    ("name", "text", "column", "error"),
    [
        ("t.csv", "", None, "no such column"),
        ("t.csv", "time,t\n2024-01-01Z,1\n", "outdoor", "no such column"),
        ("t.csv", "time,t\n2024-01-01T00:00Z,cold\n", None, "not a time and a number"),
        ("t.csv", "time,t\n2024-01-01T00:00Z,1\n2024-01-01T00:00Z,2\n", None, "several temperatures of one time"),
        ("t.epw", "time,t\n2024-01-01T00:00Z,1\n", None, "not an EPW file"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, text: str, column: str | None, error: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=error):
        read_temperature(path, column=column)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.csv cannot be read"):
        read_temperature(tmp_path / "gone.csv")


def test_means_of_days_of_23_and_25_hours() -> None:
    hours = pd.date_range("2024-03-09", "2024-03-12", freq="h", tz=ZONE, inclusive="left")
    means = daily_mean(pd.Series(hours.day.to_numpy(dtype="f8"), index=hours), ZONE)
    assert means.to_dict() == {pd.Timestamp("2024-03-09"): 9.0, pd.Timestamp("2024-03-10"): 10.0, pd.Timestamp("2024-03-11"): 11.0}


def test_half_a_day_is_missing() -> None:
    hours = pd.date_range("2024-01-01", periods=72, freq="h", tz=ZONE)
    values = np.full(72, 5.0)
    values[:12], values[24:35] = np.nan, np.nan
    means = daily_mean(pd.Series(values, index=hours), ZONE)
    assert np.isnan(means.iloc[0])
    assert means.iloc[1:].tolist() == [5.0, 5.0]


def test_one_value_a_day_will_do() -> None:
    days = pd.date_range("2024-03-08", periods=5, freq="D", tz=ZONE)
    assert daily_mean(pd.Series(np.arange(5.0), index=days), ZONE).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("series", "error"),
    [
        ([1.0, 2.0], ConfigurationError),
        (pd.Series([1.0, 2.0]), ConfigurationError),
        (pd.Series([1.0, 2.0], index=pd.date_range("2024-01-01", periods=2, freq="7D", tz="UTC")), ConfigurationError),
        (pd.Series([1.0, 2.0], index=pd.date_range("2024-01-01", periods=2, freq="h")), TimeZoneError),
    ],
)
def test_what_is_no_temperature_is_refused(series, error: type[Exception]) -> None:
    with pytest.raises(error):
        daily_mean(series, ZONE)
