"""When intervals are: gaps, overlaps, duplicates, starts off the step, days that are there in part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from smd_notebook.checks.rows import DAY, HOUR, SECOND, Ints, Rows, commonest, hours, seconds, step_days
from smd_notebook.errors import Finding

__all__ = ["distinct", "duplicates", "edge_days", "gaps", "holes", "lengthless", "off_grid", "overlaps", "successions", "untimed"]

#: All offsets of clocks from UTC are multiples of this [us].
_QUARTER = 900 * SECOND
#: An interval that is a second short leaves no gap [us].
_SLACK = SECOND


def untimed(rows: Rows) -> Iterator[Finding]:
    """Tell of rows without a start, and of a clock that nobody names."""
    if rows.n_untimed:
        text = "intervals have no start or no end, so that they are nowhere in time"
        yield Finding("time-missing", "error", text, "Leave them out.", channel=rows.label, n=rows.n_untimed)
    if not rows.zone:
        text = "nothing says in which time zone it is; days are taken to be those of UTC"
        yield Finding("zone-unknown", "warning", text, "Name it in the column zone.", channel=rows.label)


def lengthless(rows: Rows) -> Iterator[Finding]:
    """Tell of intervals that hold something and have no length; a register is read at a moment, and has none."""
    none = (rows.length <= 0) & ~np.isnan(rows.value) & (rows.value != 0)
    if none.any() and rows.measure != "register":
        text = "intervals hold something and have no length, so that there is no time to give it to"
        hint = "smd.read(..., clock='auto') takes the step where that is proved; else bins are refused until you leave them out."
        yield Finding("zero-length", "error", text, hint, channel=rows.label, **_span(rows, none))


# -- duplicates ------------------------------------------------------------------------------------------------------------------------


def _again(rows: Rows) -> Any:
    """Return which rows are of the same interval as the row before."""
    return np.concatenate([[False] * min(len(rows), 1), (rows.start[1:] == rows.start[:-1]) & (rows.end[1:] == rows.end[:-1])])


def distinct(rows: Rows) -> Rows:
    """Return the first row of each interval."""
    again = _again(rows)
    return rows.take(~again) if again.any() else rows


def duplicates(rows: Rows) -> Iterator[Finding]:
    """Tell of intervals that stand more than once."""
    again = _again(rows)
    if not again.any():
        return
    first = rows.value[~again][np.cumsum(~again) - 1]
    unlike = again & (rows.value != first) & ~(np.isnan(rows.value) & np.isnan(first))
    if (same := again & ~unlike).any():
        text = "rows say an interval again, with the same value; adding them up counts it twice"
        hint = "Keep one of each: frame.drop_duplicates(['usage_point', 'channel', 'start', 'end'])."
        yield Finding("duplicate-same", "warning", text, hint, channel=rows.label, **_span(rows, same))
    if unlike.any():
        text = "rows say an interval again, with another value"
        yield Finding("duplicate-conflict", "warning", text, "Decide which one counts.", channel=rows.label, **_span(rows, unlike))


def _span(rows: Rows, chosen: Any) -> dict[str, Any]:
    """Return start, end and number of some rows, as a finding has them."""
    return {"start": seconds(rows.start[chosen].min()), "end": seconds(rows.end[chosen].max()), "n": int(chosen.sum())}


# -- gaps and overlaps -----------------------------------------------------------------------------------------------------------------


def holes(rows: Rows) -> tuple[Ints, Ints, Ints, Ints]:
    """Return where nothing is between two intervals.

    Returns
    -------
    tuple of array of int64, shape (n_holes,)
        Number of the row before; begin and end of the hole [us]; the step that its intervals had [us], as the intervals to its sides
        have it or most of the channel, 0 where it is not known, as with bills.
    """
    reach = np.maximum.accumulate(rows.end) if len(rows) else rows.end
    before = np.flatnonzero(rows.start[1:] - reach[:-1] > _SLACK)
    begin, end = reach[before], rows.start[before + 1]
    return before, begin, end, _steps(rows, before, end - begin)


def _steps(rows: Rows, before: Ints, hole: Ints) -> Ints:
    if not before.size:
        return before
    days = step_days(rows.length)
    nominal = np.where(days > 0, days * DAY, rows.length)
    usual = commonest(nominal[nominal > 0]) if (nominal > 0).any() else 0
    if usual > DAY and not (days == days[0]).all():
        usual = 0  # bills have as many lengths as months, which tells nothing of how many are missing
    beside = np.minimum(nominal[before], nominal[before + 1])
    known = (beside > 0) & (beside <= DAY)
    whole = np.rint(hole / np.where(known, beside, 1)) * beside
    return np.where(known & (np.abs(hole - whole) <= np.where(beside == DAY, HOUR, _SLACK)), beside, usual)


def n_missing(hole: int, step: int) -> int:
    """Return how many intervals a hole lacks; 1 where the step is not known.

    >>> n_missing(2 * HOUR, 900 * SECOND), n_missing(49 * HOUR, DAY), n_missing(33 * DAY, 0)
    (8, 2, 1)
    """
    return max(1, round(hole / step)) if step else 1


def gaps(rows: Rows) -> Iterator[Finding]:
    """Tell of each stretch of time between two intervals that no interval covers."""
    _, begins, ends, steps = holes(rows)
    for begin, end, step in zip(begins.tolist(), ends.tolist(), steps.tolist(), strict=True):
        yield Finding(
            "gap",
            "warning",
            f"nothing was metered for {hours(end - begin)}",
            "Results say how much is covered; smd.fill closes gaps up to a limit, and flags what it fills.",
            channel=rows.label,
            start=seconds(begin),
            end=seconds(end),
            n=n_missing(end - begin, step),
            value=(end - begin) / HOUR,
        )


def overlaps(rows: Rows) -> Iterator[Finding]:
    """Tell of intervals that begin before an earlier one ends; neighbours in one finding."""
    rows = rows.take(rows.length > 0)
    if len(rows) < 2:
        return
    reach = np.maximum.accumulate(rows.end)
    at = np.flatnonzero(rows.start[1:] < reach[:-1]) + 1
    for some in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
        if not some.size:
            continue
        ends = np.minimum(rows.end[some], reach[some - 1])
        yield Finding(
            "overlap",
            "error",
            f"intervals begin before an earlier one ends: {hours(int((ends - rows.start[some]).sum()))} are there more than once",
            "If clocks are wrong: smd.read(..., clock='auto'). Else decide which counts: smd.resample(..., overlaps='first').",
            channel=rows.label,
            start=seconds(rows.start[some[0]]),
            end=seconds(ends.max()),
            n=int(some.size),
            value=float((ends - rows.start[some]).sum() / HOUR),
        )


# -- the step's grid -------------------------------------------------------------------------------------------------------------------


def off_grid(rows: Rows) -> Iterator[Finding]:
    """Tell of starts that are not on the channel's step, as at hh:00:01; of days and bills, not on a quarter hour of the clock."""
    length = rows.length[rows.length > 0]
    if not length.size:
        return
    usual = commonest(length)
    if HOUR % usual and HOUR % (usual + SECOND) == 0:
        usual += SECOND  # a second short
    step = np.full(len(rows), usual if usual <= HOUR else _QUARTER)
    # where steps are mixed, the shorter ones stand on their own; and some clocks change by half an hour
    own = (rows.length > 0) & (rows.length < step)
    own[own] = HOUR % rows.length[own] == 0
    step[own] = rows.length[own]
    step = np.minimum(step, 2 * _QUARTER)
    largest = int(step.max())
    # all late by an equal while is a grid as well, if the while is one that zones differ by; so is a step that is none of the clock's
    main = commonest(rows.start[step == largest] % largest)
    shift = main if HOUR % largest or main % min(_QUARTER, largest) == 0 else 0
    off = (rows.start - shift) % step
    if (off > 0).any():
        late = commonest(off[off > 0])
        text = f"intervals do not begin on the step of {hours(usual)}, most of them {hours(late)} after it"
        if usual > HOUR:
            text = f"intervals do not begin on a quarter hour of the clock, most of them {hours(late)} after one"
        hint = "Bins take their share of each interval, so that sums are right"
        hint += "; smd.read(..., floor_starts=True) puts them on the grid." if late == SECOND else "."
        yield Finding("off-grid", "info", text, hint, channel=rows.label, **_span(rows, off > 0), value=late / SECOND)


