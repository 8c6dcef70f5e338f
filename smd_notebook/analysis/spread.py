"""One channel: valid intervals without overlaps, spread evenly over their time and added up in bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smd_notebook.analysis.edges import SECOND, distinct
from smd_notebook.errors import ConfigurationError, SmdError, UnitError
from smd_notebook.espi import codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

NEVER = int(np.iinfo("i8").min)  # NaT


class Intervals(NamedTuple):
    """The valid intervals of one channel in order of time, none of them overlapping: columns of one length."""

    start: Ints  # [us]
    end: Ints  # [us]
    value: Floats  # the quantity, or the power
    flagged: NDArray[np.bool_]
    native: Ints  # length as metered [us]

    def take(self, rows: slice | Ints) -> Intervals:
        """Return some of the rows."""
        return Intervals(self.start[rows], self.end[rows], self.value[rows], self.flagged[rows], self.native[rows])


def check_coverage(min_coverage: float) -> None:
    """Refuse what is no share of the time."""
    if not 0 <= min_coverage <= 1:
        raise ConfigurationError("min_coverage must be between 0 and 1", hint="0.9 asks for nine tenths of the time.")


def clean(given: Intervals, label: str, *, overlaps: str, additive: bool) -> Intervals:
    """Drop missing values, refuse what has no honest meaning, and settle overlaps."""
    long = given.end > given.start
    valid = ~np.isnan(given.value)
    # without a length there is no bin to give it to: harmless where it is 0, else energy would silently be lost
    lost = np.flatnonzero((valid & ~long & (given.value != 0)) | (given.end < given.start))
    if lost.size:
        text = f"{lost.size} interval(s) of {label!r} have no length, the first at {_iso(given.start[lost[0]])}"
        raise SmdError(
            text, hint='smd.read(..., clock="auto") repairs what it can prove; else drop them: frame[frame["end"] > frame["start"]].'
        )
    order = np.flatnonzero(valid & long)
    start = given.start[order]
    if (start[1:] < start[:-1]).any():
        order = order[np.argsort(start, kind="stable")]
    found = given.take(order)
    clash = np.flatnonzero(found.start[1:] < np.maximum.accumulate(found.end)[:-1]) + 1
    if not clash.size:
        return found
    if overlaps != "error":
        return _settle(found, order, overlaps, additive=additive)
    places = "; ".join(f"{_iso(found.start[row])} to {_iso(found.end[row])}" for row in clash[:5])
    more = f" and {clash.size - 5} more" if clash.size > 5 else ""
    raise SmdError(
        f"{clash.size} interval(s) of {label!r} overlap an earlier one: {places}{more}",
        hint='Decide which counts: smd.resample(x, "1h", overlaps="first"), "last" (of the rows) or "mean". If clocks are wrong: '
        'smd.read(..., clock="auto"), with tz="America/Los_Angeles" or another one where the feed states no zone.',
    )


def _settle(found: Intervals, order: Ints, policy: str, *, additive: bool) -> Intervals:
    """Let at each instant the first or last row count, or the mean of all that cover it."""
    length = found.end - found.start
    rate: Floats = found.value / length if additive else found.value
    cuts = distinct(np.concatenate([found.start, found.end]))
    low = np.searchsorted(cuts, found.start)
    row, piece = _spans(low, np.searchsorted(cuts, found.end) - low)
    if policy == "mean":
        depth = np.bincount(piece, minlength=cuts.size - 1)
        kept: Any = np.flatnonzero(depth)
        rate = np.bincount(piece, weights=rate[row], minlength=depth.size)[kept] / depth[kept]
        flagged = (np.bincount(piece, weights=found.flagged[row], minlength=depth.size) > 0)[kept]
        native = np.zeros(depth.size, dtype="i8")
        np.maximum.at(native, piece, found.native[row])
        start, end, native = cuts[kept], cuts[kept + 1], native[kept]
    else:
        winner = np.full(cuts.size - 1, -1)
        ranked = np.argsort(order[row], kind="stable")[:: 1 if policy == "last" else -1]
        winner[piece[ranked]] = row[ranked]  # of several assignments numpy keeps the last
        begin = np.flatnonzero(np.diff(winner, prepend=-2))
        stop = np.append(begin[1:], winner.size)
        kept = winner[begin] >= 0
        row, start, end = winner[begin][kept], cuts[begin[kept]], cuts[stop[kept]]
        rate, flagged, native = rate[row], found.flagged[row], found.native[row]
    return Intervals(start, end, rate * (end - start) if additive else rate, flagged, native)


def _spans(low: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return for runs of `count` integers from `low` the number of the run and the integers, all runs in a row."""
    run = np.repeat(np.arange(count.size), count)
    return run, np.arange(run.size) + np.repeat(low - (np.cumsum(count) - count), count)


