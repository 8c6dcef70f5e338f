"""An hour that is missing, and stands in the interval beside it: meters and exports do so where the clock changes and after an outage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from smd_notebook.checks.rows import DAY, HOUR, SECOND, Floats, Rows, hours, resolution, seconds
from smd_notebook.checks.times import holes, n_missing
from smd_notebook.errors import Finding

__all__ = ["summed"]

#: What there is too much may be two to three halves of what the hole lacks, and must be this many times one of its surroundings.
_LOW, _HIGH, _ABOVE = 2 / 3, 3 / 2, 1.2
#: Days to either side that are compared: the same of other weeks, else those around; how many of them must be there.
_WEEKS, _DAYS, _FEWEST = (7, 14, 21, 28), (1, 2, 3, 4, 5, 6, 7), 5
#: By how many deviations of these it must stand out.
_DEVIATIONS = 4.0
#: Where so much is missing, nothing can be said of what stands beside it.
_MOST = 1000


def summed(rows: Rows) -> Iterator[Finding]:
    """Tell of holes of one interval or one hour beside which there is as much as fits both.

    It must stand out from the intervals around it, and from the same time on other days by just what is missing; so this finds few, and
    what it finds is still only a candidate.
    """
    if rows.measure not in ("energy", "volume"):
        return
    valid = rows.take(~np.isnan(rows.value) & (rows.length > 0))
    before, begins, ends, steps = holes(valid)
    long = ends - begins
    some = (steps > 0) & ((np.abs(long - steps) <= SECOND) | ((np.abs(long - HOUR) <= SECOND) & (steps < HOUR)))
    if some.sum() > _MOST:
        return
    count = resolution(valid.value)
    for row, begin, end, step in zip(*(column[some].tolist() for column in (before, begins, ends, steps)), strict=True):
        many = n_missing(end - begin, step)
        sides = {(row - size + 1, row) for size in (1, many)} | {(row + 1, row + size) for size in (1, many)}
        fits = [
            (last - first, off, first, last)
            for first, last in sides
            if (off := _misfit(valid, first, last, row, begin, end, count)) is not None
        ]
        if not fits:
            continue
        _, _, first, last = min(fits)  # where one interval explains it, the hour that holds it does so as well
        start, stop = min(begin, int(valid.start[first])), max(end, int(valid.end[last]))
        beside = hours(int(valid.end[last] - valid.start[first]))
        text = f"{hours(end - begin)} are missing, and {beside} beside hold as much as fits both; perhaps the one is summed into the other"
        hint = "The total is right then, and the peak there too high. It is a candidate; nothing is changed."
        yield Finding("summed", "info", text, hint, channel=rows.label, start=seconds(start), end=seconds(stop), n=many)


def _misfit(rows: Rows, first: int, last: int, row: int, begin: int, end: int, count: float) -> float | None:
    """Return how far the rows from `first` to `last` are from holding the hole behind `row` as well; None where they do not."""
    if first < 0 or last >= len(rows):
        return None
    start, stop = int(rows.start[first]), int(rows.end[last])
    value = _sum_of(rows, start, stop)
    if value is None:
        return None
    # around both, and as much of it on either side: it must stand out from one of them; from the other it need not, as mornings are steep
    beyond = max(3, 2 * (last - first + 1))
    low, high = min(first, row + 1), max(last, row) + 1
    sides = [slice(max(0, low - beyond), low), slice(high, high + beyond)]
    rates = [float(np.median(rows.value[side] / rows.length[side])) for side in sides if rows.value[side].size]
    if not rates or value / (stop - start) < _ABOVE * min(rates):
        return None
    for days in (_WEEKS, _DAYS):
        shifts = [shift * DAY for day in days for shift in (-day, day)]
        alone = _sums_of(rows, start, stop, shifts)
        both = _sums_of(rows, min(begin, start), max(end, stop), shifts)
        if min(alone.size, both.size) < _FEWEST:
            continue
        usual = float(np.median(alone))
        lacking, excess = float(np.median(both)) - usual, value - usual
        deviation = max(count, 1.4826 * float(np.median(np.abs(alone - usual))))
        fits = lacking > 0 and _LOW <= excess / lacking <= _HIGH and excess >= _DEVIATIONS * deviation
        return abs(float(np.log(excess / lacking))) if fits else None
    return None


def _sums_of(rows: Rows, start: int, end: int, shifts: Sequence[int]) -> Floats:
    """Return the sums of a span on other days, where intervals fill it exactly."""
    return np.array([one for shift in shifts if (one := _sum_of(rows, start + shift, end + shift)) is not None], dtype="f8")


def _sum_of(rows: Rows, start: int, end: int) -> float | None:
    """Return the sum of the rows that fill a span exactly; None where they do not."""
    first, stop = np.searchsorted(rows.start, [start, end]).tolist()
    if first >= stop or rows.start[first] != start or int(rows.length[first:stop].sum()) != end - start or rows.end[stop - 1] != end:
        return None
    return float(rows.value[first:stop].sum())