# -- edges -----------------------------------------------------------------------------------------------------------------------------


def edge_days(rows: Rows) -> Iterator[Finding]:
    """Tell of a first and a last local day of which only a part is there, where intervals are shorter than a day."""
    if not len(rows) or commonest(rows.length) >= 22 * HOUR:
        return
    zone = ZoneInfo(rows.zone or "UTC")
    begin, end = seconds(rows.start[0]), -int(-rows.end.max() // SECOND)
    midnight = _midnight(begin, zone, 0)
    next_midnight = _midnight(end - 1, zone, 1)
    for name, start, stop, where in (("first", midnight, begin, "beginning"), ("last", end, next_midnight, "end")):
        if stop - start > 1:
            text = f"the {name} local day lacks {hours((stop - start) * SECOND)} at its {where}"
            hint = "Leave it out of what is counted by day, or ask for min_coverage."
            yield Finding("edge-day", "info", text, hint, channel=rows.label, start=start, end=stop, value=(stop - start) / 3600)


def successions(channels: Sequence[Rows]) -> Iterator[Finding]:
    """Tell of a channel that goes on where another of its kind ended within a day, in another step: the meter was exchanged or set anew."""
    spans = [(rows, commonest(rows.length), int(rows.end.max())) for rows in channels if len(rows)]
    for rows, step, _ in spans:
        for other, before, end in spans:
            alike = all(getattr(rows, name) == getattr(other, name) for name in ("usage_point", "service", "measure", "flow", "unit"))
            if not alike or step == before or not 0 <= int(rows.start[0]) - end <= DAY:
                continue
            text = f"it goes on from {other.label!r}, in steps of {hours(step)} instead of {hours(before)}"
            hint = (
                f"Where days and bills shall span the change, give both one label: frame = feed.tidy(); "
                f"frame['channel'] = frame['channel'].replace({other.label!r}, {rows.label!r})."
            )
            where = seconds(end)
            yield Finding("step-changed", "info", text, hint, channel=rows.label, n=len(rows), start=where, end=seconds(int(rows.start[0])))


def _midnight(second: int, zone: ZoneInfo, later: int) -> int:
    """Return when the local day of an instant begins, or one of the days after it [s]."""
    day = datetime.fromtimestamp(second, zone).date() + timedelta(days=later)
    return int(datetime.combine(day, time(), zone).timestamp())
