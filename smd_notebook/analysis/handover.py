"""Hand data over to other programs without losing what is missing: opendsm, PySAM, R."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import resample, tidy_frame, zone_of
from smd_notebook.analysis.days import adding, choose
from smd_notebook.analysis.edges import DAY, utc_us, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.weather import on_days
from smd_notebook.errors import ConfigurationError, SmdError

if TYPE_CHECKING:
    from smd_notebook.feed import Feed

__all__ = ["to_opendsm", "to_pysam", "to_r"]


def to_opendsm(
    x: Feed | pd.DataFrame,
    temperature: pd.Series[Any],
    *,
    unit: Literal["degC", "degF"] = "degC",
    scale: Literal["caltrack"] | None = None,
    channel: str | None = None,
) -> pd.DataFrame:
    """Lay out daily energy and temperature as opendsm's daily models take it, with missing days missing.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    temperature : Series, shape (n_observations,)
        Outdoor temperature [unit]; index: time with a zone.
    unit : {"degC", "degF"}, default "degC"
        Unit of `temperature`; opendsm gets degF.
    scale : {"caltrack"}, optional
        Take days of which more than half was metered, scaled up; by default others than wholly metered days are missing.
    channel : str, optional
        Label of the channel, which may be left out where there is one.

    Returns
    -------
    DataFrame, shape (n_days, 2)
        `observed` [kWh of electricity, else the unit of the feed] and `temperature` [degF]; index: local midnight, every day from the
        first to the last. A day that was not metered is NaN.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, or several channels could be meant.
    UnitError
        If no channel holds energy or volume.

    Notes
    -----
    opendsm makes hours into days by itself, and turns a gap of 45 days into 45 days of about nothing (version 1.2.7). So it is given days,
    and never hours with holes: ``DailyBaselineData(frame, is_electricity_data=True)``.

    References
    ----------
    CalTRACK 2.0 methods, 2.2.2.1, for `scale`.

    Examples
    --------
    >>> import pandas as pd, smd_notebook as smd
    >>> home = smd.sample("lapse2024").select(channel="electricity delivered (1)")
    >>> hours = pd.date_range("2024-01-01", "2025-01-01", freq="h", tz="America/Los_Angeles", inclusive="left")
    >>> to_opendsm(home, pd.Series(15.0, index=hours)).round(3).iloc[0].tolist()
    [16.874, 59.0]
    """
    if unit not in ("degC", "degF"):
        raise ConfigurationError(f"temperature in {unit!r} is not known", hint='unit="degC" or "degF".')
    found = list(adding(x, channel))
    if len(found) != 1:
        labels = sorted({repr(str(one["channel"].iloc[0])) for one in found})
        hint = f"channel= is one of {', '.join(labels)}." if len(labels) == len(found) else "Select one: feed.select(usage_point=...)."
        raise ConfigurationError(f"opendsm takes one channel, and there are {len(found)}", hint=hint)
    days = resample(found[0], "1D", min_coverage=0 if scale else 1, scale=scale)
    head = days.iloc[0]
    zone = zone_of(days)
    degrees = on_days(temperature, days)
    factor = 0.001 if head["unit"] == "Wh" else 1.0
    out = pd.DataFrame(
        {"observed": days["value"].to_numpy() * factor, "temperature": degrees if unit == "degF" else degrees * 1.8 + 32},
        index=pd.DatetimeIndex(days["start"], name="start").tz_convert(zone),
    )
    missing = int(out["observed"].isna().sum())
    inputs = {"channel": str(head["channel"]), "zone": zone, "scale": scale, "days missing": missing}
    return stamp(out, definition="daily energy and mean temperature for opendsm", inputs=inputs)


def to_pysam(
    x: Feed | pd.DataFrame, *, year: int, leap_day: Literal["refuse", "drop"] = "refuse", channel: str | None = None
) -> pd.DataFrame:
    """Lay out a year as the 8760 hours of local standard time that PySAM takes.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals, without gaps in that year.
    year : int
        The year, from 1 January 0:00 in standard time.
    leap_day : {"refuse", "drop"}, default "refuse"
        A leap year has 8784 hours: refuse it, or leave 29 February out.
    channel : str, optional
        Label of the channel; by default the first delivered one of electric energy or power.

    Returns
    -------
    DataFrame, shape (8760, 2)
        `start` and `load` [kW]; ``frame["load"].tolist()`` is PySAM's ``Load.load``.

    Raises
    ------
    ConfigurationError
        If the year is a leap year and `leap_day` is not ``"drop"``.
    SmdError
        If hours are missing: PySAM knows no missing values.
    UnitError
        If there is no electric energy or power.

    Notes
    -----
    PySAM's hours never change their clock, so from spring to autumn they are an hour behind the wall clock; periods of a tariff shift with
    them. Bills of summer time are those of `bill`, not of PySAM.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> year = to_pysam(smd.sample("lapse2024"), year=2024, leap_day="drop")
    >>> len(year), round(float(year["load"].sum()), 3)
    (8760, 12067.666)
    """
    one = choose(tidy_frame(x), channel)
    zone = zone_of(one)
    if leap_day not in ("refuse", "drop"):
        raise ConfigurationError('leap_day is "refuse" or "drop"', hint="PySAM takes 8760 hours.")
    # of January and July the smaller offset is standard time, on both halves of the globe
    standard = min(pd.Timestamp(year, month, 1, tz=zone).utcoffset() or pd.Timedelta(0) for month in (1, 7))
    wall = pd.date_range(pd.Timestamp(year, 1, 1), pd.Timestamp(year + 1, 1, 1), freq="h", unit="us")
    if len(wall) - 1 != 8760 and leap_day == "refuse":
        raise ConfigurationError(f"{year} has 8784 hours, and PySAM takes 8760", hint='leap_day="drop" leaves 29 February out.')
    edges = (wall - standard).tz_localize("UTC")
    binned = resample(one, edges).set_index("start")
    power = binned["mean_power"].where(binned["coverage"] > 1 - 1e-9).reindex(edges[:-1]).to_numpy() / 1000
    missing = np.flatnonzero(np.isnan(power))
    if missing.size:
        text = f"{missing.size} hours of {year} were not wholly metered, the first at {edges[missing[0]]:%Y-%m-%dT%H:%MZ}"
        raise SmdError(text, hint="PySAM knows no missing values: choose another year, or fill them first (smd.fill), which flags them.")
    keep = np.asarray((wall[:-1].month != 2) | (wall[:-1].day != 29))
    out = pd.DataFrame({"start": edges[:-1][keep], "load": power[keep]})
    offset = standard / pd.Timedelta("1h")
    inputs = {
        "channel": str(one["channel"].iloc[0]),
        "year": year,
        "hours from UTC": offset,
        "leap day": "left out" if not keep.all() else None,
    }
    return stamp(out, definition="mean power by hours of local standard time [kW], for PySAM", inputs=inputs)


def to_r(x: Feed | pd.DataFrame, path: str | Path, *, channel: str | None = None) -> None:
    r"""Write daily energy as CSV for R: one row a day and channel, missing days as ``NA``.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals.
    path : str or Path
        The file; `usage_point`, `channel`, `date` (local), `start_utc`, `hours` (23, 24 or 25), `value` [unit; NA unless the day was wholly
        metered], `unit`, `coverage`.
    channel : str, optional
        Label of the channel; by default each one of energy or volume.

    Raises
    ------
    UnitError
        If no channel holds energy or volume.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import smd_notebook as smd
    >>> with TemporaryDirectory() as folder:
    ...     to_r(smd.sample("lapse2024"), Path(folder, "days.csv"), channel="electricity delivered (1)")
    ...     print(*Path(folder, "days.csv").read_text().splitlines()[:2], sep="\n")
    usage_point,channel,date,start_utc,hours,value,unit,coverage
    lapse2024-gross,electricity delivered (1),2024-01-01,2024-01-01T08:00:00Z,24.0,16874.0,Wh,1.0
    """
    parts = []
    for one in adding(x, channel):
        days = resample(one, "1D", min_coverage=1)
        zone = zone_of(days)
        start = utc_us(days["start"])
        parts.append(
            pd.DataFrame(
                {
                    "usage_point": days["usage_point"],
                    "channel": days["channel"],
                    "date": np.datetime_as_string((wall_us(start, zone) // DAY).view("M8[D]")),
                    "start_utc": [f"{text}Z" for text in np.datetime_as_string(start.view("M8[us]").astype("M8[s]"))],
                    "hours": (utc_us(days["end"]) - start) / 3.6e9,
                    "value": days["value"],
                    "unit": days["unit"].astype(object),
                    "coverage": days["coverage"],
                }
            )
        )
    pd.concat(parts, ignore_index=True).to_csv(path, index=False, na_rep="NA", lineterminator="\n")
