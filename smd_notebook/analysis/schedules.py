"""What a tariff is: seasons, periods of the day, dated rates. Pure data, whichever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.analysis.calendar import DAY_TYPES, day_types
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["Rates", "Season", "Tariff", "as_date", "as_tariff"]


def as_date(given: Any, what: str) -> date:
    """Return a local date as such: a date, the day of a time, or ISO text.

    Raises
    ------
    ConfigurationError
        If it is no date.

    Examples
    --------
    >>> as_date("2026-03-01", "on")
    datetime.date(2026, 3, 1)
    """
    try:
        found = given.date() if hasattr(given, "date") else given if isinstance(given, date) else date.fromisoformat(str(given)[:10])
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, date):
        raise ConfigurationError(f"{what} is no date", hint='Write it as "2026-03-01".')
    return found


@dataclass(frozen=True, slots=True)
class Season:
    """A part of the year, and which period each of its hours is in.

    Parameters
    ----------
    name : str
        Such as ``"summer"``.
    first, last : tuple of int
        Month and day, both inclusive; a season may pass the turn of the year.
    workday, weekend : tuple of str
        24 names of periods, one for each hour of the wall clock; holidays count as weekend.
    """

    name: str
    first: tuple[int, int]
    last: tuple[int, int]
    workday: tuple[str, ...]
    weekend: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """What a tariff costs from a day on.

    Parameters
    ----------
    start : date
        The first day that they hold.
    source : str
        Where they are published.
    energy : mapping
        Season and period to the price of energy [currency/kWh].
    baseline_credit : float
        What is taken off for energy within the baseline allowance [currency/kWh]; 0 where there is none.
    daily : mapping
        Charge by the day, for each income tier [currency/day]; a charge that is the same for all has the tier ``""``.
    monthly : float
        Charge by the calendar month [currency].
    """

    start: date
    source: str
    energy: Mapping[tuple[str, str], float]
    baseline_credit: float = 0.0
    daily: Mapping[str, float] = field(default_factory=dict)
    monthly: float = 0.0


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff with all its dated rates, as `load_tariff` returns it.

    Parameters
    ----------
    name, utility, source : str
        What it is called, whose it is, and where it is published.
    on : date
        The day it was asked for.
    seasons : tuple of Season
        Together they cover the year.
    versions : tuple of Rates
        In order of their first days.
    holidays : str or tuple of dates, optional
        A calendar (``"US-PGE"``, or a country as the package `holidays` knows it) or dates; they count as weekend.
    baseline : mapping
        Kind (``"basic"``, ``"all_electric"``) and territory to the daily allowance by season [kWh/day].
    standard_tier : str
        The income tier of whoever says nothing of it.
    left_out : tuple of str
        What a real bill has besides.
    currency : str
        ISO letters.
    end : date, optional
        The last day that the last rates hold, where that is known.
    status : str
        How far the facts were checked.
    """

    name: str
    utility: str
    source: str
    on: date
    seasons: tuple[Season, ...] = field(repr=False)
    versions: tuple[Rates, ...] = field(repr=False)
    holidays: str | tuple[date, ...] | None = field(default=None, repr=False)
    baseline: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict, repr=False)
    standard_tier: str = field(default="", repr=False)
    left_out: tuple[str, ...] = field(default=(), repr=False)
    currency: str = "USD"
    end: date | None = None
    status: str = field(default="", repr=False)

    @property
    def rates(self) -> Rates:
        """The rates in force on the day that was asked for."""
        return self.versions[int(self.version_on(np.array([day_number(self.on)]))[0])]

    def version_on(self, days: Ints) -> Ints:
        """Return the number of the rates in force on each day, given as days since 1970; -1 where there are none."""
        starts = np.array([day_number(one.start) for one in self.versions])
        found = np.searchsorted(starts, days, "right") - 1
        return np.where(days > day_number(self.end), -1, found) if self.end else found

    def season_on(self, days: Ints) -> Ints:
        """Return the number of the season of each day, given as days since 1970."""
        dates = days.view("M8[D]")
        month = dates.astype("M8[M]").astype("i8") % 12 + 1
        key = month * 100 + (dates - dates.astype("M8[M]")).astype("i8") + 1
        out = np.full(days.size, -1)
        for number, season in enumerate(self.seasons):
            first, last = season.first[0] * 100 + season.first[1], season.last[0] * 100 + season.last[1]
            out[(key >= first) & (key <= last) if first <= last else (key >= first) | (key <= last)] = number
        return out

    def day_off(self, days: Ints) -> NDArray[np.bool_]:
        """Tell which days, given as days since 1970, count as weekend: Saturdays, Sundays and the tariff's own holidays."""
        off: NDArray[np.bool_] = day_types(days, self.holidays) != DAY_TYPES.index("weekday")
        return off

    def periods(self) -> list[tuple[str, str]]:
        """Return every season and period that the tariff knows, in the order of the year and of the day."""
        return list(dict.fromkeys((one.name, name) for one in self.seasons for name in (*one.workday, *one.weekend)))


def as_tariff(given: Any) -> Tariff:
    """Return a tariff as it is, and refuse the name of one: it has rates only as of a day."""
    if not isinstance(given, Tariff):
        hint = 'Load it: smd.analysis.load_tariff("E-TOU-C", on="2026-03-01").'
        raise ConfigurationError(f"expected a tariff, not {type(given).__name__}", hint=hint)
    return given


def day_number(day: date) -> int:
    """Return days since 1970."""
    return day.toordinal() - 719163
