"""A channel of a tidy frame as arrays, in order of time, which is what the checks look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smd_notebook.clock import valid_zone
from smd_notebook.errors import UnitError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DAY",
    "HOUR",
    "SECOND",
    "Rows",
    "Runs",
    "commonest",
    "equal_runs",
    "hours",
    "kilowatts",
    "rate_of",
    "resolution",
    "rows_of",
    "seconds",
    "step_days",
    "wall_clock",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SECOND = 1_000_000  # us, in which all times here are
HOUR = 3600 * SECOND
DAY = 24 * HOUR


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one channel that have a start, in order of start and end; arrays have shape (n,).

    Parameters
    ----------
    label : str
        The channel's label, with the number of the usage point where several have a channel of this label.
    usage_point, service, measure, flow, unit, zone : str
        As in the tidy frame; empty where it says nothing.
    start, end : array of int64
        When intervals begin and end [us since 1970-01-01T00:00Z].
    value, cost : array of float64
        As in the tidy frame.
    quality : array of str
        Names of qualities, shape (m,), and in `quality_of`, shape (n,), which of them each row has; -1 for none.
    place : array of int64
        Where each row stands in the frame.
    n_untimed : int
        How many rows have no start.
    """

    label: str
    usage_point: str
    service: str
    measure: str
    flow: str
    unit: str
    zone: str
    start: Ints
    end: Ints
    value: Floats
    cost: Floats
    quality: tuple[str, ...]
    quality_of: Ints
    place: Ints
    n_untimed: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def length(self) -> Ints:
        """How long intervals are [us]."""
        return self.end - self.start

    def take(self, rows: Any) -> Rows:
        """Return some of the rows."""
        columns = {name: getattr(self, name)[rows] for name in ("start", "end", "value", "cost", "quality_of", "place")}
        return Rows(**{**self.__dict__, **columns})

    def with_length(self) -> Rows:
        """Return the same, where most intervals have no length with the spacing of their starts as their length.

        Some utilities write 0 throughout: that is no reason to find a hole behind each interval.
        """
        if not len(self) or 2 * int((self.length <= 0).sum()) <= len(self):
            return self
        spacing: Any = np.diff(np.unique(self.start))
        if not spacing.size:
            return self
        return Rows(**{**self.__dict__, "end": np.where(self.length <= 0, self.start + commonest(spacing), self.end)})


