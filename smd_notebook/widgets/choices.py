"""What one looks at: a channel, some of its time, and the figures of it; and the code that draws the same. Pure: nothing is drawn here."""

from __future__ import annotations

import calendar
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from smd_notebook.errors import ConfigurationError

__all__ = ["COMPARISONS", "VIEWS", "Choice", "Extent", "as_day", "clipped", "code", "midnight", "periods", "span_of", "usual"]

#: What can be seen, by the name of its function in `smd.plot`, in the order in which it is shown.
VIEWS = {"heatmap": "Heat map", "profile": "Daily profile", "duration": "Duration curve", "energy": "Amounts", "quality": "Quality"}
#: What kinds of days the profile tells apart.
COMPARISONS: dict[tuple[str, ...], str] = {
    ("season", "day_type"): "Season and kind of day",
    ("day_type",): "Weekdays and weekends",
    ("month",): "Months",
    ("weekday",): "Days of the week",
    (): "All days together",
}
_SEASONAL = next(iter(COMPARISONS))
_CELLS = 40_000  # a year of quarter hours; of more, a map has hours
_HOURS = (1, 2, 3, 4, 6, 8, 12)  # that divide a day


@dataclass(frozen=True)
class Extent:
    """What a channel holds.

    Parameters
    ----------
    first, last : date
        Local days of the first and the last reading.
    zone : str
        Whose days they are.
    lengths : tuple of float
        The unlike lengths of its intervals [s].
    electric : bool
        Whether it has a power.
    """

    first: date
    last: date
    zone: str
    lengths: tuple[float, ...]
    electric: bool


@dataclass(frozen=True)
class Choice:
    """What is looked at.

    Parameters
    ----------
    channel : str
        Label of the channel.
    start, end : date, optional
        First and last local day, both included; None where the data begin or end.
    compare : tuple of str
        What kinds of days the profile tells apart, as `by` of `smd.profile`.
    views : tuple of str, optional
        Which figures; None for those that suit the channel.
    """

    channel: str
    start: date | None = None
    end: date | None = None
    compare: tuple[str, ...] = _SEASONAL
    views: tuple[str, ...] | None = None

    def seen(self, extent: Extent) -> tuple[str, ...]:
        """Return the names of the figures, in their order."""
        wanted = usual(extent) if self.views is None else self.views
        return tuple(view for view in VIEWS if view in wanted)

    def selection(self, extent: Extent) -> dict[str, str]:
        """Return the arguments of `Feed.select`."""
        found = {"channel": self.channel}
        if self.start is not None:
            found["start"] = midnight(self.start, extent.zone)
        if self.end is not None:
            found["end"] = midnight(self.end + timedelta(days=1), extent.zone)
        return found

    def options(self, view: str, extent: Extent, n: int) -> dict[str, Any]:
        """Return the arguments of a figure, beside the data; what is as usual is left out.

        Parameters
        ----------
        view : str
            Name of the figure.
        extent : Extent
            Of the channel.
        n : int
            How many intervals are drawn.
        """
        if view in ("heatmap", "quality"):
            unlike = view == "heatmap" and len(extent.lengths) > 1
            return {"slot": "1h"} if n > _CELLS or unlike else {}
        if view == "profile":
            by = {} if self.compare == _SEASONAL else {"by": list(self.compare)}
            hours = next((hours for hours in _HOURS if hours * 3600 >= max(extent.lengths, default=0)), 1)
            return by | ({} if hours == 1 else {"slot": f"{hours}h"})
        if view == "energy":
            days = ((self.end or extent.last) - (self.start or extent.first)).days + 1
            longer = max(extent.lengths, default=0) > 86_400 + 3600  # what was metered by the month is not known by the day
            return {"bins": "1MS"} if days > 400 or longer else {}
        return {}


def usual(extent: Extent) -> tuple[str, ...]:
    """Return the figures that suit a channel: what is kept by day or bill has no time of day, and what is not electric no power.

    >>> usual(Extent(date(2025, 1, 1), date(2025, 12, 31), "UTC", (86400.0,), electric=False))
    ('duration', 'energy', 'quality')
    """
    within = max(extent.lengths, default=0) < 86_400 - 3600
    mapped = ("heatmap",) if within and extent.electric else ("energy",)
    return tuple(view for view in VIEWS if view in (*mapped, *(("profile",) if within else ()), "duration", "quality"))


