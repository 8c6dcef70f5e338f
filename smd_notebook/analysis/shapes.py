"""The shape of each day: base, peak, how long load is high, how fast it gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smd_notebook.analysis.edges import HOUR
from smd_notebook.analysis.passport import stamp
from smd_notebook.analysis.quantiles import quantiles
from smd_notebook.analysis.series import Series, labelled, rate_units, series_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smd_notebook.feed import Feed

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

__all__ = ["shape_metrics"]

_COLUMNS = ("near_base", "near_peak", "base_peak_ratio", "high_duration", "high_span", "rise_time", "fall_time", "coverage")


def shape_metrics(x: Feed | pd.DataFrame, *, min_coverage: float = 0.9) -> pd.DataFrame:
    """Describe the shape of each local day by LBNL's load shape metrics.

    Parameters
    ----------
    x : Feed or DataFrame, shape (n_rows, n_columns)
        Tidy intervals, or what `resample` returned; channels whose intervals are longer than an hour are left out with a warning.
    min_coverage : float, default 0.9
        How much of a day must be covered for it to have numbers; and how much of a bin, where `x` is in bins [1].

    Returns
    -------
    DataFrame, shape (n_days_of_all_channels, 14)
        `usage_point`, `channel`, `date` (local), `near_base` and `near_peak` [unit] (2.5 % and 97.5 % quantiles of the day),
        `base_peak_ratio` [1], `high_duration` [h] in which load is at or above the middle of the two, `high_span` [h] from the first such
        interval to the end of the last, `rise_time` and `fall_time` [h], `coverage` [1], `n` intervals, `n_high` of them, and `unit` (W for
        electric energy and power, else the unit per hour). Every day from the first to the last has a row; those that are covered less have
        no numbers.

    Raises
    ------
    ConfigurationError
        If all intervals are longer than an hour, or `x` is no tidy frame and not in bins.
    UnitError
        If no channel holds quantities that have a rate.

    Notes
    -----
    Load is at its base up to near-base plus a fifth of the difference to near-peak. `rise_time` runs from the start of the last interval at
    base before the first high one to the start of that; `fall_time` from the start of the last high interval to the start of the first at
    base after it. Where the day has no such interval at base, they are missing: it is not known when the rise began. Intervals across
    midnight are cut there.

    References
    ----------
    Price, Methods for analyzing electric load shape and its variability, LBNL-3713E, 2010. Mathieu, Price, Kiliccote & Piette, Quantifying
    changes in building electricity use, IEEE Transactions on Smart Grid 2(3), 2011.

    Examples
    --------
    >>> import smd_notebook as smd
    >>> days = smd.analysis.shape_metrics(smd.sample("lapse2024").select(channel="electricity delivered (1)")).set_index("date")
    >>> days.loc["2024-07-31", ["near_base", "near_peak", "high_duration", "rise_time", "fall_time"]].map(float).tolist()
    [244.0, 6958.5, 7.0, 0.25, 1.25]
    """
    frame, found = series_of(x, "the shape of a day", min_coverage=min_coverage, longest=HOUR)
    parts = [_days(one, min_coverage) for one in found]
    sizes = [part["date"].size for part in parts]

    def joined(name: str, kind: str = "f8") -> Any:
        return np.concatenate([part[name] for part in parts]).astype(kind) if parts else np.empty(0, dtype=kind)

    columns: dict[str, Any] = {"date": pd.DatetimeIndex(joined("date", "M8[D]").astype("M8[us]"))}
    columns |= {name: joined(name) for name in _COLUMNS}
    columns |= {name: joined(name, "i8") for name in ("n", "n_high")}
    columns["unit"] = rate_units(found, sizes)
    out = labelled(frame, found, sizes, columns)
    inputs = {"channels": len(found), "min_coverage": min_coverage, "zone": ", ".join(sorted({one.zone for one in found}))}
    return stamp(out, definition="LBNL load shape metrics of each local day", inputs=inputs, source="Price, LBNL-3713E, 2010")


def _days(one: Series, min_coverage: float) -> dict[str, Any]:
    """Return the columns of one channel, a row a day."""
    days = one.days()
    day, start, length, rate = days.day, days.start, days.length, one.rate[days.row]
    size = days.date.size
    counts = (days.coverage >= min_coverage) & (days.coverage > 0)
    base, peak = quantiles(rate, day, size, [0.025, 0.975], weights=length).T
    high = rate >= ((base + peak) / 2)[day]
    low = rate <= (base + 0.2 * (peak - base))[day]
    # instants as hours since the day began, so that what is not there can be missing
    hour = (start - days.edges[day]) / HOUR
    first, last = (_extreme(pick, hour[high], day[high], size) for pick in (np.fmin, np.fmax))
    ended = _extreme(np.fmax, (hour + length / HOUR)[high], day[high], size)
    before, after = low & (hour < first[day]), low & (hour > last[day])
    out: dict[str, Any] = {
        "near_base": base,
        "near_peak": peak,
        "base_peak_ratio": np.divide(base, peak, out=np.full(size, np.nan), where=peak > 0),
        "high_duration": np.bincount(day[high], weights=length[high] / HOUR, minlength=size),
        "high_span": ended - first,
        "rise_time": first - _extreme(np.fmax, hour[before], day[before], size),
        "fall_time": _extreme(np.fmin, hour[after], day[after], size) - last,
    }
    out = {name: np.where(counts, numbers, np.nan) for name, numbers in out.items()}
    n, n_high = (np.bincount(some, minlength=size) for some in (day, day[high]))
    return out | {"date": days.date, "coverage": days.coverage, "n": n, "n_high": np.where(counts, n_high, 0)}


def _extreme(pick: Any, values: Floats, group: Ints, n_groups: int) -> Floats:
    """Return the least or the greatest value of each group; missing where it is empty."""
    out = np.full(n_groups, np.nan)
    pick.at(out, group, values)
    return out
