"""Close gaps by what is around them or by similar days; whatever is filled is flagged, and counted in every later result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.bins import tidy_frame
from smd_notebook.analysis.calendar import weekday
from smd_notebook.analysis.edges import instants, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.checks.rows import DAY, SECOND, Floats, Ints, Rows, commonest, rows_of
from smd_notebook.checks.times import distinct, holes
from smd_notebook.errors import ConfigurationError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smd_notebook.feed import Feed

__all__ = ["fill"]

#: ESPI's own codes for values that are made so (espi:QualityOfReading).
_QUALITY = {"linear": "interpolated", "similar_days": "estimated"}
#: How many days away a similar day may be.
_FAR = 45
#: What every row of a channel has in common.
_COMMON = ("usage_point", "channel", "service", "measure", "flow", "zone", "unit", "currency", "power_of_ten")


class _Filled(NamedTuple):
    """Intervals that were given a value: columns of one length."""

    row: Ints  # of the frame: its own, or the one that a new interval follows
    new: Any  # whether it had no row
    start: Ints  # [us]
    end: Ints  # [us]
    value: Floats


def fill(
    x: Feed | pd.DataFrame,
    method: Literal["linear", "similar_days"] = "linear",
    *,
    limit: str | pd.Timedelta = "2h",
    days: int = 5,
) -> pd.DataFrame:
    """Close gaps, and flag what is filled.

    Nothing else in this package fills anything, and values that are there are never changed. A gap is filled as a whole or not at all.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_intervals, n_columns)
        Tidy intervals of energy, power or volume; other channels stay as they are.
    method : {"linear", "similar_days"}, default "linear"
        On a straight line between the rates of the intervals before and after; or the mean of the same time of day on the nearest days of
        the same kind, weekdays or weekends, within 45 days.
    limit : str or Timedelta, default "2h"
        Gaps that are longer stay.
    days : int, default 5
        How many similar days are averaged. Where the data hold fewer, these are; a gap that some interval has no similar day for stays.

    Returns
    -------
    DataFrame, shape (n_intervals + n_filled, n_columns)
        The same rows, and after the row before each gap that was closed its new rows: `value` [unit], `quality` ``"interpolated"``
        (linear) or ``"estimated"`` (similar days). Rows that had no value get one, and that quality. `resample` counts them in `n_flagged`.

    Raises
    ------
    ConfigurationError
        Where `x` is no tidy frame, or an argument is not understood.
    TimeZoneError
        Where times have no zone, or one that is not known.

    Notes
    -----
    Gaps are those of `smd_notebook.check` that are a multiple of the step of the intervals beside them; what the data begin or end with
    is none. Days of 23 and 25 hours are filled with so many; a day of daily readings gets the mean rate times its own length.

    References
    ----------
    NAESB REQ.21 (ESPI) QualityOfReading: 8 estimated, using a reference day; 9 interpolated.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> frame = smd.sample("lapse2024").select(channel="electricity delivered (1)").tidy()
    >>> filled = smd.fill(frame.drop(index=range(8, 12)))
    >>> len(filled), filled["quality"].iloc[7:13].tolist()
    (35136, ['revenue_quality', 'interpolated', 'interpolated', 'interpolated', 'interpolated', 'revenue_quality'])
    >>> smd.resample(filled, "1YS")["n_flagged"].item()
    4
    """
    if method not in _QUALITY:
        raise ConfigurationError(f"method={method!r} is not known", hint='Say "linear" or "similar_days".')
    if days < 1:
        raise ConfigurationError(f"days={days!r} is no number of days", hint="How many similar days are averaged: 1 or more.")
    frame = tidy_frame(x, untimed=True)
    longest = _microseconds(limit)
    parts = []
    for rows in rows_of(frame):
        if rows.measure in ("energy", "power", "volume"):
            parts += list(_closed(distinct(rows), method, longest, days))
    filled = _inserted(frame, parts, _QUALITY[method])
    inputs = {"method": method, "limit": str(limit), "filled": sum(len(part.row) for part in parts)}
    inputs |= {"days": days} if method == "similar_days" else {}
    return stamp(filled, definition="intervals with gaps filled, flagged by quality", inputs=inputs)


def _microseconds(limit: Any) -> int:
    try:
        time = pd.Timedelta(limit)
        if not time > pd.Timedelta(0):
            raise ValueError  # NaT as well
    except ValueError:
        raise ConfigurationError(f"limit={limit!r} is no length of time", hint='For example limit="2h" or "3D".') from None
    return int(time.total_seconds() * SECOND)


# -- which intervals -------------------------------------------------------------------------------------------------------------------


def _closed(rows: Rows, method: str, longest: int, days: int) -> Iterator[_Filled]:
    """Yield what closes each gap of a channel that can be closed."""
    valid = rows.take(~np.isnan(rows.value) & (rows.length > 0))
    before, begins, ends, steps = holes(valid)
    blank = rows.take(np.isnan(rows.value))
    usual = commonest(valid.length) if len(valid) else 1
    table = None
    for row, begin, end, step in zip(before.tolist(), begins.tolist(), ends.tolist(), steps.tolist(), strict=True):
        # something that overlaps the gap's edge leaves no rate to go by
        if not step or end - begin > longest or valid.end[row] != begin:
            continue
        edges = _edges(begin, end, step, valid.zone)
        if edges is None:
            continue
        start, stop = edges[:-1], edges[1:]
        if method == "linear":
            value: Any = _line(valid, row, start, stop, usual)
        else:
            table = table or _Table.of(valid, usual)
            value = table.mean(start, stop, days)
        if value is None:
            continue
        part = _placed(blank, int(valid.place[row]), start, stop, value)
        if part is not None:
            yield part


def _edges(begin: int, end: int, step: int, zone: str) -> Ints | None:
    """Return where the intervals of a gap begin, and its end; None where it holds no whole number of them."""
    if step % DAY == 0:  # as long as local days are
        wall = wall_us(np.array([begin, end]), zone or "UTC")
        if (wall[1] - wall[0]) % step:
            return None
        return np.concatenate([[begin], instants(np.arange(wall[0] + step, wall[1], step), zone or "UTC")[0], [end]]).astype(np.int64)
    return np.arange(begin, end + 1, step) if (end - begin) % step == 0 else None


def _placed(blank: Rows, after: int, start: Ints, end: Ints, value: Floats) -> _Filled | None:
    """Return which rows of the frame are filled and which are new; None where rows without a value lie across these intervals."""
    low, high = np.searchsorted(blank.start, [start[0], end[-1]]).tolist()
    if low and blank.end[low - 1] > start[0]:
        return None
    own = np.full(len(start), after)
    new = np.ones(len(start), dtype=bool)
    for number in range(low, high):
        at = int(np.searchsorted(start, blank.start[number]))
        if at == len(start) or start[at] != blank.start[number] or end[at] != blank.end[number]:
            return None
        own[at], new[at] = blank.place[number], False
    # a new interval follows the one before it, where that has a row
    latest = np.maximum.accumulate(np.where(new, -1, np.arange(len(start))))
    return _Filled(np.where(latest >= 0, own[latest], after), new, start, end, value)


# -- values ----------------------------------------------------------------------------------------------------------------------------


def _line(rows: Rows, row: int, start: Ints, end: Ints, usual: int) -> Floats:
    """Return values on the straight line between the rates before and after, taken at the middles of intervals."""
    beside = np.array([row, row + 1])
    rate = rows.value[beside] / _times(rows.measure, rows.end[beside] - rows.start[beside], usual)
    middle = (rows.start[beside] + rows.end[beside]) / 2
    found: Floats = np.interp((start + end) / 2, middle, rate) * _times(rows.measure, end - start, usual)
    return found


def _times(measure: str, length: Ints, usual: int) -> Any:
    """Return what a rate is multiplied by to make a value: how often the usual interval goes into each, so that it is 1 for most."""
    return np.ones(len(length)) if measure == "power" else length / usual


class _Table(NamedTuple):
    """A channel's intervals by time of day, then by local day."""

    slot: Ints  # time of day that each begins at [us], in order
    day: Ints  # days since 1970, in order for each time of day
    rate: Floats
    measure: str
    zone: str
    usual: int

    @classmethod
    def of(cls, rows: Rows, usual: int) -> _Table:
        """Return the intervals that were measured: guesses are not made of guesses."""
        some = rows.take(np.array([name in codes.MEASURED for name in rows.quality] + [True])[rows.quality_of])
        zone = some.zone or "UTC"
        wall = wall_us(some.start, zone)
        day, slot, rate = wall // DAY, wall % DAY, some.value / _times(some.measure, some.length, usual)
        order = np.lexsort((day, slot))
        return cls(slot[order], day[order], rate[order], some.measure, zone, usual)

    def mean(self, start: Ints, end: Ints, days: int) -> Floats | None:
        """Return the mean of the nearest similar days for each interval; None where one has none."""
        wall, times = wall_us(start, self.zone), _times(self.measure, end - start, self.usual)
        value = np.empty(len(start))
        for number, (day, slot) in enumerate(zip((wall // DAY).tolist(), (wall % DAY).tolist(), strict=True)):
            here = slice(*np.searchsorted(self.slot, [slot, slot + 1]).tolist())
            there, rates = self.day[here], self.rate[here]
            similar = (np.abs(there - day) <= _FAR) & ((weekday(there) >= 5) == (weekday(day) >= 5)) & (there != day)
            # an hour that the clock shows twice counts as one day, with the mean of both
            other, of = np.unique(there[similar], return_inverse=True)
            if not other.size:
                return None
            rate = np.bincount(of, weights=rates[similar]) / np.bincount(of)
            nearest = np.lexsort((other, np.abs(other - day)))[:days]
            value[number] = float(rate[nearest].mean()) * times[number]
        return value


# -- the frame -------------------------------------------------------------------------------------------------------------------------


def _inserted(frame: pd.DataFrame, parts: list[_Filled], quality: str) -> pd.DataFrame:
    """Return the frame with filled rows, new ones behind the row that they follow."""
    out = frame.copy()
    if not parts:
        return out
    row, new, start, end, value = (np.concatenate([part[number] for part in parts]) for number in range(5))
    kind = out["quality"].copy()
    if isinstance(kind.dtype, pd.CategoricalDtype) and quality not in kind.cat.categories:
        kind = kind.cat.add_categories([quality])
    kind.iloc[row[~new]] = quality
    values = out["value"].to_numpy(dtype="float64", na_value=np.nan).copy()
    values[row[~new]] = value[~new]
    out["quality"], out["value"] = kind, values
    if "raw_value" in out.columns:
        out["raw_value"] = out["raw_value"].astype("Int64")  # a filled interval has none
    added = out.iloc[row[new]][[name for name in _COMMON if name in out.columns]]
    more: dict[str, Any] = {}
    for name, times in (("start", start[new]), ("end", end[new])):
        index = pd.DatetimeIndex(frame[name])
        more[name] = pd.DatetimeIndex(times.view("M8[us]")).as_unit(index.unit).tz_localize("UTC").tz_convert(index.tz)
    if "duration" in out.columns:
        more["duration"] = pd.Series((end - start)[new].view("m8[us]")).astype(out["duration"].dtype).array
    more["value"], more["quality"] = value[new], pd.Series([quality] * len(added), index=added.index, dtype=kind.dtype)
    # of what else there is, such as a cost, nothing is known: that is left out, and so missing
    together = pd.concat([out, added.assign(**more)], ignore_index=True)
    first = np.full(len(out), np.iinfo("i8").min)
    order = np.lexsort((np.concatenate([first, start[new]]), np.concatenate([np.arange(len(out)), row[new]])))
    done: pd.DataFrame = together.iloc[order].reset_index(drop=True)
    return done
