"""Where bins begin: hours, days, weeks, months and years of the wall clock in any zone, as instants.

All arithmetic is on microseconds of UTC since 1970.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.errors import ConfigurationError, TimeZoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

SECOND = 1_000_000  # us
HOUR = 3600 * SECOND
DAY = 24 * HOUR
_STEP = {"s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND}
_CALENDAR = {"W": "", "MS": "M8[M]", "YS": "M8[Y]"}
_NAMES = 'Use "15min", "1h", "4h", "1D", "1W", "1MS", "1YS", "bill", or a list of edges.'


def utc_us(times: pd.Series[Any]) -> Ints:
    """Return tz-aware times as microseconds of UTC."""
    try:
        index = pd.DatetimeIndex(times)
    except ValueError as error:  # frames of several zones, put together
        text = "the times are of several zones, or some have none"
        raise TimeZoneError(text, hint='Bring start and end to one: pd.to_datetime(frame["start"], utc=True); "zone" stays.') from error
    if index.tz is None:
        raise TimeZoneError("the times have no time zone", hint='Say which one they are in: frame["start"].dt.tz_localize(...).')
    return np.asarray((index if index.unit == "us" else index.as_unit("us")).asi8)


def distinct(values: Ints) -> Ints:
    """Return sorted values, each once; on long almost sorted arrays tenfold faster than `numpy.unique`, which hashes."""
    ordered = np.sort(values, kind="stable")
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) > 0]


def wall_us(instants: Ints, zone: str) -> Ints:
    """Return what the wall clock in `zone` shows at these instants, as if it were UTC [us]."""
    utc = pd.DatetimeIndex(instants.view("M8[us]")).tz_localize("UTC")
    return np.asarray(utc.tz_convert(zone).tz_localize(None).as_unit("us").asi8)


def instants(wall: Ints, zone: str) -> tuple[Ints, Ints]:
    """Return the first and the last instant at which the clock in `zone` shows `wall`; where it skips it, the instant of the jump.

    pandas' own ``shift_forward`` is wrong where a zone skipped a whole day (Pacific/Apia, 2011-12-30).
    """
    # what the offset was a day before and a day after: one of the two is in force, both where the clock shows the time twice
    before, after = (wall - (wall_us(wall + day, zone) - (wall + day)) for day in (-DAY, DAY))
    before_holds, after_holds = wall_us(before, zone) == wall, wall_us(after, zone) == wall
    first = np.where(before_holds, before, after)
    last = np.where(after_holds, after, before)
    skipped = np.flatnonzero(~before_holds & ~after_holds)
    if skipped.size:
        low, high = after[skipped] // SECOND, -(-before[skipped] // SECOND)  # clocks jump at whole seconds
        while np.any(high - low > 1):  # look at many places in between at once: each look at the clock costs more than they do
            places = low[:, None] + (high - low)[:, None] * np.arange(65) // 64
            late = wall_us(places.ravel() * SECOND, zone).reshape(places.shape) > wall[skipped][:, None]
            found = np.maximum(late.argmax(axis=1), 1)
            row = np.arange(found.size)
            low, high = places[row, found - 1], places[row, found]
        first[skipped] = last[skipped] = high * SECOND
    return np.minimum(first, last), np.maximum(first, last)


def dates_of(days: Ints) -> pd.DatetimeIndex:
    """Return days since 1970 as dates."""
    return pd.DatetimeIndex(days.astype("M8[D]").astype("M8[us]"), name="date")


def period_of(spans: Iterable[tuple[int, int, str]]) -> str:
    """Say from which local day to which they reach, of spans with first and last instant [us] and zone; empty where there are none.

    >>> period_of([(0, DAY, "UTC"), (DAY, 3 * DAY, "UTC")]), period_of([(8 * HOUR, 32 * HOUR, "America/Los_Angeles")])
    ('1970-01-01 to 1970-01-03', '1970-01-01')
    """
    ends = [wall_us(np.array([first, last - 1]), zone) // DAY for first, last, zone in spans]
    days = [str(np.datetime64(int(day), "D")) for day in (np.min(ends), np.max(ends))] if ends else []
    return " to ".join(dict.fromkeys(days))


def clock(time: int) -> str:
    """Say what the wall clock shows so long after midnight [us].

    >>> clock(5400_000_000)
    '01:30'
    """
    minutes, seconds = divmod(time // SECOND, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")


def check_zone(zone: str) -> str:
    """Return the name of a zone if there is one of that name."""
    try:
        pd.Timestamp(0, tz=zone)
    except Exception as error:  # zoneinfo, pytz and pandas each raise their own
        raise TimeZoneError(f"no time zone is called {zone!r}", hint='Give an IANA name, such as "America/Los_Angeles".') from error
    return zone


def _dates(day: Ints, calendar: str) -> Ints:
    """Return the dates (days since 1970) on which weeks, months or years around two days begin."""
    if calendar == "W":  # ISO weeks begin on Monday; 1970-01-01 was a Thursday
        monday = (day + 3) // 7 * 7 - 3
        return np.arange(monday[0] - 7, monday[1] + 21, 7)
    unit = _CALENDAR[calendar]
    count = day.view("M8[D]").astype(unit).astype("i8")
    return np.arange(count[0] - 1, count[1] + 3).view(unit).astype("M8[D]").astype("i8")


class Bins(NamedTuple):
    """Where bins begin: every `step` of the wall clock within a day, or every `calendar` period, or at given `edges`.

    Bins of billing periods have none of these until they are given edges.
    """

    name: str
    step: int = 0
    calendar: str = ""
    edges: Ints | None = None
    naive: bool = False

    def between(self, first: int, last: int, zone: str) -> Ints:
        """Return the edges in `zone` of all bins that hold some time between two instants."""
        edges = self._around(first, last, zone)
        low = max(int(np.searchsorted(edges, first, "right")) - 1, 0)
        return edges[low : int(np.searchsorted(edges, last, "left")) + 1]

    def _around(self, first: int, last: int, zone: str) -> Ints:
        if self.edges is not None:
            if not self.naive:
                return self.edges
            begin, again = instants(self.edges, zone)
            if (begin != again).any() or (np.diff(begin) <= 0).any():
                text = f"some edges happen twice in {zone}, or not in this order"
                raise TimeZoneError(text, hint="Give edges with their zone: pd.DatetimeIndex(..., tz=...).")
            return begin
        day = wall_us(np.array([first, last]), zone) // DAY
        if self.calendar:
            return distinct(instants(_dates(day, self.calendar) * DAY, zone)[0])
        days = np.arange(day[0] - 1, day[1] + 3) * DAY
        midnight = instants(days, zone)[0]
        if self.step == DAY:
            return distinct(midnight)
        offsets = np.arange(0, DAY, self.step)
        plain = np.diff(midnight) == DAY  # only days on which, or before which, the clock jumps need a closer look
        plain[:-1] &= plain[1:]
        odd_wall = (days[:-1][~plain, None] + offsets).ravel()
        begin, again = instants(odd_wall, zone)
        # an hour that the clock shows twice is two bins of an hour; four hours of which one comes twice stay one bin
        both = again - begin >= self.step
        return distinct(np.concatenate([(midnight[:-1][plain, None] + offsets).ravel(), begin, again[both]]))


def parse(bins: str | Sequence[datetime | str] | pd.DatetimeIndex) -> Bins:
    """Read what a caller wrote for `bins`."""
    if isinstance(bins, str):
        if bins == "bill":
            return Bins(bins)  # their edges come with the bills of each usage point
        match = re.fullmatch(r"(\d*)(s|min|h|D|W|MS|YS)", bins)
        if match is None:
            raise ConfigurationError(f"bins {bins!r} are not known", hint=_NAMES)
        count, unit = int(match[1] or 1), match[2]
        if unit in _STEP and 0 < count * _STEP[unit] <= DAY:
            return Bins(bins, step=count * _STEP[unit])
        if count != 1 or unit in _STEP:  # where would the second of two days, or of 30 hours, begin?
            raise ConfigurationError(f"bins {bins!r} have no natural beginning", hint=_NAMES)
        return Bins(bins, step=DAY) if unit == "D" else Bins(bins, calendar=unit)
    try:
        stamps = [pd.Timestamp(edge) for edge in bins]
    except (TypeError, ValueError):  # a length of time, say, or what is none
        raise ConfigurationError(f"bins {bins!r} are not known", hint=_NAMES) from None
    naive = {stamp.tz is None for stamp in stamps}
    if len(stamps) < 2 or len(naive) != 1 or any(pd.isna(stamp) for stamp in stamps):
        text = "edges must be two or more times, all of them with a zone or none"
        raise ConfigurationError(text, hint='For example pd.date_range("2024-01-01", periods=13, freq="MS").')
    index = pd.DatetimeIndex([stamp if stamp.tz is None else stamp.tz_convert("UTC") for stamp in stamps])
    edges = np.asarray(index.as_unit("us").asi8)
    if (np.diff(edges) <= 0).any():
        raise ConfigurationError("edges must go forward in time, each once", hint="Sort them and drop repeated ones.")
    return Bins(f"{len(edges)} edges", edges=edges, naive=naive.pop())
