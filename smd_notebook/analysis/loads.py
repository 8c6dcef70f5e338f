"""Loads without the time of day: duration curves, ramps, and how far the peaks of several meters coincide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.edges import HOUR, distinct
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.series import Series, labelled, local_times, metered, rate_units, series_of
from smd_notebook.analysis.spread import NEVER
from smd_notebook.errors import ConfigurationError, UnitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["coincidence", "duration_curve", "ramps"]


def duration_curve(x: Feed | pd.DataFrame, *, min_coverage: float = 1.0) -> pd.DataFrame:
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
    return stamp(out, definition="load duration curve: time for which a load was reached or exceeded", inputs=metered(found))


def ramps(x: Feed | pd.DataFrame, *, min_coverage: float = 1.0) -> pd.DataFrame:
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
    columns = {
        "metric": pd.Series(metric, dtype="str"),
        "value": np.array(value, dtype="f8"),
        "per_hour": np.array(per_hours, dtype="f8"),
        "unit": pd.Series(unit, dtype="str"),
        "at": local_times(found, [NEVER if time is None else time for time in at_]),
        "interval": np.array([NEVER if length is None else length for length in interval], dtype="i8").view("m8[us]"),
        "n": np.array(n, dtype="i8"),
    }
    out = labelled(frame, found, sizes, columns)
    text = "differences of the rate between intervals of equal length that follow each other without a gap"
    return stamp(out, definition=text, inputs=metered(found))


def coincidence(x: Feed | pd.DataFrame, *, min_share: float = 1.0, min_coverage: float = 1.0) -> pd.DataFrame:
    """Say how far the peaks of several meters coincide: coincident power, coincidence factor and diversity factor.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals of one length and alignment, or what `resample` returned; every channel counts as a meter.
    min_share : float, default 1
        Share of the meters that must be valid at an instant for it to count [1].
    min_coverage : float, default 1
        How much of a bin must be covered for it to count, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (2 * n_channels + 4, 8)
        For each channel its ``own_max`` and its ``coincident`` rate when the group was highest; then, with `usage_point` and `channel`
        ``"all"``, ``group_max``, ``sum_of_max``, ``coincidence_factor`` and ``diversity_factor``. Columns `usage_point`, `channel`,
        `metric`, `value` [unit], `unit`, `at`, `interval` and `coverage` (share of the time, from the first interval of any to the last,
        that counts [1]). What cannot be computed is missing.

    Raises
    ------
    ConfigurationError
        If there are fewer than two channels, or an argument is not understood.
    UnitError
        If intervals do not line up, or rates are of unlike units.

    Notes
    -----
    The coincidence factor is the highest sum over the sum of the highest, max_t(sum_i W_i(t)) / sum_i(max_t W_i(t)); the diversity factor
    is its inverse. Both sides look at the same instants: those at which at least `min_share` of the meters are valid; below 1, the sum is
    of those that are. Like load factors, they depend on the length of the interval. Mind the flows: delivered and received energy of one
    meter are two channels.

    References
    ----------
    International Electrotechnical Vocabulary, IEC 60050-691: coincidence factor, diversity factor.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> import pandas as pd
    >>> home = smd.sample("lapse2024").select(channel="electricity delivered (1)").tidy()
    >>> later = home.assign(usage_point="2", value=home["value"].to_numpy()[::-1])
    >>> table = smd.analysis.coincidence(pd.concat([home, later])).set_index("metric")
    >>> table["value"][["group_max", "coincidence_factor"]].round(4).tolist()
    [15264.0, 0.9984]
    """
    check_share(min_share)
    frame, found = series_of(x, "coincidence", min_coverage=min_coverage)
    if len(found) < 2:
        raise ConfigurationError("coincidence needs two channels or more", hint="Put the meters into one frame: pd.concat([...]).")
    if len({one.rate_unit for one in found}) > 1:
        raise UnitError("rates of unlike units have no sum", hint="Select channels of one service first.")
    times, length, matrix = aligned(found)
    valid = ~np.isnan(matrix)
    counts = valid.sum(axis=0) >= min_share * len(found) - 1e-9
    matrix, times, length = matrix[:, counts], times[counts], length[counts]
    group = highest(times, length, np.nansum(matrix, axis=0), found)
    own, own_at = own_peaks(times, matrix)
    names = labelled(frame, found, [2] * len(found), {})
    out = peaks_table(names, found, own, own_at, rates_at(matrix, group.place), group)
    inputs = {"channels": len(found), "min_share": min_share}
    return stamp(out, definition="coincidence of peaks: the highest sum over the sum of the highest", inputs=inputs)


def check_share(min_share: float) -> None:
    """Refuse what is no share of the meters.

    Raises
    ------
    ConfigurationError
        If it is none.
    """
    if not 0 < min_share <= 1:
        raise ConfigurationError("min_share must be above 0 and at most 1", hint="0.9 asks for nine tenths of the meters.")


class Group(NamedTuple):
    """The highest sum of a group: where it is among the instants, its rate, start and length [us], and which share of the time counts."""

    place: int | None
    peak: float
    at: int
    interval: int
    coverage: float


def aligned(found: Sequence[Series]) -> tuple[Ints, Ints, Floats]:
    """Return the starts [us] that any of the series has, the lengths of the intervals there, and the rates, missing where one has none.

    Raises
    ------
    UnitError
        If the intervals do not line up.
    """
    times = distinct(np.concatenate([one.found.start for one in found]))
    length = np.zeros(times.size, dtype="i8")
    matrix = np.full((len(found), times.size), np.nan)
    for row, one in enumerate(found):
        place = np.searchsorted(times, one.found.start)
        matrix[row, place] = one.rate
        length[place] = np.maximum(length[place], one.found.native)
    if any((length[np.searchsorted(times, one.found.start)] != one.found.native).any() for one in found):
        raise unlike()
    check_apart(times, length)
    return times, length, matrix


def check_apart(times: Ints, length: Ints) -> None:
    """Refuse intervals of which one begins within another.

    Raises
    ------
    UnitError
        If there are such.
    """
    if (times[1:] < (times + length)[:-1]).any():
        raise unlike()


def unlike() -> UnitError:
    """Return the error for intervals that do not line up."""
    text = "the intervals do not line up: they differ in length or start"
    return UnitError(
        text, hint='Bring them to one step first: smd.resample(x, "1h"), or bins="1h" of a cohort; days of several zones never do.'
    )


def highest(times: Ints, length: Ints, sums: Floats, found: Sequence[Series]) -> Group:
    """Return the highest of sums at some instants."""
    elapsed = max(one.last for one in found) - min(one.first for one in found)
    coverage = float(length.sum()) / elapsed if elapsed else np.nan
    if not times.size:
        return Group(None, np.nan, NEVER, NEVER, coverage)
    peak = int(sums.argmax())
    return Group(peak, float(sums[peak]), int(times[peak]), int(length[peak]), coverage)


def rates_at(matrix: Floats, place: int | None) -> Floats:
    """Return the rate of each row at one of the instants."""
    return np.full(len(matrix), np.nan) if place is None else matrix[:, place]


def own_peaks(times: Ints, matrix: Floats) -> tuple[Floats, Ints]:
    """Return the highest rate of each row, and when it was [us]; missing where a row has none."""
    own, own_at = np.full(len(matrix), np.nan), np.full(len(matrix), NEVER)
    some = ~np.isnan(matrix).all(axis=1)
    places = np.nanargmax(matrix[some], axis=1) if times.size else np.empty(0, dtype="i8")
    own[some], own_at[some] = matrix[some, places], times[places]
    return own, own_at


def peaks_table(names: pd.DataFrame, found: Sequence[Series], own: Floats, own_at: Ints, top: Floats, group: Group) -> pd.DataFrame:
    """Return what `coincidence` returns: each meter's own peak, its rate at the peak of the group, and that; `names` are two rows each."""
    together = float(own.sum()) if not np.isnan(own).any() else np.nan  # one that has no maximum leaves none for all
    factor = group.peak / together if together > 0 else np.nan
    unit = found[0].rate_unit
    rows: list[tuple[str, float, str, int]] = []
    for mine, mine_at, then in zip(own, own_at, top, strict=True):
        rows += [("own_max", mine, unit, mine_at), ("coincident", then, unit, group.at)]
    rows += [("group_max", group.peak, unit, group.at), ("sum_of_max", together, unit, NEVER)]
    rows += [("coincidence_factor", factor, "1", NEVER), ("diversity_factor", 1 / factor if factor > 0 else np.nan, "1", NEVER)]
    metric, value, units, when = zip(*rows, strict=True)
    columns: dict[str, Any] = {
        "metric": pd.Series(metric, dtype="str"),
        "value": np.array(value, dtype="f8"),
        "unit": pd.Series(units, dtype="str"),
        "at": local_times(found, when),
        "interval": np.full(len(rows), group.interval).view("m8[us]"),
        "coverage": np.full(len(rows), group.coverage),
    }
    everybody = pd.DataFrame({"usage_point": ["all"] * 4, "channel": ["all"] * 4}).astype(names.dtypes)
    return pd.concat([names, everybody], ignore_index=True).assign(**columns)
