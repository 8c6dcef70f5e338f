"""Metrics of a load: load factor, peaks, base load and ratios, each with its definition beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smd_notebook.analysis.calendar import season_of_months
from smd_notebook.analysis.edges import DAY, HOUR, parse, wall_us
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.quantiles import quantiles
from smd_notebook.analysis.series import Days, Series, labelled, local_times, series_of
from smd_notebook.analysis.spread import NEVER, split, sums
from smd_notebook.checks.rows import step_days
from smd_notebook.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["metrics"]


#: Metric, in the order of the rows: its unit (that of the value, the rate, or the one that is named) and what it is, over {interval}.
_DEFINITIONS = {
    "total": ("value", "sum of the valid intervals, split at the edges of the period"),
    "mean": ("rate", "mean rate over the metered time"),
    "max": ("rate", "highest mean rate over {interval}, and when it first began"),
    "min": ("rate", "lowest mean rate over {interval}, and when it first began"),
    "load_factor": ("1", "mean over max, the latter over {interval}"),
    "soft_max": ("rate", "97 % quantile of the rate, weighted by time (VISDOM)"),
    "soft_min": ("rate", "3 % quantile of the rate, weighted by time (VISDOM)"),
    "base_daily_q05": ("rate", "median over days of the day's 5 % quantile of rates above 0 (openenergyid)"),
    "base_near_base": ("rate", "median over days of the day's 2.5 % quantile of the rate (LBNL near-base load)"),
    "base_night": ("rate", "mean rate of intervals that begin from 02:00 to 05:00; high where something is charged at night"),
    "weekend_weekday": ("1", "mean of Saturdays and Sundays over mean of Mondays to Fridays, per day"),
    "night_day": ("1", "mean over days of the mean rate from 01:00 to 05:00 over that from 15:00 to 19:00 (VISDOM)"),
    "summer_winter": ("1", "mean rate from June to September over that of the other months"),
    "days": ("d", "days that are covered enough to count"),
}
_DAILY = ("base_daily_q05", "base_near_base", "weekend_weekday", "night_day", "days")


class _Value(NamedTuple):
    """One number, and what there is to say of it."""

    value: float
    at: int = NEVER  # [us]
    interval: int = NEVER  # [us]


class _Window(NamedTuple):
    """Over how long peaks are averaged, and whether windows begin at any interval or by the clock."""

    name: str
    length: int  # [us]
    sliding: bool


def _window(text: str | None) -> _Window | None:
    if text is None:
        return None
    sliding = str(text).startswith("sliding ")
    length = parse(str(text).removeprefix("sliding ")).step
    if not length:
        raise ConfigurationError(f"demand_window={text!r} is no length of time", hint='For example "30min", or "sliding 30min".')
    return _Window(text, length, sliding)


def metrics(
    x: Feed | pd.DataFrame,
    *,
    period: str | Sequence[datetime | str] | pd.DatetimeIndex = "all",
    demand_window: str | None = None,
    min_coverage: float = 1.0,
) -> pd.DataFrame:
    """Compute what is usually said of a load, each number with its unit, instant, interval, coverage and definition.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned.
    period : str or sequence of times, default "all"
        All there is of each channel, or bins as in `resample`: ``"1MS"``, ``"1YS"``, ``"bill"``, edges ...
    demand_window : str, optional
        Over how long peaks are averaged; by default over one interval. ``"30min"`` begins by the clock, at :00 and :30, as utilities bill;
        ``"sliding 30min"`` begins at any interval. Only windows that are wholly metered count.
    min_coverage : float, default 1
        How much of a day must be covered for it to count in numbers about days; and how much of a bin, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (14 * n_periods_of_all_channels, 10)
        `usage_point`, `channel`, `start` of the period, `metric`, `value` [unit], `unit`, `at` (instant, for extremes), `interval`
        (that peaks and load factor are about), `coverage` (share of the period that the number stands on [1]) and `definition`. Rates are
        in W for electric energy and power, else in the unit per hour. What cannot be computed is missing, not left out.

    Raises
    ------
    ConfigurationError
        If an argument is not understood, or `x` is no tidy frame and not in bins.
    UnitError
        If no channel holds quantities that can be used.

    Notes
    -----
    ``total`` is missing for power, which is not added up. ``load_factor`` is missing where intervals have unlike lengths and no
    `demand_window` gives one. Base loads and ``night_day`` need intervals of an hour or less, numbers about days intervals of a day or
    less. Days are local ones, and `weekend_weekday` knows no holidays.

    References
    ----------
    Price, Methods for analyzing electric load shape and its variability, LBNL-3713E, 2010 (near-base load). Borgeson et al., VISDOM
    (Stanford), ``features-basic.R``: soft extremes, night over day. openenergyid, ``baseload``: daily 5 % quantile.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> table = smd.metrics(smd.sample("lapse2024").select(channel="electricity delivered (1)")).set_index("metric")
    >>> table["value"][["total", "max", "load_factor", "base_daily_q05", "base_night"]].round(6).tolist()
    [12084108.0, 7644.0, 0.179971, 248.0, 1710.288058]
    >>> str(table["at"]["max"]), table["interval"]["load_factor"]
    ('2024-01-05 01:30:00-08:00', Timedelta('0 days 00:15:00'))
    """
    window = _window(demand_window)
    frame, found = series_of(x, "metrics", min_coverage=min_coverage)
    rows: list[tuple[Any, ...]] = []
    sizes = []
    for one in found:
        before = len(rows)
        rows += _channel(one, x, period, window, min_coverage)
        sizes.append(len(rows) - before)
    start, metric, value, unit, at, interval, coverage, definition = zip(*rows, strict=True) if rows else ((),) * 8
    columns = {
        "start": local_times(found, start),
        "metric": pd.Series(metric, dtype="str"),
        "value": np.array(value, dtype="f8"),
        "unit": pd.Series(unit, dtype="str"),
        "at": local_times(found, at),
        "interval": np.array(interval, dtype="i8").view("m8[us]"),
        "coverage": np.array(coverage, dtype="f8"),
        "definition": pd.Series(definition, dtype="str"),
    }
    out = labelled(frame, found, sizes, columns)
    inputs = {"period": parse(period).name if not isinstance(period, str) else period, "channels": len(found), "min_coverage": min_coverage}
    inputs |= {"demand_window": demand_window, "zone": ", ".join(sorted({one.zone for one in found}))}
    return stamp(out, definition="metrics of a load, each by the definition beside it", inputs=inputs)


class _Cut(NamedTuple):
    """The pieces of a channel's intervals, cut at the edges of periods, and what their days say."""

    one: Series
    start: Ints
    length: Ints  # [us]
    value: Floats
    rate: Floats
    native: Ints
    wall: Ints  # what the clock shows at the start of each [us]
    days: Days
    counts: NDArray[np.bool_]  # which days are covered enough
    daily: dict[str, Floats]  # of each day


