"""Billing cycles as local days: calendar months, dates that the caller gives, or the periods of the feed's own bills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.billing import billing_periods
from smd_notebook.analysis.edges import DAY, check_zone, utc_us, wall_us
from smd_notebook.analysis.schedules import as_date, day_number
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["cycles_of"]

#: Bills begin and end at midnight; what is this near to one means it (an hour is lost where a duration forgets a change of clocks).
_NEAR = 7_200_000_000  # us


def cycles_of(cycles: str | Sequence[tuple[Any, Any]], x: Any) -> Callable[[pd.DataFrame, str], Ints]:
    """Read what a caller wrote for `cycles`.

    Parameters
    ----------
    cycles : str or sequence of (first, last)
        ``"1MS"``, ``"bill"``, or inclusive local dates.
    x : Feed or DataFrame
        What is billed; a Feed where the periods are those of its bills.

    Returns
    -------
    callable
        For the intervals of a usage point and its zone the first and last days, as days since 1970, shape (n_cycles, 2).

    Raises
    ------
    ConfigurationError
        If they are not understood, go backwards or overlap, or there are none.

    Examples
    --------
    >>> cycles_of([("2024-01-01", "2024-01-31")], None)(None, "UTC").tolist()
    [[19723, 19753]]
    """
    if isinstance(cycles, str):
        if cycles == "1MS":
            return _months
        if cycles != "bill":
            raise ConfigurationError(f"cycles {cycles!r} are not known", hint='Use "1MS", "bill", or a list of (first, last) dates.')
        return lambda one, zone: _billed(x, one, zone)
    try:
        given = [
            (day_number(as_date(first, "a cycle's first day")), day_number(as_date(last, "a cycle's last day"))) for first, last in cycles
        ]
    except (TypeError, ValueError):
        raise ConfigurationError("cycles are pairs of dates", hint='For example [("2026-03-05", "2026-04-06")], both inclusive.') from None
    days = _checked(np.array(sorted(given), dtype="i8").reshape(-1, 2))
    return lambda *_: days


def _checked(days: Ints) -> Ints:
    if not days.size:
        raise ConfigurationError("there are no cycles", hint='For example cycles="1MS".')
    if (days[:, 1] < days[:, 0]).any() or (days[1:, 0] <= days[:-1, 1]).any():
        text = "cycles end before they begin, or overlap"
        raise ConfigurationError(text, hint="Both dates are inclusive: the next cycle begins on the day after.")
    return days


def _months(one: pd.DataFrame, zone: str) -> Ints:
    """Return the calendar months that intervals lie in."""
    span = np.array([utc_us(one["start"]).min(), utc_us(one["end"]).max() - 1])
    month = (wall_us(span, zone) // DAY).view("M8[D]").astype("M8[M]").astype("i8")
    first = np.arange(month[0], month[1] + 2).view("M8[M]").astype("M8[D]").astype("i8")
    return np.stack([first[:-1], first[1:] - 1], axis=1)


def _billed(x: Any, one: pd.DataFrame, zone: str) -> Ints:
    """Return the periods of the bills of a usage point, as whole local days."""
    begin, end = billing_periods(x, str(one["usage_point"].iloc[0]), "electricity")
    wall = wall_us(np.stack([begin, end], axis=1).ravel(), check_zone(zone))
    day = (wall + DAY // 2) // DAY
    if (np.abs(wall - day * DAY) > _NEAR).any():
        text = "bills do not begin and end at local midnight, so that their days are not known"
        raise ConfigurationError(text, hint='The clock may be wrong: smd.read(..., clock="auto"). Or give cycles as (first, last) dates.')
    return _checked(np.stack([day[0::2], day[1::2] - 1], axis=1))
