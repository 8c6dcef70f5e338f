"""Seasons and kinds of days: weekdays, weekends and the holidays of a tariff."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["DAY_TYPES", "PGE_SEASONS", "day_types", "holiday_dates", "season_of_months"]

#: Kinds of days, in the order of their numbers.
DAY_TYPES = ("weekday", "weekend", "holiday")

#: Seasons of PG&E's residential tariffs, and the months in them.
PGE_SEASONS: dict[str, tuple[int, ...]] = {"summer": (6, 7, 8, 9), "winter": (1, 2, 3, 4, 5, 10, 11, 12)}

#: The eight holidays of PG&E's time-of-use tariffs (Electric Schedule E-TOU-D and others), as the package `holidays` names them.
_PGE = (
    *("New Year's Day", "Washington's Birthday", "Memorial Day", "Independence Day"),
    *("Labor Day", "Veterans Day", "Thanksgiving Day", "Christmas Day"),
)


def holiday_dates(holidays: str | Iterable[date | str] | None, years: Iterable[int]) -> Ints:
    """Return the holidays of these years, as days since 1970.

    Parameters
    ----------
    holidays : str or sequence of dates, optional
        ``"US-PGE"`` for the eight of PG&E's time-of-use tariffs, or a country, with or without a subdivision, as the package `holidays`
        knows them (``"US"``, ``"US-CA"``, ``"CA-ON"``); or the dates themselves. None for none.
    years : iterable of int
        Years to look them up for.

    Raises
    ------
    ConfigurationError
        If there is no such calendar, or something is not a date.

    >>> holiday_dates("US-PGE", [2024]).astype("M8[D]").astype(str).tolist()[:3]
    ['2024-01-01', '2024-02-19', '2024-05-27']
    """
    if holidays is None:
        return np.empty(0, dtype="i8")
    found: list[Any]
    if isinstance(holidays, str):
        import holidays as package

        country, _, part = ("US", "", "") if holidays == "US-PGE" else holidays.partition("-")
        try:
            days = package.country_holidays(country, subdiv=part or None, years=list(years), language="en_US")
        except NotImplementedError as error:
            text = f"no holiday calendar is called {holidays!r}"
            raise ConfigurationError(text, hint='Say "US-PGE", "US", "US-CA" ..., or give the dates.') from error
        # one day may be two holidays, and an observed one says so behind its name
        named = {day: {name.partition(" (")[0] for name in names.split("; ")} for day, names in days.items()}
        found = [day for day, names in named.items() if holidays != "US-PGE" or names.intersection(_PGE)]
    else:
        found = [day.date() if isinstance(day, datetime) else day for day in holidays]
    try:
        return np.unique(np.array([np.datetime64(day, "D") for day in found], dtype="M8[D]").astype("i8"))
    except ValueError as error:
        raise ConfigurationError("a holiday is not a date", hint='Write holidays=["2024-07-04", ...].') from error


def weekday(dates: Any) -> Any:
    """Return the day of the week of days since 1970, from 0 for Monday.

    >>> weekday(19907), weekday(19910)
    (2, 5)
    """
    return (dates + 3) % 7  # 1970-01-01 was a Thursday


def day_types(dates: Ints, holidays: str | Iterable[date | str] | None) -> Ints:
    """Return the number of each day's kind in `DAY_TYPES`; a holiday is one also at a weekend.

    >>> [DAY_TYPES[kind] for kind in day_types(np.array([19907, 19908, 19910]), ["2024-07-04"])]
    ['weekday', 'holiday', 'weekend']
    """
    weekend: NDArray[np.bool_] = weekday(dates) >= 5
    if holidays is None or not dates.size:
        return weekend.astype("i8")
    years = dates[[0, -1]].view("M8[D]").astype("M8[Y]").astype("i8") + 1970
    # what is observed on the last day of a year may be the holiday of the next
    return np.where(np.isin(dates, holiday_dates(holidays, range(years[0] - 1, years[1] + 2))), 2, weekend)


def season_of_months(seasons: Mapping[str, Sequence[int]] | None) -> tuple[tuple[str, ...], Ints]:
    """Return the names of seasons, and for each month, from January, the number of its season.

    Raises
    ------
    ConfigurationError
        If a month is in no season or in several.
    """
    chosen = PGE_SEASONS if seasons is None else seasons
    of_month = np.full(12, -1)
    months = [month for held in chosen.values() for month in held]
    if sorted(months) != list(range(1, 13)):
        text = "each month must be in one season"
        raise ConfigurationError(text, hint='For example seasons={"summer": range(6, 10), "winter": [1, 2, 3, 4, 5, 10, 11, 12]}.')
    for number, held in enumerate(chosen.values()):
        of_month[np.asarray(held) - 1] = number
    return tuple(chosen), of_month