def _channel(one: Series, x: Any, period: Any, window: _Window | None, min_coverage: float) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a channel."""
    if isinstance(period, str) and period == "all":
        edges, kept = np.array([one.first, one.last]), slice(None)
    else:
        edges, kept = one.edges(x, period)
    row, where = split(one.found, edges)
    begin = np.maximum(one.found.start[row], edges[where])
    length = np.minimum(one.found.end[row], edges[where + 1]) - begin
    whole = (one.found.end - one.found.start)[row]
    value = np.where(length == whole, one.found.value[row], one.found.value[row] * length / whole)
    days = one.days()
    counts = (days.coverage >= min_coverage) & (days.coverage > 0)
    cut = _Cut(one, begin, length, value, one.rate[row], one.found.native[row], wall_us(begin, one.zone), days, counts, {})
    cut.daily.update(_daily(cut))
    peaks = _windows(one, window) if window else None
    bounds = np.searchsorted(where, np.arange(edges.size))
    for number in np.arange(edges.size - 1)[kept].tolist():
        here = slice(int(bounds[number]), int(bounds[number + 1]))
        yield from _period(cut, here, int(edges[number]), int(edges[number + 1]), window, peaks)


def _daily(cut: _Cut) -> dict[str, Floats]:
    """Return numbers of each day; missing where it does not count, or its intervals are too long to tell."""
    one, days = cut.one, cut.days
    n = days.coverage.size
    out = dict.fromkeys(("q05", "near_base", "amount", "night_day"), np.full(n, np.nan))
    if one.longest > DAY + HOUR or not n:
        return out
    rate = one.rate[days.row]
    amount = np.bincount(days.day, weights=rate * (days.length / HOUR), minlength=n)
    out["amount"] = np.where(cut.counts, amount, np.nan)
    if one.longest > HOUR:
        return out
    near = quantiles(rate, days.day, n, [0.025], weights=days.length)[:, 0]
    some = rate > 0
    q05 = quantiles(rate[some], days.day[some], n, [0.05], weights=days.length[some])[:, 0]
    time = wall_us(days.start, one.zone) % DAY
    means = []
    for low, high in ((1, 5), (15, 19)):
        within = (time >= low * HOUR) & (time < high * HOUR)
        weight = np.bincount(days.day[within], weights=days.length[within], minlength=n)
        with np.errstate(invalid="ignore"):
            means.append(np.bincount(days.day[within], weights=(rate * days.length)[within], minlength=n) / weight)
    ratio = np.divide(means[0], means[1], out=np.full(n, np.nan), where=means[1] > 0)
    for name, numbers in (("near_base", near), ("q05", q05), ("night_day", ratio)):
        out[name] = np.where(cut.counts, numbers, np.nan)
    return out


def _windows(one: Series, window: _Window) -> tuple[Ints, Floats]:
    """Return when windows begin that are wholly metered, in order, and the mean rate of each."""
    if not window.sliding:
        edges, _ = one.edges(None, window.name)
        part = sums(one.found, edges, np.nan, additive=one.additive)
        # an interval longer than the window says nothing of what happens within
        whole = (part["coverage"] == 1) & (part["native_interval"] <= np.diff(edges))
        rate = part["value"] * one.factor / np.diff(edges) if one.additive else part["value"] * one.factor
        return edges[:-1][whole], rate[whole]
    lengths = np.unique(one.found.native)
    if lengths.size != 1 or window.length % lengths[0]:
        return np.empty(0, dtype="i8"), np.empty(0)  # nothing that such windows could begin with
    size = int(window.length // lengths[0])
    if one.rate.size < size:
        return np.empty(0, dtype="i8"), np.empty(0)
    # as many intervals as fill the window, and no overlaps: they do so if the last ends when the window does, and none is cut short
    met = np.lib.stride_tricks.sliding_window_view(one.found.end - one.found.start, size).sum(axis=1) == window.length
    whole = met & (one.found.end[size - 1 :] - one.found.start[: met.size] == window.length)
    mean = np.lib.stride_tricks.sliding_window_view(one.rate, size).mean(axis=1)
    return one.found.start[: mean.size][whole], mean[whole]


def _period(
    cut: _Cut, here: slice, first: int, last: int, window: _Window | None, peaks: tuple[Ints, Floats] | None
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one period."""
    one = cut.one
    length, rate = cut.length[here], cut.rate[here]
    covered = int(length.sum())
    coverage = covered / (last - first)
    # a day belongs to the period in which it begins; the first, which may begin before the first interval does, to the first period
    days = slice(*np.searchsorted(np.maximum(cut.days.edges[:-1], one.first), [first, last]).tolist())
    in_days = float((np.diff(cut.days.edges) * cut.days.coverage)[days][cut.counts[days]].sum()) / (last - first)
    found = _values(cut, here, days)
    interval = NEVER
    if peaks is None or window is None:
        native = cut.native[here]
        times, rates = cut.start[here], rate
        if native.size and (native == native[0]).all():
            interval = int(native[0])
        elif native.size and len(set(step_days(native).tolist()) - {0}) == 1 and (step_days(native) > 0).all():
            interval = int(step_days(native)[0]) * DAY  # days are of one length, however long the clock made them
        lengths: Ints = native
    else:
        inside = slice(*np.searchsorted(peaks[0], [first, last]).tolist())
        times, rates = peaks[0][inside], peaks[1][inside]
        interval = window.length
        lengths = np.full(times.size, window.length)
    if rates.size:
        for name, place in (("max", int(rates.argmax())), ("min", int(rates.argmin()))):
            found[name] = _Value(float(rates[place]), int(times[place]), int(lengths[place]))
        if interval != NEVER and found["max"].value > 0:
            found["load_factor"] = _Value(found["mean"].value / found["max"].value, interval=interval)
    said = window.name if window else "one interval"
    for name, (unit, definition) in _DEFINITIONS.items():
        value = found.get(name, _Value(np.nan))
        unit = {"value": one.unit or "", "rate": one.rate_unit}.get(unit, unit)
        share = in_days if name in _DAILY else coverage
        yield first, name, value.value, unit, value.at, value.interval, share, definition.format(interval=said)