def _iso(instant: int) -> str:
    return f"{np.datetime64(int(instant), 'us').astype('M8[s]')}Z"


def watts(service: str | None, measure: str | None, unit: str | None) -> float:
    """Return what turns energy [unit] per hour, or power [unit], into W; missing unless it is electric energy or power."""
    if measure not in ("energy", "power") or unit is None or service not in ("electricity", None):
        return np.nan
    if service is None and not unit.endswith(("Wh", "W")):
        return np.nan  # a heat or gas meter may count Btu
    try:
        return float(codes.conversion(unit, "Wh" if measure == "energy" else "W"))
    except UnitError:
        return np.nan  # apparent or reactive


def split(found: Intervals, edges: Ints) -> tuple[slice | Ints, Ints]:
    """Return which intervals lie in which bins: the rows, one for each bin that an interval touches, and the numbers of the bins."""
    begin = np.searchsorted(edges, found.start, "right") - 1
    if begin.size and begin[0] >= 0 and found.end[-1] <= edges[-1] and (found.end <= edges[begin + 1]).all():
        return slice(None), begin  # each within one bin, as is usual
    begin = np.maximum(begin, 0)
    return _spans(begin, np.maximum(np.minimum(np.searchsorted(edges, found.end, "left"), edges.size - 1) - begin, 0))


def sums(found: Intervals, edges: Ints, factor: float, *, additive: bool) -> dict[str, NDArray[Any]]:
    """Split intervals over bins in proportion to time, and add up."""
    n_bins = edges.size - 1
    row, where = split(found, edges)
    part = found.take(row)
    time = np.minimum(part.end, edges[where + 1]) - np.maximum(part.start, edges[where])
    length = part.end - part.start
    covered: Floats = np.bincount(where, weights=time, minlength=n_bins).astype(
        "f8", copy=False
    )  # exact: microseconds of a century are below 2**53
    n_intervals = np.bincount(where, minlength=n_bins)
    value: Floats
    power: Floats
    mean_power: Floats
    with np.errstate(invalid="ignore"):
        if additive:
            share = np.where(time == length, part.value, part.value * time / length)
            value = np.bincount(where, weights=share, minlength=n_bins).astype("f8")  # integers where there is nothing
            mean_power = value * factor * 3600 * SECOND / covered
            power = part.value * factor * 3600 * SECOND / length
        else:
            value = np.bincount(where, weights=part.value * time, minlength=n_bins) / covered
            mean_power, power = value * factor, part.value * factor
    _check(found, edges, value if additive else value * covered, covered, additive=additive)
    value[covered == 0] = np.nan
    max_power, max_at, native = np.full(n_bins, np.nan), np.full(n_bins, NEVER), np.full(n_bins, NEVER)
    if where.size:
        runs = np.flatnonzero(np.diff(where, prepend=-1))  # bins come in order, as the intervals do
        filled = where[runs]
        native[filled] = np.maximum.reduceat(part.native, runs)
        highest = np.maximum.reduceat(power, runs)
        at = np.flatnonzero(power == np.repeat(highest, np.diff(runs, append=where.size)))[::-1]
        max_power[filled] = highest
        max_at[where[at]] = np.maximum(part.start[at], edges[where[at]])
        # a reading longer than the bin says nothing of the highest power within it
        unknown = native > np.diff(edges)
        max_power[unknown], max_at[unknown] = np.nan, NEVER
    return {
        "start": edges[:-1],
        "end": edges[1:],
        "value": value,
        "mean_power": mean_power,
        "max_power": max_power,
        "max_at": max_at,
        "coverage": covered / np.diff(edges),
        "n_intervals": n_intervals,
        "n_flagged": np.bincount(where, weights=part.flagged, minlength=n_bins).astype("i8"),
        "native_interval": native,
    }


def _check(found: Intervals, edges: Ints, amount: Floats, covered: Floats, *, additive: bool) -> None:
    """Raise unless bins hold the time and the amount that the intervals hold between the first edge and the last."""
    if not found.start.size or edges.size < 2:
        return
    time = length = found.end - found.start
    if found.start[0] < edges[0] or found.end[-1] > edges[-1]:
        time = np.maximum(np.minimum(found.end, edges[-1]) - np.maximum(found.start, edges[0]), 0)
    held = found.value * (time / length) if additive else found.value * time
    put = amount[covered > 0]
    with np.errstate(invalid="ignore"):  # a value too large for a float is infinite, and so are both sums
        off = abs(put.sum() - held.sum())
    # floating-point sums of so many terms may differ in the last digits, and in no more
    if covered.sum() != time.sum() or off > 1e-9 * np.abs(held).sum():
        raise SmdError("the bins do not hold what the intervals hold", hint="This is a fault of smd_notebook: please report it.")
