"""Bins against polars, and against plain Python with zoneinfo, on a year with both changes of clocks."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from smd_notebook.analysis import resample
from tests.tidy import lapse2024, regular

ZONES = [
    *("America/Los_Angeles", "America/New_York", "America/St_Johns", "America/Santiago", "Europe/Berlin"),
    *("Africa/Casablanca", "Asia/Kathmandu", "Australia/Adelaide", "Australia/Lord_Howe", "Pacific/Chatham"),
]
#: Where another answer is as good, or theirs is not.
APART = {
    ("Australia/Lord_Howe", "1h"): "the clock changes by half an hour; test_bins.py looks at it minute by minute",
    ("Pacific/Chatham", "1h"): "the clock changes at a quarter to the hour; test_bins.py looks at such minute by minute",
    ("America/Santiago", "1D"): "polars gives the day before a midnight that the clock skips too little; plain Python agrees with us",
}
QUARTERS = np.concatenate([lapse2024()["load"]] * 2)[: 366 * 96].astype("f8")


def year(zone: str) -> pd.DataFrame:
    """Return quarter hours of a year, from local midnight."""
    return regular("2024-01-01", len(QUARTERS), QUARTERS, zone=zone)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("bins", "every"), [("1h", "1h"), ("1D", "1d"), ("1W", "1w"), ("1MS", "1mo"), ("1YS", "1y")])
def test_the_same_as_polars(zone, bins, every):
    polars = pytest.importorskip("polars", reason="compares with polars (locks/engines.txt)")
    if (zone, bins) in APART:
        pytest.skip(APART[zone, bins])
    frame = year(zone)
    start = pd.DatetimeIndex(frame["start"]).tz_convert("UTC").tz_localize(None).to_numpy()
    theirs = (
        polars.DataFrame({"start": start, "value": QUARTERS})
        .with_columns(polars.col("start").dt.replace_time_zone("UTC").dt.convert_time_zone(zone))
        .sort("start")
        .group_by_dynamic("start", every=every)
        .agg(polars.col("value").sum(), polars.len().alias("n"))
    )
    ours = resample(frame, bins)
    expected = theirs["start"].dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy().astype("M8[us]")
    assert (pd.DatetimeIndex(ours["start"]).tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[us]") == expected).all()
    assert ours["value"].tolist() == theirs["value"].to_list()
    assert ours["n_intervals"].tolist() == theirs["n"].to_list()


def key(wall: datetime, bins: str) -> tuple[object, ...]:
    """Return what the bin of a wall-clock time is called; an hour that comes twice has two offsets."""
    if bins == "1h":
        return wall.date(), wall.hour, wall.utcoffset()
    if bins == "1W":
        return tuple(wall.isocalendar()[:2])
    return (wall.year, wall.month, wall.day)[: {"1YS": 1, "1MS": 2, "1D": 3}[bins]]


@pytest.mark.parametrize("zone", ZONES)
def test_the_same_as_plain_python(zone):
    frame = year(zone)
    place = ZoneInfo(zone)
    first = datetime(2024, 1, 1, tzinfo=place).astimezone(UTC)
    walls = [(first + number * timedelta(minutes=15)).astimezone(place) for number in range(len(QUARTERS))]
    for bins in ("1h", "1D", "1W", "1MS", "1YS"):
        if bins == "1h" and (zone, bins) in APART:
            continue
        sums: dict[tuple[object, ...], list[float]] = defaultdict(list)
        for wall, value in zip(walls, QUARTERS.tolist(), strict=True):
            sums[key(wall, bins)].append(value)
        ours = resample(frame, bins)
        assert ours["value"].tolist() == [sum(values) for values in sums.values()], bins
        assert ours["n_intervals"].tolist() == [len(values) for values in sums.values()], bins
