"""Loads as they are, without the time of day: duration curves, ramps, and how far the peaks of several meters coincide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.series import HOUR, labelled, local_times, rate_units, series_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["duration_curve", "ramps"]


def duration_curve(x: Any, *, min_coverage: float = 1.0) -> pd.DataFrame:
    """Say for how long each load was reached or exceeded: the load duration curve.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    min_coverage : float, default 1
        How much of a bin must be covered for it to count, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (n_valid_intervals, 8)
        `usage_point`, `channel`, `load` [unit] from the highest to the lowest, `unit` (W for electric energy and power, else the unit
        per hour), `duration` of the interval, `hours` [h] and `share` [1] of the metered time in which the load was this or more, and
        `start` of the interval. Of equal loads the earliest comes first.

    Raises
    ------
    UnitError
        If no channel holds quantities that have a rate.
    ConfigurationError
        If `x` is no tidy frame and not in bins.

    Notes
    -----
    Each interval weighs as much as it is long, so that streams of mixed lengths are right. Time that was not metered has no load: shares
    are of the valid time, which the passport holds as coverage of the whole.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> curve = smd.analysis.duration_curve(smd.sample("lapse2024").select(channel="electricity delivered (1)"))
    >>> curve["load"].iloc[[0, -1]].tolist(), float(curve.loc[curve["share"] >= 0.5, "load"].iloc[0])
    ([7644.0, 240.0], 400.0)
    """
    frame, found = series_of(x, "a duration curve", min_coverage=min_coverage)
    parts: dict[str, list[Any]] = {name: [] for name in ("load", "duration", "hours", "share", "start")}
    for one in found:
        order = np.argsort(-one.rate, kind="stable")
        length = (one.found.end - one.found.start)[order]
        time = np.cumsum(length)  # exact: integers
        parts["load"].append(one.rate[order])
        parts["duration"].append(length)
        parts["hours"].append(time / HOUR)
        parts["share"].append(time / time[-1] if time.size else time.astype("f8"))
        parts["start"].append(one.found.start[order])
    sizes = [load.size for load in parts["load"]]
    joined: dict[str, Any] = {name: np.concatenate(some) if some else np.empty(0) for name, some in parts.items()}
    columns = {
        "load": joined["load"],
        "unit": rate_units(found, sizes),
        "duration": joined["duration"].astype("i8").view("m8[us]"),
        "hours": joined["hours"],
        "share": joined["share"],
        "start": local_times(found, joined["start"]),
    }
    out = labelled(frame, found, sizes, columns)
    metered, elapsed = int(joined["duration"].sum()), sum(one.last - one.first for one in found)
    inputs = {"channels": len(found), "coverage": round(metered / elapsed, 9) if elapsed else None}
    return stamp(out, definition="load duration curve: time for which a load was reached or exceeded", inputs=inputs)


def ramps(x: Any, *, min_coverage: float = 1.0) -> pd.DataFrame:
    """Say how fast load changes from one interval to the next.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    min_coverage : float, default 1
        How much of a bin must be covered for it to count, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (5 * n_channels_and_lengths, 9)
        `usage_point`, `channel`, `metric` (``"max_up"``, ``"max_down"``, ``"p5"``, ``"p95"``, ``"mean_abs"``), `value` [unit per interval],
        `per_hour` [unit per hour], `unit` (W for electric energy and power, else the unit per hour), `at` (when the higher or lower
        interval begins, for the extremes), `interval`, and `n` ramps. A channel of mixed interval lengths has five rows for each length.

    Raises
    ------
    UnitError
        If no channel holds quantities that have a rate.
    ConfigurationError
        If `x` is no tidy frame and not in bins.

    Notes
    -----
    A ramp is the difference between two valid intervals of equal length, of which one ends when the other begins. Across a gap there is
    none. Without a rise (or fall) `max_up` (`max_down`) is the least fall (rise). Quantiles are linear between values.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> table = smd.analysis.ramps(smd.sample("lapse2024").select(channel="electricity delivered (1)"))
    >>> table[["metric", "value", "per_hour", "n"]].head(1).to_dict("records")
    [{'metric': 'max_up', 'value': 7392.0, 'per_hour': 29568.0, 'n': 35135}]
    """
    frame, found = series_of(x, "ramps", min_coverage=min_coverage)
    rows: list[tuple[Any, ...]] = []
    sizes = []
    for one in found:
        start, end, native = one.found.start, one.found.end, one.found.native
        joint = np.flatnonzero((start[1:] == end[:-1]) & (native[1:] == native[:-1]))
        step = (one.rate[1:] - one.rate[:-1])[joint]
        before = len(rows)
        for length in np.unique(native[joint]).tolist() or [0]:
            here = native[joint] == length
            steps, at = step[here], start[1:][joint][here]
            times: list[int | None] = [None] * 5
            numbers = [np.nan] * 5
            if steps.size:
                up, down = int(steps.argmax()), int(steps.argmin())
                numbers = [steps[up], steps[down], *np.quantile(steps, [0.05, 0.95]), np.abs(steps).mean()]
                times[:2] = int(at[up]), int(at[down])
            names = ("max_up", "max_down", "p5", "p95", "mean_abs")
            for name, number, time in zip(names, numbers, times, strict=True):
                per_hour = number * HOUR / length if length else np.nan
                rows.append((name, float(number), per_hour, one.rate_unit, time, length or None, steps.size))
        sizes.append(len(rows) - before)
    metric, value, per_hours, unit, at_, interval, n = zip(*rows, strict=True) if rows else ((),) * 7
    never = np.iinfo("i8").min
    columns = {
        "metric": pd.Series(metric, dtype="str"),
        "value": np.array(value, dtype="f8"),
        "per_hour": np.array(per_hours, dtype="f8"),
        "unit": pd.Series(unit, dtype="str"),
        "at": local_times(found, [never if time is None else time for time in at_]),
        "interval": np.array([never if length is None else length for length in interval], dtype="i8").view("m8[us]"),
        "n": np.array(n, dtype="i8"),
    }
    out = labelled(frame, found, sizes, columns)
    text = "differences of the rate between intervals of equal length that follow each other without a gap"
    return stamp(out, definition=text, inputs={"channels": len(found)})