def _values(cut: _Cut, here: slice, days: slice) -> dict[str, _Value]:
    """Return the numbers of one period that are no peaks; what cannot be computed is not there."""
    one, length, rate, wall = cut.one, cut.length[here], cut.rate[here], cut.wall[here]
    counts, daily = cut.counts[days], {name: numbers[days] for name, numbers in cut.daily.items()}
    found = {"days": _Value(float(counts.sum()))}

    def mean(some: Any = slice(None)) -> float:
        return float(np.average(rate[some], weights=length[some])) if length[some].size else np.nan

    def ratio(above: float, below: float) -> _Value:
        return _Value(above / below if below > 0 else np.nan)

    if rate.size:
        found["mean"] = _Value(mean())
        if one.additive:
            found["total"] = _Value(float(cut.value[here].sum()))
        low, high = quantiles(rate, np.zeros(rate.size, dtype="i8"), 1, [0.03, 0.97], weights=length)[0]
        found |= {"soft_min": _Value(float(low)), "soft_max": _Value(float(high))}
        summer = (season_of_months(None)[1] == 0)[(wall // DAY).view("M8[D]").astype("M8[M]").astype("i8") % 12]
        found["summer_winter"] = ratio(mean(summer), mean(~summer))
        if one.longest <= HOUR:
            found["base_night"] = _Value(mean((wall % DAY >= 2 * HOUR) & (wall % DAY < 5 * HOUR)))
    if counts.any():
        for name, of_day, combine in (
            ("base_daily_q05", "q05", np.median),
            ("base_near_base", "near_base", np.median),
            ("night_day", "night_day", np.mean),
        ):
            known = daily[of_day][~np.isnan(daily[of_day])]
            if known.size:
                found[name] = _Value(float(combine(known)))
        weekend, amount = cut.days.weekend[days], daily["amount"]
        if (counts & weekend).any() and (counts & ~weekend).any():
            found["weekend_weekday"] = ratio(float(amount[counts & weekend].mean()), float(amount[counts & ~weekend].mean()))
    return found
