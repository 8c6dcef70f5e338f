"""Billing cycles as local days."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis.cycles import cycles_of
from smd_notebook.errors import ConfigurationError

from .tidy import ZONE, regular


def texts(days: np.ndarray) -> list[list[str]]:
    return np.datetime_as_string(days.view("M8[D]")).tolist()


class Billed:
    """A feed that has nothing but bills."""

    def __init__(self, *periods: tuple[str, str]) -> None:
        self.periods = periods

    def bills(self) -> pd.DataFrame:
        start, end = (pd.DatetimeIndex([period[side] for period in self.periods]).tz_localize(ZONE).as_unit("us") for side in (0, 1))
        return pd.DataFrame({"usage_point": "1", "service": "electricity", "start": start, "end": end})


def test_months_of_the_data() -> None:
    cycles = cycles_of("1MS", None)(regular("2024-01-31 23:00", 4, 1.0, length="30min"), ZONE)
    assert texts(cycles) == [["2024-01-01", "2024-01-31"], ["2024-02-01", "2024-02-29"]]
    cycles = cycles_of("1MS", None)(regular("2024-01-31 23:00", 2, 1.0, length="30min"), ZONE)
    assert texts(cycles) == [["2024-01-01", "2024-01-31"]]


def test_dates_of_the_caller() -> None:
    given = [(date(2024, 2, 5), pd.Timestamp("2024-03-04 12:00")), ("2024-01-04", "2024-02-04")]
    assert texts(cycles_of(given, None)(regular("2024-01-01", 1, 1.0), ZONE)) == [
        ["2024-01-04", "2024-02-04"],
        ["2024-02-05", "2024-03-04"],
    ]


def test_periods_of_bills() -> None:
    """An end is exclusive; one that lost an hour to a change of clocks is still midnight."""
    feed = Billed(("2024-02-05", "2024-03-07"), ("2024-03-07", "2024-04-05 01:00"))
    assert texts(cycles_of("bill", feed)(regular("2024-01-01", 1, 1.0), ZONE)) == [
        ["2024-02-05", "2024-03-06"],
        ["2024-03-07", "2024-04-04"],
    ]


@pytest.mark.parametrize(
    ("cycles", "x", "text"),
    [
        ("1W", None, "are not known"),
        ([], None, "there are no cycles"),
        ([("2024-02-01", "2024-01-01")], None, "end before they begin"),
        ([("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")], None, "overlap"),
        (["2024-01-01"], None, "pairs of dates"),
        ([("2024-01-01", "soon")], None, "last day is no date"),
    ],
)
def test_what_is_refused(cycles, x, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        cycles_of(cycles, x)


def test_bills_that_do_not_fit_are_refused() -> None:
    one = regular("2024-01-01", 1, 1.0)
    with pytest.raises(ConfigurationError, match="local midnight"):
        cycles_of("bill", Billed(("2024-02-05 17:00", "2024-03-07 17:00")))(one, ZONE)
    with pytest.raises(ConfigurationError, match="need the bills of a feed"):
        cycles_of("bill", one)(one, ZONE)
    with pytest.raises(ConfigurationError, match="states no billing period"):
        cycles_of("bill", Billed(("2024-02-05", "2024-03-07")))(one.assign(usage_point="2"), ZONE)
