"""Outdoor temperature: from CSV and EPW files, and as means of local days."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import zone_of
from smd_notebook.analysis.edges import DAY, dates_of, parse, utc_us, wall_us
from smd_notebook.errors import ConfigurationError, TimeZoneError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["daily_mean", "on_days", "read_temperature"]

#: A day needs more than this share of its observations.
_HALF = 0.5
_EPW_MISSING = 99.9  # degC


def read_temperature(path: str | Path, *, column: str | None = None, tz: str | None = None, year: int | None = None) -> pd.Series[float]:
    r"""Read outdoor temperature from a CSV or EPW file.

    Parameters
    ----------
    path : str or Path
        ``.epw``: hours of local standard time, dry bulb [degC]. Anything else is CSV with a header, whose first column is the time.
    column : str, optional
        The column of a CSV that holds the temperature, in the unit of the file; by default the second.
    tz : str, optional
        IANA zone of the times of a CSV that state no offset.
    year : int, optional
        The year that an EPW file is meant for; typical years are made of months of several years, and need it.

    Returns
    -------
    Series, shape (n_observations,)
        Temperature, in the order of time; index: time, in UTC. Missing values stay missing.

    Raises
    ------
    ConfigurationError
        If the file is not understood.
    TimeZoneError
        If times state no offset and no `tz` is given, or do not exist in it.

    References
    ----------
    EnergyPlus, Auxiliary Programs: EnergyPlus Weather File (EPW) data dictionary; hour 1 is that from midnight to 1:00.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "weather.csv")
    ...     _ = path.write_text("time,temperature\n2024-01-01T00:00-08:00,9.5\n2024-01-01T01:00-08:00,\n")
    ...     read_temperature(path).tolist()
    [9.5, nan]
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {type(error).__name__}", hint="Give a CSV or an EPW file.") from error
    found = _epw(rows, year, path.name) if path.suffix.lower() == ".epw" else _csv(rows, column, tz, path.name)
    found = found.sort_index()
    if found.index.has_duplicates:
        text = f"{path.name} holds several temperatures of one time"
        raise ConfigurationError(text, hint="Keep one of each; if clocks go back in it, times need their offset.")
    return found


def _epw(rows: list[list[str]], year: int | None, name: str) -> pd.Series[float]:
    try:
        offset = float(rows[0][8])
        body = rows[8:]
        years = {int(row[0]) for row in body}
        parts = [[int(row[place]) for row in body] for place in (1, 2, 3)]
        degrees = np.array([float(row[6]) for row in body])
    except (IndexError, ValueError):
        raise ConfigurationError(f"{name} is not an EPW file", hint="It has eight lines of header, LOCATION first.") from None
    if year is None and len(years) > 1:
        text = f"{name} is a typical year, made of {len(years)} years"
        raise ConfigurationError(text, hint="Say which one it shall stand for: year=2024.")
    month, day, hour = (np.array(part) for part in parts)
    dates = pd.to_datetime({"year": year or years.pop(), "month": month, "day": day}, errors="coerce")
    if dates.isna().any():
        raise ConfigurationError(f"{name} has days that the year has not", hint="A file with 29 February needs a leap year.")
    times = pd.DatetimeIndex(dates) + pd.to_timedelta(hour - 1 - offset, unit="h")
    return pd.Series(np.where(degrees >= _EPW_MISSING, np.nan, degrees), index=times.tz_localize("UTC").as_unit("us"), name="temperature")


def _csv(rows: list[list[str]], column: str | None, tz: str | None, name: str) -> pd.Series[float]:
    header, body = (rows[0], rows[1:]) if rows else ([], [])
    if len(header) < 2 or (column is not None and column not in header):
        raise ConfigurationError(f"{name} has no such column", hint=f"It has: {', '.join(header) or 'nothing'}.")
    place = header.index(column) if column is not None else 1
    try:
        times = [pd.Timestamp(row[0]) for row in body]
        degrees = np.array([float(row[place]) if row[place].strip() else np.nan for row in body])
    except (IndexError, ValueError):
        text = f"{name} has a line that is not a time and a number"
        raise ConfigurationError(text, hint="Times are written as 2024-01-01T00:00-08:00; a missing number is left empty.") from None
    if any(time.tz is None for time in times) and tz is None:
        raise TimeZoneError(f"times in {name} have no offset from UTC", hint='Say which zone they are in: tz="America/Los_Angeles".')
    try:
        moments = [(time.tz_localize(tz) if time.tz is None else time).tz_convert("UTC") for time in times]
    except Exception as error:  # zoneinfo, pytz and pandas each raise their own
        text = f"times in {name} do not exist, or come twice, in {tz}"
        raise TimeZoneError(text, hint="Write them with their offset from UTC.") from error
    return pd.Series(degrees, index=pd.DatetimeIndex(moments, dtype="datetime64[us, UTC]"), name="temperature")


def daily_mean(temperature: Any, zone: str) -> pd.Series[float]:
    """Average temperature over local days.

    Parameters
    ----------
    temperature : Series, shape (n_observations,)
        Index: time with a zone, in even steps of a day or less.
    zone : str
        IANA zone of the days.

    Returns
    -------
    Series, shape (n_days,)
        Index: local date. Missing where half of a day's observations or more are.

    Raises
    ------
    ConfigurationError
        If it is no such Series.
    TimeZoneError
        If its times have no zone.

    Examples
    --------
    >>> import pandas as pd
    >>> hours = pd.date_range("2024-01-01", periods=48, freq="h", tz="America/Los_Angeles")
    >>> daily_mean(pd.Series([10.0] * 24 + [20.0] * 24, index=hours), "America/Los_Angeles").tolist()
    [10.0, 20.0]
    """
    if not isinstance(temperature, pd.Series) or not isinstance(temperature.index, pd.DatetimeIndex) or len(temperature) < 2:
        text = "temperature must be a Series of numbers with times as its index"
        raise ConfigurationError(text, hint="smd.analysis.read_temperature(path) makes one of a CSV or EPW file.")
    ordered = temperature.sort_index()
    at = utc_us(ordered.index.to_series())
    degrees = ordered.to_numpy(dtype="float64", na_value=np.nan)
    step = int(np.median(np.diff(at)))
    if step <= 0 or step > DAY + DAY // 24:
        raise ConfigurationError("temperatures must be a day apart or less, each time once", hint="Hourly ones are usual.")
    edges = parse("1D").between(int(at[0]), int(at[-1]) + 1, zone)
    day = np.searchsorted(edges, at, "right") - 1
    known = ~np.isnan(degrees)
    count = np.bincount(day[known], minlength=edges.size - 1)
    total = np.bincount(day[known], weights=degrees[known], minlength=edges.size - 1)
    enough = count * step > _HALF * np.diff(edges)
    mean: NDArray[np.float64] = np.divide(total, count, out=np.full(total.size, np.nan), where=enough)
    return pd.Series(mean, index=dates_of(wall_us(edges[:-1], zone) // DAY), name="temperature")


def on_days(temperature: Any, days: pd.DataFrame) -> NDArray[np.float64]:
    """Return the mean temperature of each local day of what `resample` returned, missing where it is not known.

    Parameters
    ----------
    temperature : Series, shape (n_observations,)
        As `daily_mean` takes it.
    days : DataFrame, shape (n_days, n_columns)
        Days of one channel.
    """
    zone = zone_of(days)
    dates = dates_of(wall_us(utc_us(days["start"]), zone) // DAY)
    return np.asarray(daily_mean(temperature, zone).reindex(dates), dtype=np.float64)