def periods(extent: Extent) -> dict[str, str]:
    """Return the years and months of a channel, and all of it.

    >>> list(periods(Extent(date(2024, 11, 30), date(2025, 1, 1), "UTC", (3600.0,), electric=True)).items())
    [('all', 'All of it'), ('2024', '2024'), ('2025', '2025'), ('2024-11', 'November 2024'), ('2024-12', 'December 2024'),
     ('2025-01', 'January 2025')]
    """
    months = [
        divmod(number, 12) for number in range(extent.first.year * 12 + extent.first.month - 1, extent.last.year * 12 + extent.last.month)
    ]
    years = (
        {str(year): str(year) for year in range(extent.first.year, extent.last.year + 1)} if extent.first.year != extent.last.year else {}
    )
    named = {f"{year}-{month + 1:02d}": f"{calendar.month_name[month + 1]} {year}" for year, month in months}
    return {"all": "All of it"} | years | (named if len(named) > 1 else {})


def span_of(period: str, extent: Extent) -> tuple[date | None, date | None]:
    """Return the first and the last day of a period, within the data; None where it reaches their ends.

    Parameters
    ----------
    period : str
        ``"all"``, a year (``"2025"``) or a month (``"2025-07"``).
    extent : Extent
        Of the channel.

    Raises
    ------
    ConfigurationError
        Where it is none of these, or has no data.
    """
    if period == "all":
        return None, None
    try:
        year, _, month = period.partition("-")
        first = date(int(year), int(month or 1), 1)
        last = date(int(year), int(month or 12), calendar.monthrange(int(year), int(month or 12))[1])
    except (ValueError, calendar.IllegalMonthError):
        raise ConfigurationError(f"{period!r} is no period", hint='Say "all", a year ("2025") or a month ("2025-07").') from None
    return clipped(first, last, extent)


def clipped(first: date, last: date, extent: Extent) -> tuple[date | None, date | None]:
    """Return a span as far as there are data; None where it reaches their ends."""
    if first > last or first > extent.last or last < extent.first:
        text = f"there are no data from {first} to {last}" if first <= last else f"{first} comes after {last}"
        raise ConfigurationError(text, hint=f"The channel has data from {extent.first} to {extent.last}.")
    return (first if first > extent.first else None), (last if last < extent.last else None)


def midnight(day: date, zone: str) -> str:
    """Return when a local day begins; with the offset where the clock jumps over midnight or shows it twice.

    >>> midnight(date(2025, 7, 1), "America/Los_Angeles"), midnight(date(2024, 4, 26), "Africa/Cairo")
    ('2025-07-01', '2024-04-26T01:00:00+03:00')
    """
    place = ZoneInfo(zone)
    once, twice = (datetime(day.year, day.month, day.day, tzinfo=place, fold=fold) for fold in (0, 1))
    if once.utcoffset() == twice.utcoffset():
        return str(day)
    return once.astimezone(UTC).astimezone(place).isoformat()


def code(name: str, selection: dict[str, str], calls: dict[str, dict[str, Any]]) -> str:
    """Return a cell that draws what is on the screen.

    Parameters
    ----------
    name : str
        What the feed is called.
    selection : dict of str to str
        Arguments of `Feed.select`.
    calls : dict of str to dict
        Figures, and their arguments.

    Examples
    --------
    >>> print(code("feed", {"channel": "electricity delivered", "end": "2025-02-01"}, {"heatmap": {}, "profile": {"by": ["month"]}}))
    import smd_notebook as smd
    <BLANKLINE>
    part = feed.select(channel="electricity delivered", end="2025-02-01")
    smd.plot.heatmap(part).show()
    smd.plot.profile(part, by=["month"]).show()
    """
    lines = ["import smd_notebook as smd", "", f"part = {name}.select({_arguments(selection)})"]
    lines += [f"smd.plot.{view}({', '.join(filter(None, ['part', _arguments(options)]))}).show()" for view, options in calls.items()]
    return "\n".join(lines)


def _arguments(given: dict[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items())


def as_day(value: Any) -> date:
    """Return a date that was typed, clicked or computed.

    Raises
    ------
    ConfigurationError
        Where it is none.
    """
    try:
        found = pd.Timestamp(value)
        if not pd.isna(found):
            return found.date()
    except (ValueError, TypeError, OverflowError):
        pass
    raise ConfigurationError(f"{value!r} is no date", hint='Write it like "2025-07-01".')
