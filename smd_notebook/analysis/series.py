"""The channels of a Feed, a tidy frame or a frame of bins as arrays, each with the rate that its numbers are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import channels, edges_of, flagged_of, is_binned, kinds_of, tidy_frame, why_not
from smd_notebook.analysis.calendar import weekday
from smd_notebook.analysis.edges import DAY, HOUR, check_zone, parse, period_of, utc_us, wall_us
from smd_notebook.analysis.spread import Intervals, check_coverage, clean, split, watts
from smd_notebook.errors import ConfigurationError, UnitError, warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = [
    "Days",
    "Series",
    "labelled",
    "length_words",
    "local_times",
    "metered",
    "rate_of",
    "rate_units",
    "series_of",
    "too_long",
]


class Days(NamedTuple):
    """The pieces that intervals are cut into at local midnights, and the days: columns of two lengths."""

    row: slice | Ints  # the interval of each piece
    day: Ints  # and its day, from 0
    start: Ints  # of each piece [us]
    length: Ints  # [us]
    edges: Ints  # where the days begin, and the last one's end [us]
    date: Ints  # days since 1970
    coverage: Floats  # of each day

    @property
    def weekend(self) -> NDArray[np.bool_]:
        """Which days are Saturdays and Sundays."""
        return np.asarray(weekday(self.date) >= 5)


class Series(NamedTuple):
    """One channel: its valid intervals in order of time, none overlapping, and the rate in each."""

    row: int  # where it first stands in its frame
    usage_point: str
    channel: str
    service: str | None
    zone: str
    unit: str | None  # of the values
    rate_unit: str  # W for electricity, else the unit per hour, or that of the power
    additive: bool
    factor: float  # what turns value per microsecond, or the power, into the rate
    found: Intervals
    rate: Floats
    first: int  # when the first interval begins, with a value or without [us]
    last: int  # when the last one ends

    @property
    def longest(self) -> int:
        """How long the longest interval is, as metered [us]; 0 where there is none."""
        return int(self.found.native.max(initial=0))

    def edges(self, x: Any, bins: str | Sequence[datetime | str] | pd.DatetimeIndex) -> tuple[Ints, Any]:
        """Return the edges of bins [us], and which bins count."""
        return edges_of(x, parse(bins), self.usage_point, self.service, self.first, self.last, self.zone)

    def days(self) -> Days:
        """Cut the intervals at local midnights."""
        edges = parse("1D").between(self.first, self.last, self.zone)
        row, day = split(self.found, edges)
        start = np.maximum(self.found.start[row], edges[day])
        length = np.minimum(self.found.end[row], edges[day + 1]) - start
        covered = np.bincount(day, weights=length, minlength=edges.size - 1)
        # a day begins at midnight or, where the clock skips that, soon after it
        date = wall_us(edges[:-1], self.zone) // DAY
        return Days(row, day, start, length, edges, date, covered / np.diff(edges))


def series_of(x: Any, what: str, *, min_coverage: float = 1.0, longest: int | None = None) -> tuple[pd.DataFrame, list[Series]]:
    """Return the frame, and those of its channels that can be used; the others are warned of, with the reason.

    A bin of `resample` counts as an interval if it is covered enough; covered in part, it stands for its covered time.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    what : str
        What it is for.
    min_coverage : float
        How much of a bin must be covered [1].
    longest : int, optional
        How long intervals may be at most [us], as `too_long` has it.

    Raises
    ------
    ConfigurationError
        If `x` is neither, or all intervals are too long.
    UnitError
        If no channel holds quantities that can be used.
    """
    check_coverage(min_coverage)
    binned = is_binned(x)
    frame = x if binned else tidy_frame(x)
    groups = list(channels(frame))
    firsts = np.array([rows.start if isinstance(rows, slice) else rows[0] for rows in groups], dtype="i8")
    start, end = utc_us(frame["start"]), utc_us(frame["end"])
    value = frame["value"].to_numpy(dtype="float64", na_value=np.nan)
    native, flagged = end - start, frame["n_flagged"].to_numpy() > 0 if binned else flagged_of(frame)
    stop = end
    if binned:
        coverage = frame["coverage"].to_numpy(dtype="float64")
        value = np.where(coverage >= min_coverage, value, np.nan)
        stop = start + np.rint(native * coverage).astype("i8")
    given = Intervals(start, stop, value, flagged, native)
    own = str(pd.DatetimeIndex(frame["start"]).tz)
    out: list[Series] = []
    refused: dict[str, tuple[type[UnitError | ConfigurationError], list[str]]] = {}
    for rows, kind, row in zip(groups, kinds_of(frame, firsts), firsts.tolist(), strict=True):
        one = given.take(rows)
        reason = why_not(kind.measure)
        if reason:
            refused.setdefault(reason, (UnitError, []))[1].append(kind.channel)
            continue
        additive = kind.measure != "power"
        found = clean(one, kind.channel, overlaps="error", additive=additive)
        zone = check_zone(kind.zone or own)
        if longest is not None and too_long(found.start, found.native, longest, zone):
            reason = f"its intervals are longer than {length_words(longest)}"
            refused.setdefault(reason, (ConfigurationError, []))[1].append(kind.channel)
            continue
        factor, unit = rate_of(kind.service, kind.measure, kind.unit)
        rate = found.value * factor
        if additive:
            rate = rate / (found.end - found.start)
        span = int(one.start.min()), int(end[rows].max())
        out.append(Series(row, kind.usage_point, kind.channel, kind.service, zone, kind.unit, unit, additive, factor, found, rate, *span))
    for reason, (error, names) in refused.items():
        text = f"{what} cannot be had of {', '.join(sorted(map(repr, set(names))))}: {reason}"
        usable = sorted({one.channel for one in out})
        if not usable:
            raise error(text, hint="See feed.channels for what there is.")
        named = repr(usable[0] if len(usable) == 1 else usable) if len(usable) <= 4 else "..."
        warn(f"{text}. It is left out.\nSelect what it can be had of: feed.select(channel={named}).")
    return frame, out


def too_long(start: Ints, length: Ints, longest: int, zone: str) -> bool:
    """Tell whether any interval is longer than that [us].

    Beyond an hour the wall clock counts, too: slots of four hours are five hours long where the clock shows one of them twice (`edges`).
    """
    long = length > longest
    if longest <= HOUR or not long.any():
        return bool(long.any())
    begin, end = start[long], start[long] + length[long]
    return bool((wall_us(end, zone) - wall_us(begin, zone) > longest).any())


def rate_of(service: str | None, measure: str | None, unit: str | None) -> tuple[float, str]:
    """Return what turns a value by its length [us], or a power, into the rate, and the rate's unit: W for electricity, else by the hour.

    >>> rate_of("electricity", "energy", "kWh"), rate_of("gas", "volume", "therm")
    ((3600000000000.0, 'W'), (3600000000.0, 'therm/h'))
    """
    additive = measure != "power"
    factor, rate_unit = watts(service, measure, unit), "W"
    if np.isnan(factor):
        factor, rate_unit = 1.0, (unit or "1") + "/h" * additive
    return factor * (HOUR if additive else 1), rate_unit


def length_words(length: int) -> str:
    """Say how long something is [us]."""
    if length % DAY == 0:
        return f"{length // DAY} d"
    return f"{length / HOUR:g} h" if length >= HOUR else f"{60 * length / HOUR:g} min"


def metered(series: Sequence[Series]) -> dict[str, Any]:
    """Say for a passport of how many channels a result is, from which local day to which, and how much of their time was metered [1]."""
    time = sum(int((one.found.end - one.found.start).sum()) for one in series)
    elapsed = sum(one.last - one.first for one in series)
    period = period_of((one.first, one.last, one.zone) for one in series)
    return {"channels": len(series), "period": period, "coverage": round(time / elapsed, 9) if elapsed else None}


def labelled(frame: pd.DataFrame, series: Sequence[Series], sizes: Sequence[int], columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return columns behind usage point and channel of the series that they come from, `sizes` rows of each."""
    rows = np.repeat(np.array([one.row for one in series], dtype="i8"), sizes)
    return pd.DataFrame({**{name: frame[name].array.take(rows) for name in ("usage_point", "channel")}, **columns})


def local_times(series: Sequence[Series], instants: Any) -> pd.DatetimeIndex:
    """Return instants [us] in the zone that all series share, else in UTC."""
    zones = {one.zone for one in series}
    times = np.asarray(instants, dtype="i8").view("M8[us]")
    return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zones.pop() if len(zones) == 1 else "UTC")


def rate_units(series: Sequence[Series], sizes: Sequence[int]) -> Any:
    """Return the units of the rates as strings, `sizes` rows of each series."""
    return pd.Series([one.rate_unit for one in series], dtype="str").array.take(np.repeat(np.arange(len(series)), sizes))