def commonest(values: Ints) -> int:
    """Return the value that occurs most often, the smallest of several."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def step_days(length: Any) -> Any:
    """Return intervals of whole days as days, however long the clock made them; 0 for others.

    >>> step_days(np.array([23, 24, 25, 30 * 24 + 1, 12, 36]) * HOUR).tolist()
    [1, 1, 1, 30, 0, 0]
    """
    days = np.rint(length / DAY).astype(np.int64)
    return np.where(np.abs(length - days * DAY) <= HOUR, days, 0)


def rows_of(frame: pd.DataFrame) -> Iterator[Rows]:
    """Yield each channel of a tidy frame, in order of appearance.

    Raises
    ------
    TimeZoneError
        Where a zone is no IANA name.
    """
    import pandas as pd

    start, end = (np.asarray(pd.DatetimeIndex(frame[name]).as_unit("us").asi8) for name in ("start", "end"))
    known = ~np.asarray(frame["start"].isna() | frame["end"].isna(), dtype=bool)
    value = frame["value"].to_numpy(dtype="float64", na_value=np.nan)
    cost = frame["cost"].to_numpy(dtype="float64", na_value=np.nan) if "cost" in frame.columns else np.full(len(frame), np.nan)
    quality = frame["quality"].astype("category").cat
    names, quality_of = tuple(map(str, quality.categories)), quality.codes.to_numpy().astype(np.int64)
    groups: dict[Any, Any] = dict(frame.groupby(["usage_point", "channel"], sort=False, observed=True, dropna=False).indices)
    points = list(dict.fromkeys(point for point, _ in groups))
    labels = [label for _, label in groups]
    for (point, label), places in groups.items():
        first = frame.iloc[places[0]]
        said = {
            name: "" if name not in frame.columns or pd.isna(first[name]) else str(first[name])
            for name in ("service", "measure", "flow", "unit", "zone")
        }
        if said["zone"]:
            valid_zone(said["zone"])
        here = np.sort(places[known[places]])
        if not (start[here][1:] >= start[here][:-1]).all():
            here = here[np.argsort(start[here], kind="stable")]
        again = start[here][1:] == start[here][:-1]
        if again.any():
            here = here[np.lexsort((end[here], start[here]))]
        yield Rows(
            label=str(label) if labels.count(label) == 1 else f"{label} (meter {points.index(point) + 1})",
            usage_point=str(point),
            **said,
            start=start[here],
            end=end[here],
            value=value[here],
            cost=cost[here],
            quality=names,
            quality_of=quality_of[here],
            place=here,
            n_untimed=len(places) - len(here),
        )


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of rows, each from `first` to `last`, both included; arrays of shape (n_runs,)."""

    first: Ints
    last: Ints

    @property
    def n(self) -> Ints:
        """How many rows each has."""
        return self.last - self.first + 1

    def where(self, chosen: Flags) -> Runs:
        """Return some of the runs."""
        return Runs(self.first[chosen], self.last[chosen])

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield first and last of each."""
        yield from zip(self.first.tolist(), self.last.tolist(), strict=True)


def equal_runs(rows: Rows, kind: npt.NDArray[Any]) -> Runs:
    """Return the stretches of rows that follow each other without a hole and are of one kind."""
    if not len(rows):
        return Runs(np.empty(0, np.int64), np.empty(0, np.int64))
    breaks = (kind[1:] != kind[:-1]) | (np.abs(rows.start[1:] - rows.end[:-1]) > SECOND)
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    return Runs(first, np.append(first[1:], len(rows)) - 1)


def kilowatts(rows: Rows) -> Floats | None:
    """Return mean power [kW], where that is what it is."""
    if rows.measure not in ("energy", "power") or rows.service not in ("electricity", ""):
        return None
    try:
        factor = float(codes.conversion(rows.unit, "kWh" if rows.measure == "energy" else "kW"))
    except UnitError:
        return None
    return rows.value * factor if rows.measure == "power" else rate_of(rows) * factor * HOUR


def rate_of(rows: Rows) -> Floats:
    """Return value per time, or the value where it is a rate already."""
    if rows.measure == "power":
        return rows.value
    length = rows.length.astype("f8")
    rate: Floats = np.divide(rows.value, length, out=np.full(len(rows), np.nan), where=length > 0)
    return rate


def resolution(numbers: Floats) -> float:
    """Return the smallest difference between unlike values, which is what they may have been rounded to; 0 where there is none."""
    levels = np.unique(numbers[~np.isnan(numbers)])
    steps = np.diff(levels)
    steps = steps[steps > 1e-9 * np.abs(levels).max(initial=0)]
    return float(steps.min(initial=np.inf)) if steps.size else 0.0


def wall_clock(instants: Ints, zone: str) -> Ints:
    """Return what the clock on the wall shows at these instants, as if it were UTC [us]."""
    import pandas as pd

    utc = pd.DatetimeIndex(instants.view("M8[us]")).tz_localize("UTC")
    return np.asarray(utc.tz_convert(zone or "UTC").tz_localize(None).as_unit("us").asi8)


def seconds(instant: int | np.int64) -> int:
    """Return an instant as findings have it."""
    return int(instant // SECOND)


def hours(time: int | np.int64) -> str:
    """Say how long something is.

    >>> hours(2 * HOUR), hours(1800 * SECOND), hours(3 * DAY), hours(SECOND)
    ('2 h', '30 min', '3 d', '1 s')
    """
    for unit, name in ((DAY, "d"), (HOUR, "h"), (60 * SECOND, "min")):
        if time >= 2 * unit or (time >= unit and unit < DAY):
            return f"{time / unit:.4g} {name}"
    return f"{time / SECOND:.4g} s"
